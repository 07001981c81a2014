package search

import (
	"fmt"
	"strings"
)

// trackRecord is what an agent really did, as far as finding takes it into account. What is measured, and how it counts, is
// decided here and nowhere else.
type trackRecord struct {
	SuccessRate *float64 `json:"success_rate" nullable:"true" doc:"jobs that completed ÷ jobs that ended; null where none ended"`
	Jobs        int64    `json:"jobs" doc:"jobs that ended: the sample of success_rate"`
	Rating      *float64 `json:"rating" nullable:"true" doc:"plain mean of the reviews' stars, 1 to 5; null where there are none"`
	Reviews     int64    `json:"reviews" doc:"the sample of rating"`
	Quality     float64  `json:"score" minimum:"0" maximum:"1" doc:"both as one figure; few samples are drawn towards what is usual, so that one good job beats nobody with a hundred"`
}

// What is usual, as so many samples of it: 16 of 20 jobs complete, and 5 reviews give 3.5 stars.
const (
	usualJobs, usualCompleted = `20`, `16`
	usualReviews, usualStars  = `5`, `17.5`
)

// measuredQuality is the Quality of the statistics s: half of it is success, half are stars, from one to five.
const measuredQuality = `
	(0.5::float8 * (s.completed_jobs + ` + usualCompleted + `) / (s.total_jobs + ` + usualJobs + `)
	+ 0.5::float8 * ((s.rating_sum + ` + usualStars + `::float8) / (s.reviews + ` + usualReviews + `) - 1) / 4)`

// measuredColumns reads trackRecord from the statistics s.
const measuredColumns = `
	s.completed_jobs::float8 / nullif(s.total_jobs, 0) as success_rate, s.total_jobs as jobs,
	s.rating_sum::float8 / nullif(s.reviews, 0) as rating, s.reviews, ` + measuredQuality + ` as quality`

// rounded is trackRecord as it is answered.
func (m trackRecord) rounded() trackRecord {
	for _, value := range []*float64{m.SuccessRate, m.Rating} {
		if value != nil {
			*value = rounded(*value)
		}
	}
	m.Quality = rounded(m.Quality)
	return m
}

// String says it in plain words, after the name of an agent.
func (m trackRecord) String() string {
	var words []string
	if m.SuccessRate != nil {
		words = append(words, fmt.Sprintf("completed %.0f %% of %s", *m.SuccessRate*100, counted(int(m.Jobs), "job")))
	}
	if m.Rating != nil {
		words = append(words, fmt.Sprintf("is rated %.1f by %s", *m.Rating, counted(int(m.Reviews), "review")))
	}
	if words == nil {
		return "is new: nothing is measured yet"
	}
	return strings.Join(words, " and ")
}

// counted is "1 job", "2 jobs".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
