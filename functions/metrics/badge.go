package metrics

import (
	"bytes"
	"context"
	"fmt"
	"time"

	chart "github.com/go-analyze/charts"

	"github.com/waooaw/plant/shared/figures"
	"github.com/waooaw/plant/shared/httpapi"
)

// badge answers a small picture for a README: one figure of an agent.
func (c charts) badge(ctx context.Context, in *struct {
	httpapi.ByID
	Measure string `query:"measure" enum:"success_rate,jobs,rating,duration" default:"success_rate" doc:"the share of jobs that completed, how many ended, mean stars of the reviews, or the median time that completed jobs took"`
	Window  string `query:"window" enum:"24h,7d,30d,90d,all" default:"30d" doc:"the time to look at"`
	httpapi.Conditional
},
) (*httpapi.File, error) {
	found, err := c.metrics.in(ctx, in.ID, in.Window)
	if err != nil {
		return nil, err
	}
	label, value := badgeOf(in.Measure, found.Measured)
	if in.Window != "all" {
		label += " " + in.Window
	}
	return httpapi.AnswerFile(in.Conditional, "image/svg+xml", drawBadge(label, value)), nil
}

// badgeOf returns what a badge says on its left and on its right.
func badgeOf(measure string, m figures.Measured) (label, value string) {
	const none = "no data"
	switch {
	case measure == "jobs":
		return "jobs", fmt.Sprint(m.TotalJobs)
	case measure == "rating" && m.Reviews > 0:
		return "rating", fmt.Sprintf("%.1f / 5 (%d)", m.AvgRating, m.Reviews)
	case measure == "rating":
		return "rating", none
	case measure == "duration" && m.P50DurationMS != nil:
		return "median time", shortDuration(time.Duration(*m.P50DurationMS * float64(time.Millisecond)))
	case measure == "duration":
		return "median time", none
	case m.SuccessRate != nil:
		return "jobs completed", fmt.Sprintf("%.1f %% of %d", 100**m.SuccessRate, m.TotalJobs)
	default:
		return "jobs completed", none
	}
}

// shortDuration says how long something took in about three digits.
func shortDuration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.1f min", d.Minutes())
	default:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
}

const (
	badgeHeight  = 20
	badgePadding = 7
	badgeFont    = 8.25 // points: 11 pixels
)

// drawBadge draws two fields. Their texts are stretched to the width that was measured, whatever font a viewer has.
func drawBadge(label, value string) []byte {
	painter := chart.NewPainter(chart.PainterOptions{OutputFormat: chart.ChartOutputSVG, Width: 1, Height: 1})
	width := func(text string) int {
		box := painter.MeasureText(text, 0, chart.FontStyle{FontSize: badgeFont, FontColor: chart.ColorWhite})
		return box.Width()
	}
	left, right := width(label), width(value)
	split := left + 2*badgePadding
	whole := split + right + 2*badgePadding
	var text bytes.Buffer
	fmt.Fprintf(&text, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-labelledby="title">`, whole, badgeHeight)
	element(&text, "title", label+": "+value)
	fmt.Fprintf(&text, `<clipPath id="round"><rect width="%d" height="%d" rx="3"/></clipPath><g clip-path="url(#round)">`, whole, badgeHeight)
	fmt.Fprintf(&text, `<rect width="%d" height="%d" fill="#444d56"/><rect x="%[1]d" width="%[3]d" height="%[2]d" fill="#0b6e99"/></g>`, split, badgeHeight, whole-split)
	text.WriteString(`<g fill="#fff" font-family="Verdana, 'DejaVu Sans', sans-serif" font-size="11">`)
	for _, part := range []struct {
		at, width int
		text      string
	}{{badgePadding, left, label}, {split + badgePadding, right, value}} {
		fmt.Fprintf(&text, `<text x="%d" y="14" textLength="%d" lengthAdjust="spacingAndGlyphs">%s</text>`, part.at, part.width, part.text)
	}
	text.WriteString(`</g></svg>`)
	return text.Bytes()
}
