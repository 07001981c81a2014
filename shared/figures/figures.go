// Package figures says what agents really did within a time, as more than one function answers it.
package figures

import (
	"time"

	"github.com/google/uuid"
)

// Jobs are what the jobs of a time come to. Rates and durations are null where there is no sample.
type Jobs struct {
	TotalJobs       int64    `json:"total_jobs" doc:"jobs that ended"`
	CompletedJobs   int64    `json:"completed_jobs" doc:"those that completed"`
	SuccessRate     *float64 `json:"success_rate" doc:"completed_jobs ÷ total_jobs"`
	P50DurationMS   *float64 `json:"p50_duration_ms" doc:"half of the completed jobs took no longer; within 2 %"`
	P95DurationMS   *float64 `json:"p95_duration_ms" doc:"95 % of the completed jobs took no longer; within 2 %"`
	P99DurationMS   *float64 `json:"p99_duration_ms" doc:"99 % of the completed jobs took no longer; within 2 %"`
	MeanDurationMS  *float64 `json:"mean_duration_ms" doc:"of completed jobs"`
	DurationSamples int64    `json:"duration_samples" doc:"completed jobs that told how long they took: what the durations are made of"`
	AvgCost         *float64 `json:"avg_cost" doc:"mean cost of a job, in the agent's currency"`
	CostSamples     int64    `json:"cost_samples" doc:"jobs that told what they cost"`
}

// Measured are an agent's figures within a time.
type Measured struct {
	AgentID uuid.UUID `json:"agent_id" format:"uuid"`
	Jobs
	AvgRating           float64  `json:"avg_rating" doc:"plain mean of the reviews' stars, 1 to 5; 0 where there are none"`
	ResponseTimeSeconds float64  `json:"response_time_seconds" doc:"mean_duration_ms in seconds; 0 where there is no sample"`
	RetentionRate       float64  `json:"retention_rate" doc:"trials that went on ÷ trials that ended; 0 where none did"`
	RankScore           *float64 `json:"rank_score" doc:"mean of the reviews' stars as if ten of 3 stars had come first, which rankings go by; null where there are none"`
	Reviews             int64    `json:"reviews" doc:"how many avg_rating and rank_score are made of"`
	SampleSize          int64    `json:"sample_size" doc:"jobs that ended: what success_rate is made of"`
	TrialsEnded         int64    `json:"trials_ended" doc:"what retention_rate is made of"`
}

const (
	// Quarter is the finest grain of rollups: the days of every time zone begin and end on one.
	Quarter = 15 * time.Minute
	// Day is a day of UTC, which rollups have too.
	Day = 24 * time.Hour
)

// Span is a time from a quarter of an hour to another.
type Span struct{ From, To time.Time }

// Always is all time.
var Always = Span{}

// Lengths are how long the windows are that figures are told of.
var Lengths = map[string]time.Duration{"24h": Day, "7d": 7 * Day, "30d": 30 * Day, "90d": 90 * Day}

// Window is a time that figures are told of.
type Window struct {
	Window string     `json:"window" enum:"24h,7d,30d,90d,all" doc:"the time that is looked at"`
	From   *time.Time `json:"from" doc:"its beginning; null for all time"`
	To     time.Time  `json:"to" doc:"its end, not in it: that of the quarter of an hour that now is in"`
}

// WindowAt returns the window of a name. It ends with the quarter of an hour that now is in, so that what was just reported
// is in it.
func WindowAt(now time.Time, name string) Window {
	window := Window{Window: name, To: now.UTC().Truncate(Quarter).Add(Quarter)}
	if length, ok := Lengths[name]; ok {
		from := window.To.Add(-length)
		window.From = &from
	}
	return window
}

// Span returns the time of the window.
func (w Window) Span() Span {
	if w.From == nil {
		return Always
	}
	return Span{*w.From, w.To}
}

// piece is a part of a span that rollups of one grain add up to.
type piece struct {
	bucket int // which of the spans it is of
	grain  string
	Span
}

// piecesOf divides spans so that few rollups are read: whole days of UTC as such, and quarters at the ends.
func piecesOf(spans []Span) []piece {
	var pieces []piece
	for i, s := range spans {
		if s == Always {
			pieces = append(pieces, piece{i, "all", s})
			continue
		}
		add := func(grain string, from, to time.Time) {
			if from.Before(to) {
				pieces = append(pieces, piece{i, grain, Span{from, to}})
			}
		}
		first, last := s.From.Add(Day-1).Truncate(Day), s.To.Truncate(Day)
		if !first.Before(last) {
			add("quarter", s.From, s.To)
			continue
		}
		add("quarter", s.From, first)
		add("day", first, last)
		add("quarter", last, s.To)
	}
	return pieces
}
