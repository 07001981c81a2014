package metrics

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// elements returns the texts of an SVG's elements by their names. The test fails where it is not well-formed XML, or
// could run or load anything.
func elements(t *testing.T, svg string) map[string][]string {
	t.Helper()
	texts := map[string][]string{}
	decoder := xml.NewDecoder(strings.NewReader(svg))
	var open []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatalf("%v: %s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if open = append(open, token.Name.Local); slices.Contains([]string{"script", "image", "use", "a", "foreignObject"}, token.Name.Local) {
				t.Errorf("it has a %s", token.Name.Local)
			}
			for _, attribute := range token.Attr {
				if strings.HasPrefix(attribute.Name.Local, "on") || attribute.Name.Local == "href" {
					t.Errorf("it has %s", attribute.Name.Local)
				}
			}
		case xml.CharData:
			texts[open[len(open)-1]] = append(texts[open[len(open)-1]], string(token))
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

// A chart has its text as text, axes with their units, and words for those who do not see it. A name is a name (row I28).
func TestChart_SVG(t *testing.T) {
	t.Parallel()
	s := start(t)
	const name = `<script>alert("é")</script> कमल`
	s.DB.Exec(t, `update plant.agents set name = $2 where id = $1`, agent, name)
	s.report(t, agent, completed("1", 26*time.Hour).with(event{"duration_ms": 4000}), completed("2", 25*time.Hour).with(event{"duration_ms": 6000}), completed("3", 49*time.Hour).with(event{"kind": "job_failed"}))
	for measure, want := range map[string]struct {
		title, summary string
		texts          []string
	}{
		"jobs":         {"Jobs by day", "3 jobs ended, of which 2 completed (66.7 %)", []string{"jobs", "completed", "failed"}},
		"success_rate": {"Jobs that completed by day", "66.7 % of 3 jobs completed.", []string{"% of jobs that ended", "completed", "100"}},
		"duration":     {"Time that jobs took by day", "p50, p95 and p99 of 2 completed jobs; p99 is up to 5.94 seconds.", []string{"seconds", "p50", "p95", "p99"}},
	} {
		var pictures []string
		for _, theme := range []string{"light", "dark"} {
			answer := s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics/chart.svg?tz=Asia/Kolkata&measure="+measure+"&theme="+theme, "", "").Want(t, http.StatusOK)
			texts := elements(t, answer.Body)
			if got := answer.Header.Get("Content-Type"); got != "image/svg+xml" {
				t.Errorf("it is %s", got)
			}
			if title := strings.Join(texts["title"], ""); title != name+": "+want.title {
				t.Errorf("%s: the title is %q", measure, title)
			}
			if summary := strings.Join(texts["desc"], ""); !strings.Contains(summary, want.summary) {
				t.Errorf("%s: it says %q", measure, summary)
			}
			drawn := texts["text"]
			for _, text := range append(want.texts, name+": "+want.title) {
				if !slices.Contains(drawn, text) {
					t.Errorf("%s: no text %q in %q", measure, text, drawn)
				}
			}
			if !slices.ContainsFunc(drawn, func(text string) bool { return strings.HasPrefix(text, "day (Asia/Kolkata), ") }) {
				t.Errorf("%s: no axis of time in %q", measure, drawn)
			}
			if measure == "jobs" && slices.ContainsFunc(drawn, func(text string) bool { return strings.HasPrefix(text, "0.") }) {
				t.Errorf("there are parts of a job in %q", drawn)
			}
			pictures = append(pictures, answer.Body)
		}
		if pictures[0] == pictures[1] {
			t.Errorf("%s is the same in the dark", measure)
		}
	}
}

// What has nothing to show is drawn too, by every interval, and a PNG is one.
func TestChart_EmptyAndPNG(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, query := range []string{
		"", "measure=success_rate", "measure=duration&theme=dark", "interval=hour", "interval=week&theme=dark", "interval=month&tz=Asia/Kathmandu",
		"from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:01Z", "interval=hour&from=2026-01-01T00:00:00Z&to=2026-02-11T00:00:00Z",
	} {
		svg := s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics/chart.svg?"+query, "", "").Want(t, http.StatusOK)
		if summary := strings.Join(elements(t, svg.Body)["desc"], ""); !strings.Contains(summary, ". No ") {
			t.Errorf("%s: it says %q", query, summary)
		}
		answer := s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics/chart.png?"+query, "", "").Want(t, http.StatusOK)
		picture, err := png.Decode(bytes.NewReader([]byte(answer.Body)))
		if err != nil || answer.Header.Get("Content-Type") != "image/png" || picture.Bounds().Dx() != chartWidth || picture.Bounds().Dy() != chartHeight {
			t.Errorf("%s: %v, %s", query, err, answer.Header.Get("Content-Type"))
		}
	}
}

// Most labels are left out, so each that is kept says all that tells its bucket from the others.
func TestSeries_Labels(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		interval, tz, from, to string
		first, last            string
	}{
		{"hour", "UTC", "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z", "00:00", "23:00"},
		{"hour", "Asia/Kolkata", "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z", "27 Nov 05:00", "28 Nov 05:00"},
		{"hour", "UTC", "2026-12-31T22:00:00Z", "2027-01-01T02:00:00Z", "31 Dec 2026 22:00", "1 Jan 2027 01:00"},
		{"day", "UTC", "2026-11-01T00:00:00Z", "2026-11-11T00:00:00Z", "1 Nov", "10 Nov"},
		{"day", "UTC", "2026-12-01T00:00:00Z", "2027-01-02T00:00:00Z", "1 Dec 2026", "1 Jan 2027"},
		{"week", "UTC", "2026-11-02T00:00:00Z", "2026-11-16T00:00:00Z", "W45", "W46"},
		{"week", "UTC", "2026-12-28T00:00:00Z", "2027-01-11T00:00:00Z", "W53 2026", "W01 2027"},
		{"month", "UTC", "2026-12-01T00:00:00Z", "2027-02-01T00:00:00Z", "Dec 2026", "Jan 2027"},
	} {
		from, _ := time.Parse(time.RFC3339, test.from)
		to, _ := time.Parse(time.RFC3339, test.to)
		asked := Series{From: from, To: to, Interval: test.interval, TZ: test.tz}
		spans, err := asked.spans(to)
		if err != nil {
			t.Fatal(err)
		}
		var buckets []bucket
		for _, span := range spans {
			buckets = append(buckets, bucket{From: span.From})
		}
		labels := asked.labels(buckets)
		if got := []string{labels[0], labels[len(labels)-1]}; !slices.Equal(got, []string{test.first, test.last}) {
			t.Errorf("%s from %s: %q", test.interval, test.from, got)
		}
	}
}

