package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/httpapi"
)

// charts draws what one agent really did.
type charts struct {
	metrics agentMetrics
}

// Drawn is what a chart shows, and how. Embed it in an input.
type Drawn struct {
	Measure string `query:"measure" enum:"jobs,success_rate,duration" default:"jobs" doc:"jobs that completed and failed; the share that completed; how long completed ones took"`
	Theme   string `query:"theme" enum:"light,dark" default:"light" doc:"for a light or a dark page"`
}

type askedChart struct {
	httpapi.ByID
	Series
	Drawn
	httpapi.Conditional
}

func (c charts) svg(ctx context.Context, in *askedChart) (*httpapi.File, error) {
	drawing, err := c.drawing(ctx, in)
	if err != nil {
		return nil, err
	}
	picture, err := drawing.svg(in.Theme)
	if err != nil {
		return nil, err
	}
	return httpapi.AnswerFile(in.Conditional, "image/svg+xml", picture), nil
}

func (c charts) png(ctx context.Context, in *askedChart) (*httpapi.File, error) {
	drawing, err := c.drawing(ctx, in)
	if err != nil {
		return nil, err
	}
	picture, err := drawing.png(in.Theme)
	if err != nil {
		return nil, err
	}
	return httpapi.AnswerFile(in.Conditional, "image/png", picture), nil
}

// drawing brings the figures that a chart shows into the form that it is drawn from.
func (c charts) drawing(ctx context.Context, in *askedChart) (drawing, error) {
	name, series, err := c.read(ctx, in.ID, in.Series)
	if err != nil {
		return drawing{}, err
	}
	d := drawing{agent: name, axis: in.Interval + " (" + in.TZ + ")", span: in.spanned(series), labels: in.labels(series.Buckets)}
	switch in.Measure {
	case "success_rate":
		d.shares(series.Buckets)
	case "duration":
		d.durations(series.Buckets)
	default:
		d.jobs(series.Buckets)
	}
	d.title += per[in.Interval]
	return d, nil
}

var per = map[string]string{"hour": " by hour", "day": " by day", "week": " by week", "month": " by month"}

func (c charts) read(ctx context.Context, agent uuid.UUID, asked Series) (name string, series timeseries, err error) {
	if name, err = c.metrics.store.name(ctx, agent); err != nil {
		return "", timeseries{}, err
	}
	series, err = c.metrics.over(ctx, agent, asked)
	return name, series, err
}

// labels name the buckets on their axis, in their time zone. Most of them are left out, so each says all that tells its
// bucket from the others.
func (s Series) labels(buckets []bucket) []string {
	if len(buckets) == 0 {
		return nil
	}
	zone := s.zone()
	first, last := buckets[0].From.In(zone), buckets[len(buckets)-1].From.In(zone)
	firstYear, lastYear := first.Year(), last.Year()
	if s.Interval == "week" {
		firstYear, _ = first.ISOWeek()
		lastYear, _ = last.ISOWeek()
	}
	years := firstYear != lastYear
	layout := "2 Jan"
	if years {
		layout = "2 Jan 2006"
	}
	switch {
	case s.Interval == "month":
		layout = "Jan 2006"
	case s.Interval == "hour" && !years && first.YearDay() == last.YearDay():
		layout = "15:04"
	case s.Interval == "hour":
		layout += " 15:04"
	}
	labels := make([]string, len(buckets))
	for i, b := range buckets {
		at := b.From.In(zone)
		year, week := at.ISOWeek()
		switch {
		case s.Interval != "week":
			labels[i] = at.Format(layout)
		case years:
			labels[i] = fmt.Sprintf("W%02d %d", week, year)
		default:
			labels[i] = fmt.Sprintf("W%02d", week)
		}
	}
	return labels
}

// spanned says in words from when to when a series is.
func (s Series) spanned(t timeseries) string {
	from, to := t.From.In(s.zone()), t.To.In(s.zone())
	if s.Interval == "hour" {
		return from.Format("2 January 2006, 15:04") + " to " + to.Format("2 January 2006, 15:04")
	}
	return from.Format("2 January 2006") + " to " + to.AddDate(0, 0, -1).Format("2 January 2006")
}

// fewJobs are drawn with a step of the axis for each.
const fewJobs = 8

func (d *drawing) jobs(buckets []bucket) {
	completed, failed := make([]float64, len(buckets)), make([]float64, len(buckets))
	var total, well, most int64
	at := ""
	for i, b := range buckets {
		completed[i], failed[i] = float64(b.CompletedJobs), float64(b.TotalJobs-b.CompletedJobs)
		total, well = total+b.TotalJobs, well+b.CompletedJobs
		if b.TotalJobs > most {
			most, at = b.TotalJobs, d.labels[i]
		}
	}
	d.title, d.unit, d.bars = "Jobs", "jobs", true
	if most <= fewJobs {
		d.most, d.steps = float64(most), int(most)
	}
	d.names, d.values = []string{"completed", "failed"}, [][]float64{completed, failed}
	d.summary = "No jobs ended."
	if total > 0 {
		d.summary = fmt.Sprintf("%d jobs ended, of which %d completed (%.1f %%); most, %d, at %s.", total, well, 100*float64(well)/float64(total), most, at)
	}
}

func (d *drawing) shares(buckets []bucket) {
	shares := make([]float64, len(buckets))
	var total, well int64
	for i, b := range buckets {
		shares[i] = missing
		total, well = total+b.TotalJobs, well+b.CompletedJobs
		if b.SuccessRate != nil {
			shares[i] = 100 * *b.SuccessRate
		}
	}
	d.title, d.unit, d.most, d.steps = "Jobs that completed", "% of jobs that ended", 100, 5
	d.names, d.values = []string{"completed"}, [][]float64{shares}
	d.summary = "No jobs ended."
	if total > 0 {
		d.summary = fmt.Sprintf("%.1f %% of %d jobs completed.", 100*float64(well)/float64(total), total)
	}
}

func (d *drawing) durations(buckets []bucket) {
	lines := [][]float64{make([]float64, len(buckets)), make([]float64, len(buckets)), make([]float64, len(buckets))}
	var samples int64
	longest := 0.0
	for i, b := range buckets {
		samples += b.DurationSamples
		for j, ms := range []*float64{b.P50DurationMS, b.P95DurationMS, b.P99DurationMS} {
			lines[j][i] = missing
			if ms != nil {
				lines[j][i], longest = *ms, max(longest, *ms)
			}
		}
	}
	unit, size := "milliseconds", 1.0
	for _, larger := range []struct {
		name   string
		length time.Duration
	}{{"seconds", time.Second}, {"minutes", time.Minute}, {"hours", time.Hour}} {
		if ms := float64(larger.length.Milliseconds()); longest >= 2*ms {
			unit, size = larger.name, ms
		}
	}
	for _, line := range lines {
		for i := range line {
			if line[i] != missing {
				line[i] /= size
			}
		}
	}
	d.title, d.unit = "Time that jobs took", unit
	d.names, d.values = []string{"p50", "p95", "p99"}, lines
	d.summary = "No completed job told how long it took."
	if samples > 0 {
		d.summary = fmt.Sprintf("p50, p95 and p99 of %d completed jobs; p99 is up to %.3g %s.", samples, longest/size, unit)
	}
}
