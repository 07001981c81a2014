package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/go-analyze/charts"
)

// panel is one scenario of the picture.
type panel struct {
	title   string
	samples []sample
}

const (
	panelWidth, panelHeight = 1000, 240 // pixels
	margin                  = 16
)

// draw writes a PNG with a panel for each scenario: the latency of each second's requests over time.
func draw(panels []panel, file string) error {
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputPNG, Width: panelWidth, Height: panelHeight * len(panels)})
	painter.FilledRect(0, 0, panelWidth, panelHeight*len(panels), charts.ColorWhite, charts.ColorWhite, 0)
	for i, p := range panels {
		options := charts.NewLineChartOptionWithData(perSecondQuantiles(p.samples))
		options.Title = charts.TitleOption{Text: p.title}
		options.Legend = charts.LegendOption{SeriesNames: []string{"p50", "p95", "p99"}, Offset: charts.OffsetRight}
		options.Padding = charts.NewBoxEqual(margin)
		options.Symbol = charts.Symbol{Shape: charts.SymbolNone}
		options.LineStrokeWidth = 1.5
		options.XAxis = charts.XAxisOption{Labels: seconds(len(options.SeriesList[0].Values)), Title: "seconds"}
		zero := 0.0
		options.YAxis = []charts.YAxisOption{{Title: "latency", Min: &zero, ValueFormatter: func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + " ms" }}}
		box := charts.NewBox(0, i*panelHeight, panelWidth, (i+1)*panelHeight)
		if err := painter.Child(charts.PainterBoxOption(box)).LineChart(options); err != nil {
			return fmt.Errorf("%s: %w", p.title, err)
		}
	}
	picture, err := painter.Bytes()
	if err != nil {
		return err
	}
	return os.WriteFile(file, picture, 0o644) //nolint:gosec // for everybody to see
}

func seconds(count int) []string {
	labels := make([]string, count)
	for i := range labels {
		labels[i] = strconv.Itoa(i)
	}
	return labels
}

// perSecondQuantiles returns the median, p95 and p99 of the requests that were sent in each second, in milliseconds.
func perSecondQuantiles(samples []sample) [][]float64 {
	var buckets [][]time.Duration
	for _, s := range samples {
		second := max(0, int(s.at/time.Second))
		for len(buckets) <= second {
			buckets = append(buckets, nil)
		}
		buckets[second] = append(buckets[second], s.latency)
	}
	lines := make([][]float64, 3)
	for _, bucket := range buckets {
		slices.Sort(bucket)
		for i, q := range []float64{0.50, 0.95, 0.99} {
			lines[i] = append(lines[i], float64(quantile(bucket, q).Microseconds())/1000)
		}
	}
	return lines
}