// Those that are kept have room: none runs into another, or far over an end of the axis.
func TestThinned(t *testing.T) {
	t.Parallel()
	for _, label := range []string{"W45", "2 Dec", "30 Dec 2026", "31 Dec 15:04", "31 Dec 2026 15:04"} {
		for _, buckets := range []int{1, 2, 5, 24, 33, 60, 1000} {
			kept := thinned(slices.Repeat([]string{label}, buckets))
			letters := axisLetters / float64(buckets) // as wide as a bucket
			const margin = 1.0
			end, count := -margin, 0
			for i, label := range kept {
				if label == "" {
					continue
				}
				middle, half := (float64(i)+0.5)*letters, float64(len(label))/2
				if middle-half < end || middle+half > axisLetters+margin {
					t.Errorf("%q of %d buckets has no room: %q", label, buckets, kept)
				}
				end, count = middle+half, count+1
			}
			if count < min(buckets, 2) {
				t.Errorf("of %q and %d buckets %d labels are kept", label, buckets, count)
			}
		}
	}
	if got := thinned(nil); len(got) != 0 {
		t.Errorf("of none: %q", got)
	}
}

func TestBadge(t *testing.T) {
	t.Parallel()
	s := start(t)
	badge := func(query string) string {
		answer := s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics/badge.svg?"+query, "", "").Want(t, http.StatusOK)
		texts := elements(t, answer.Body)
		for i, length := range regexp.MustCompile(`textLength="(\d+)"`).FindAllStringSubmatch(answer.Body, -1) {
			if text := texts["text"][i]; fmt.Sprintf("%4s", length[1]) < fmt.Sprintf("%4d", 4*len(text)) { // pixels a letter, at least
				t.Errorf("%q is %s wide", text, length[1])
			}
		}
		if title := strings.Join(texts["title"], ""); title != strings.Join(texts["text"], ": ") {
			t.Errorf("%s: %q, and reads %q", query, texts["text"], title)
		}
		return strings.Join(texts["title"], "")
	}
	for _, measure := range []string{"success_rate", "rating", "duration"} {
		if got := badge("measure=" + measure); !strings.HasSuffix(got, " 30d: no data") {
			t.Errorf("%s: %q", measure, got)
		}
	}
	s.report(t, agent, completed("1", time.Hour).with(event{"duration_ms": 95000}), completed("2", time.Hour).with(event{"kind": "job_failed"}))
	for query, want := range map[string]string{
		"": "jobs completed 30d: 50.0 % of 2", "measure=jobs&window=all": "jobs: 2", "measure=duration&window=7d": "median time 7d: 1.6 min",
	} {
		if got := badge(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
