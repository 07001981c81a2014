package metrics

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/figures"
)

// marketplaceStore is the SQL of all agents together.
type marketplaceStore struct{ db *database.DB }

const marketSummaryRows = `
	with agents as (
		select industry, count(*) as agents, count(*) filter (where a.status = 'available') as available,
			count(*) filter (where a.status = 'working') as working, count(*) filter (where a.status = 'offline') as offline,
			sum(s.hires) as hires, sum(s.open_trials - case when s.lapses_at <= now() then plant.lapsed_trials(s.agent_id) else 0 end) as on_trial,
			sum(s.active_hires) as active_hires, sum(s.total_jobs) as total_jobs, sum(s.completed_jobs) as completed_jobs,
			sum(s.reviews) as reviews, sum(s.rating_sum) as stars
		from plant.agents a join plant.agent_statistics s on s.agent_id = a.id
		where a.deleted_at is null
		group by industry),
	figures as (
		select coalesce(i.slug, '') as industry, max(i.name) as name, coalesce(sum(agents), 0)::bigint as agents, coalesce(sum(available), 0)::bigint as available,
			coalesce(sum(working), 0)::bigint as working, coalesce(sum(offline), 0)::bigint as offline, coalesce(sum(hires), 0)::bigint as hires,
			coalesce(sum(on_trial), 0)::bigint as on_trial, coalesce(sum(active_hires), 0)::bigint as active_hires,
			coalesce(sum(total_jobs), 0)::bigint as total_jobs, coalesce(sum(completed_jobs), 0)::bigint as completed_jobs,
			coalesce(sum(reviews), 0)::bigint as reviews, sum(stars) as stars
		from plant.industries i left join agents a on a.industry = i.slug
		where i.deleted_at is null or a.agents > 0
		group by grouping sets ((i.slug), ()))
	select industry, name, agents, available, working, offline, hires, on_trial, active_hires, total_jobs, completed_jobs,
		round(completed_jobs::numeric / nullif(total_jobs, 0), 4)::float8 as success_rate, reviews,
		round(stars / nullif(reviews, 0), 2)::float8 as avg_rating
	from figures order by industry collate "C"`

// summary returns the figures of each industry, and those of all, whose slug is "".
func (s marketplaceStore) summary(ctx context.Context) ([]industryFigures, error) {
	return database.All[industryFigures](ctx, s.db, marketSummaryRows)
}

const trendingAgents = `
	with jobs as (
		select agent_id, sum(jobs) filter (where starts_at >= @from)::bigint as jobs, sum(jobs) filter (where starts_at < @from)::bigint as jobs_before
		from plant.job_rollups
		where grain = 'day' and starts_at >= @before and starts_at < @to
		group by agent_id
		having sum(jobs) filter (where starts_at >= @from) >= @min_jobs and sum(jobs) filter (where starts_at < @from) >= @min_jobs)
	select a.id as agent_id, a.name, a.specialization, a.industry, a.status, j.jobs, j.jobs_before,
		round(j.jobs::numeric / j.jobs_before - 1, 4)::float8 as growth
	from jobs j join plant.agents a on a.id = j.agent_id
	where a.deleted_at is null and (@industry = '' or a.industry = lower(@industry))
	order by growth desc, j.jobs desc, a.id limit @limit`

// trending returns the agents whose jobs in a span of whole days have grown most against the one before.
func (s marketplaceStore) trending(ctx context.Context, within figures.Span, among Among, minJobs int64) ([]trendingAgent, error) {
	return database.All[trendingAgent](ctx, s.db, trendingAgents, pgx.NamedArgs{
		"before": within.From.Add(-within.To.Sub(within.From)), "from": within.From, "to": within.To, "min_jobs": minJobs, "industry": among.Industry, "limit": among.Limit,
	})
}

// measure is what a leaderboard goes by: constant texts, each with an index over the statistics.
type measure struct {
	value, sample, order string
	usualSample          int64 // the least one, where none was asked for
}

var measures = map[string]measure{
	"rank_score":      {`s.rank_score`, `s.reviews`, `s.rank_score desc, s.agent_id desc`, 3},
	"success_rate":    {`s.success_rate`, `s.total_jobs`, `s.success_rate desc, s.agent_id desc`, 20},
	"total_jobs":      {`s.total_jobs`, `s.total_jobs`, `s.total_jobs desc, s.agent_id desc`, 20},
	"p95_duration_ms": {`s.p95_duration_ms`, `s.duration_samples`, `coalesce(s.p95_duration_ms, 'infinity'), s.agent_id`, 20},
}

// leaders returns the best agents by a measure, of those that have at least such a sample.
func (s marketplaceStore) leaders(ctx context.Context, by measure, among Among, minSample int64) ([]leader, error) {
	args := map[string]any{"min_sample": minSample, "limit": among.Limit}
	where := database.NewWhere([]string{`a.deleted_at is null`, by.sample + ` >= @min_sample`}, args)
	if among.Industry != "" {
		where.And(`a.industry = lower(@industry)`)
		where.With("industry", among.Industry)
	}
	return database.All[leader](ctx, s.db, `
		select rank() over (order by value `+by.direction()+`) as rank, agent_id, name, specialization, industry, status, value, sample_size
		from (
			select a.id as agent_id, a.name, a.specialization, a.industry, a.status, `+by.value+`::float8 as value, `+by.sample+` as sample_size
			from plant.agents a join plant.agent_statistics s on s.agent_id = a.id`+where.SQL()+`
			order by `+by.order+` limit @limit) best
		order by rank, agent_id`, where.Args)
}

func (m measure) direction() string {
	if m.value == `s.p95_duration_ms` {
		return "asc"
	}
	return "desc"
}
