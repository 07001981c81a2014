package metrics

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/figures"
)

// Buckets follow the calendar of their zone: where a clock changes, a day has 23 or 25 hours, and weeks begin on Mondays.
func TestSeries_Calendar(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for _, test := range []struct {
		name  string
		asked Series
		first string // bucket's beginning
		hours []float64
	}{
		{"spring in Berlin", Series{From: at("2026-03-28T12:00:00Z"), To: at("2026-03-30T12:00:00Z"), Interval: "day", TZ: "Europe/Berlin"}, "2026-03-27T23:00:00Z", []float64{24, 23, 24}},
		{"autumn in Berlin", Series{From: at("2026-10-25T00:00:00+02:00"), To: at("2026-10-26T00:00:00+01:00"), Interval: "day", TZ: "Europe/Berlin"}, "2026-10-24T22:00:00Z", []float64{25}},
		{"hours of autumn", Series{From: at("2026-10-25T00:30:00Z"), To: at("2026-10-25T02:00:00Z"), Interval: "hour", TZ: "Europe/Berlin"}, "2026-10-25T00:00:00Z", []float64{1, 1}},
		{"no midnight in Santiago", Series{From: at("2026-09-06T12:00:00Z"), To: at("2026-09-07T01:00:00Z"), Interval: "day", TZ: "America/Santiago"}, "2026-09-06T04:00:00Z", []float64{23}},
		{"midnight twice in Havana", Series{From: at("2026-11-01T12:00:00Z"), To: at("2026-11-02T12:00:00Z"), Interval: "day", TZ: "America/Havana"}, "2026-11-01T04:00:00Z", []float64{25, 24}},
		{"half an hour in Lord Howe", Series{From: at("2026-10-03T14:00:00Z"), To: at("2026-10-04T10:00:00Z"), Interval: "day", TZ: "Australia/Lord_Howe"}, "2026-10-03T13:30:00Z", []float64{23.5}},
		{"weeks over the year's end", Series{From: at("2026-12-31T00:00:00Z"), To: at("2027-01-05T00:00:00Z"), Interval: "week", TZ: "UTC"}, "2026-12-28T00:00:00Z", []float64{168, 168}},
		{"a Sunday", Series{From: at("2026-11-22T10:00:00Z"), To: at("2026-11-22T11:00:00Z"), Interval: "week", TZ: "UTC"}, "2026-11-16T00:00:00Z", []float64{168}},
		{"months", Series{From: at("2026-01-31T10:00:00Z"), To: at("2026-03-01T00:00:00Z"), Interval: "month", TZ: "UTC"}, "2026-01-01T00:00:00Z", []float64{31 * 24, 28 * 24}},
	} {
		spans, err := test.asked.spans(now)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var hours []float64
		for i, s := range spans {
			hours = append(hours, s.To.Sub(s.From).Hours())
			if i > 0 && spans[i-1].To != s.From || s.From.Truncate(figures.Quarter) != s.From {
				t.Errorf("%s: %v does not follow", test.name, s)
			}
		}
		if diff := cmp.Diff(test.hours, hours); diff != "" || spans[0].From != at(test.first) {
			t.Errorf("%s: from %v: %s", test.name, spans[0].From, diff)
		}
	}
	for interval, want := range map[string]int{"hour": 48, "day": 30, "week": 13, "month": 12} {
		spans, err := Series{Interval: interval, TZ: "Asia/Kolkata"}.spans(now)
		if err != nil || len(spans) != want || !spans[len(spans)-1].To.After(now.Add(-time.Nanosecond)) {
			t.Errorf("%s: %d, %v", interval, len(spans), err)
		}
	}
}
