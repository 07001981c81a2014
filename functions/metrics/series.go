package metrics

import (
	"fmt"
	"time"
	_ "time/tzdata" // the platform's image has no time zones

	"github.com/waooaw/plant/shared/figures"
	"github.com/waooaw/plant/shared/httpapi"
)

// intervals are what a time series has a bucket for each of.
var intervals = map[string]struct {
	usual int // buckets, where no beginning was asked for
	begin func(t time.Time) time.Time
	next  func(t time.Time) time.Time
}{
	"hour":  {48, func(t time.Time) time.Time { return t.Add(-sinceHour(t)) }, func(t time.Time) time.Time { return t.Add(time.Hour) }},
	"day":   {30, func(t time.Time) time.Time { return midnight(t, 0) }, func(t time.Time) time.Time { return midnight(t, 1) }},
	"week":  {13, func(t time.Time) time.Time { return midnight(t, -(int(t.Weekday())+6)%7) }, func(t time.Time) time.Time { return midnight(t, 7) }}, // ISO 8601: from Monday
	"month": {12, func(t time.Time) time.Time { return midnight(t, 1-t.Day()) }, func(t time.Time) time.Time { return midnight(t, daysIn(t)) }},
}

// sinceHour is the time since the clock of t's zone began an hour.
func sinceHour(t time.Time) time.Duration {
	return time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}

// midnight is the beginning of the day that is so many days after t's, by the calendar of t's zone. Where a clock that goes
// forward leaves midnight out, it is that moment.
func midnight(t time.Time, days int) time.Time {
	noon := time.Date(t.Year(), t.Month(), t.Day()+days, 12, 0, 0, 0, t.Location())
	begin := time.Date(noon.Year(), noon.Month(), noon.Day(), 0, 0, 0, 0, t.Location())
	if begin.Day() != noon.Day() {
		_, begin = begin.ZoneBounds()
	}
	return begin
}

// daysIn is how many days t's month has.
func daysIn(t time.Time) int { return time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }

// Series is what a time series is asked for. Embed it in an input.
type Series struct {
	From     time.Time `query:"from" doc:"in the first bucket (RFC 3339); where it is not sent, there are 48 hours, 30 days, 13 weeks or 12 months"`
	To       time.Time `query:"to" doc:"the end of the last bucket, or in it (RFC 3339); now, where it is not sent"`
	Interval string    `query:"interval" enum:"hour,day,week,month" default:"day" doc:"weeks begin on Mondays (ISO 8601)"`
	TZ       string    `query:"tz" maxLength:"64" default:"UTC" example:"Asia/Kolkata" doc:"the time zone whose hours, days, weeks and months are meant (IANA)"`
}

const maxBuckets = 1000

// firstSeries is before all events. Zones had odd minutes longer ago.
var firstSeries = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// spans returns the buckets, each a whole one, from the one that From is in to the one before To, or that To is in.
func (s Series) spans(now time.Time) ([]figures.Span, error) {
	fault := func(name, message string) error {
		f := &httpapi.Fault{Location: "query." + name, Message: message}
		return httpapi.Invalid.Problem(f.Error(), f)
	}
	zone, err := time.LoadLocation(s.TZ)
	if err != nil || s.TZ == "Local" || s.TZ == "" {
		return nil, fault("tz", "must be a time zone of the IANA database, such as Asia/Kolkata")
	}
	interval, to := intervals[s.Interval], s.To
	if to.IsZero() {
		to = now
	}
	switch {
	case to.Before(firstSeries) || to.After(now.AddDate(1, 0, 0)):
		return nil, fault("to", "must be after 2000 and no more than a year ahead")
	case !s.From.IsZero() && (s.From.Before(firstSeries) || !s.From.Before(to)):
		return nil, fault("from", "must be after 2000 and before to")
	}
	var at time.Time
	if s.From.IsZero() {
		// The last bucket, and as many as are usual with it.
		at = interval.begin(to.Add(-1).In(zone))
		for range interval.usual - 1 {
			at = interval.begin(at.Add(-1))
		}
	} else {
		at = interval.begin(s.From.In(zone))
	}
	var spans []figures.Span
	for at.Before(to) {
		next := interval.next(at)
		if len(spans) == maxBuckets {
			return nil, fault("from", fmt.Sprintf("asks for more than %d buckets", maxBuckets))
		}
		spans = append(spans, figures.Span{From: at.UTC(), To: next.UTC()})
		at = next
	}
	return spans, nil
}

// zone is the time zone that spans has found to be one.
func (s Series) zone() *time.Location {
	zone, err := time.LoadLocation(s.TZ)
	if err != nil {
		return time.UTC
	}
	return zone
}
