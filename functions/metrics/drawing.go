package metrics

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"

	chart "github.com/go-analyze/charts"
)

// drawing is a chart before it is drawn.
type drawing struct {
	agent, title, span, summary string
	unit, axis                  string  // titles of the axes
	most                        float64 // at the top of the axis of values, which has so many steps; 0 leaves both to the values
	steps                       int
	labels                      []string
	names                       []string // of the lines or bars
	values                      [][]float64
	bars                        bool // in place of lines, one upon the other
}

// missing stands for a value that there is none of.
var missing = chart.GetNullValue()

const (
	chartWidth, chartHeight = 860, 400 // pixels
	chartMargin             = 20
	mostLabels              = 10
	axisLetters             = 92 // as wide as the axis
)

// The colours keep 3:1 and more against their background, and differ for those who see no red or green.
var themes = map[string]chart.ColorPalette{
	"light": chart.MakeTheme(chart.ThemeOption{
		BackgroundColor: chart.ColorFromHex("#ffffff"), TextColor: chart.ColorFromHex("#24292f"),
		AxisStrokeColor: chart.ColorFromHex("#8c959f"), AxisSplitLineColor: chart.ColorFromHex("#e4e7eb"),
		SeriesColors: []chart.Color{chart.ColorFromHex("#0b6e99"), chart.ColorFromHex("#d9730d"), chart.ColorFromHex("#7a3e9d")},
	}),
	"dark": chart.MakeTheme(chart.ThemeOption{
		IsDarkMode: true, BackgroundColor: chart.ColorFromHex("#0d1117"), TextColor: chart.ColorFromHex("#e6edf3"),
		AxisStrokeColor: chart.ColorFromHex("#7d8590"), AxisSplitLineColor: chart.ColorFromHex("#21262d"),
		SeriesColors: []chart.Color{chart.ColorFromHex("#4cb3d9"), chart.ColorFromHex("#f0a35e"), chart.ColorFromHex("#c58fe6")},
	}),
}

func (d drawing) png(theme string) ([]byte, error) { return d.draw(theme, chart.ChartOutputPNG) }

// svg draws with text as text, and says in words what there is to see.
func (d drawing) svg(theme string) ([]byte, error) {
	drawn, err := d.draw(theme, chart.ChartOutputSVG)
	if err != nil {
		return nil, err
	}
	end := bytes.IndexByte(drawn, '>')
	if !bytes.HasPrefix(drawn, []byte("<svg ")) || end < 0 {
		return nil, fmt.Errorf("the chart is no SVG")
	}
	var text bytes.Buffer
	text.Write(drawn[:end])
	fmt.Fprintf(&text, ` width="%d" height="%d" role="img" aria-labelledby="title desc" font-family="Roboto, 'Segoe UI', Helvetica, Arial, sans-serif">`, chartWidth, chartHeight)
	element(&text, "title", d.agent+": "+d.title)
	element(&text, "desc", d.span+". "+d.summary)
	text.Write(drawn[end+1:])
	return text.Bytes(), nil
}

// element writes an XML element that holds text, whose id is its name.
func element(to *bytes.Buffer, name, text string) {
	fmt.Fprintf(to, `<%s id="%[1]s">`, name)
	_ = xml.EscapeText(to, []byte(text)) // a buffer takes all
	fmt.Fprintf(to, `</%s>`, name)
}

func (d drawing) draw(theme, format string) ([]byte, error) {
	palette := themes[theme]
	painter := chart.NewPainter(chart.PainterOptions{OutputFormat: format, Width: chartWidth, Height: chartHeight, Theme: palette})
	title := chart.TitleOption{Text: d.shown(format) + d.title, FontStyle: chart.FontStyle{FontSize: 14}}
	legend := chart.LegendOption{SeriesNames: d.names, Offset: chart.OffsetRight, Padding: chart.NewBox(0, 0, 0, chartMargin)}
	gap, zero := true, 0.0
	category := chart.CategoryAxisOption{Labels: thinned(d.labels), Title: d.axis + ", " + d.span, BoundaryGap: &gap, LabelCount: len(d.labels)}
	value := chart.ValueAxisOption{Title: d.unit, Min: &zero, ValueFormatter: func(v float64) string { return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64) }}
	if d.most > 0 {
		value.Max, value.LabelCount = &d.most, d.steps+1
	}
	if d.bars {
		options := chart.NewBarChartOptionWithData(d.values)
		stacked := true
		options.Theme, options.Title, options.Legend, options.Padding, options.StackSeries = palette, title, legend, chart.NewBoxEqual(chartMargin), &stacked
		options.CategoryAxis, options.ValueAxis = category, []chart.ValueAxisOption{value}
		if err := painter.BarChart(options); err != nil {
			return nil, fmt.Errorf("draw %s: %w", d.title, err)
		}
		return painter.Bytes()
	}
	options := chart.NewLineChartOptionWithData(d.values)
	options.Theme, options.Title, options.Legend, options.Padding = palette, title, legend, chart.NewBoxEqual(chartMargin)
	options.Symbol, options.LineStrokeWidth = chart.Symbol{Shape: chart.SymbolDot, Size: 4}, 2
	options.XAxis, options.YAxis = category, []chart.ValueAxisOption{value}
	if err := painter.LineChart(options); err != nil {
		return nil, fmt.Errorf("draw %s: %w", d.title, err)
	}
	return painter.Bytes()
}

// thinned leaves out labels that would run into others, or over an end of the axis.
func thinned(labels []string) []string {
	longest := 0
	for _, label := range labels {
		longest = max(longest, len(label))
	}
	most := min(mostLabels, axisLetters/(longest+2))
	every := (len(labels) + most - 1) / most
	kept := make([]string, len(labels))
	if every == 0 {
		return kept
	}
	count := len(labels) / every
	first := (len(labels) - 1 - (count-1)*every) / 2 // so that both ends have as much room
	for i := range count {
		at := first + i*every
		kept[at] = labels[at]
	}
	return kept
}

// shown is the agent's name, where it can be drawn: the font of a PNG knows few scripts, a browser's know all.
func (d drawing) shown(format string) string {
	font := chart.GetDefaultFont()
	for _, r := range d.agent {
		if format == chart.ChartOutputPNG && font.Index(r) == 0 {
			return ""
		}
	}
	return d.agent + ": "
}
