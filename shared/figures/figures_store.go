package figures

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/database"
)

// jobs are what the jobs of an agent come to in each of several spans, whose pieces are read from the rollups.
const jobs = `
	with pieces as materialized (
		select bucket, grain, coalesce(since, '-infinity') as since, coalesce(until, 'infinity') as until
		from unnest(@bucket::int[], @grain::text[]::plant.rollup_grain[], @since::timestamptz[], @until::timestamptz[]) p (bucket, grain, since, until)),
	asked as (
		select a.id as agent_id, b.bucket, b.since, b.until
		from plant.agents a cross join (select bucket, min(since) as since, max(until) as until from pieces group by bucket) b
		where a.id = any (@agents::uuid[]) and a.deleted_at is null),
	found as materialized ( -- each piece by itself, through the index, whatever the planner thinks of how many there are: hence the offset
		select p.bucket, r.*
		from (select unnest(@agents::uuid[]) as agent_id) a cross join pieces p cross join lateral (
			select * from plant.job_rollups r
			where r.agent_id = a.agent_id and r.grain = p.grain and r.starts_at >= p.since and r.starts_at < p.until offset 0) r),
	sums as (
		select agent_id, bucket, sum(jobs)::bigint as jobs, sum(completed)::bigint as completed, sum(duration_ms_sum) as duration_ms_sum,
			sum(cost_sum) as cost_sum, sum(cost_samples)::bigint as cost_samples
		from found group by agent_id, bucket),
	quantiles as (
		select agent_id, bucket, max(total)::bigint as samples, plant.slot_duration(min(slot) filter (where upto >= 0.50 * total)) as p50,
			plant.slot_duration(min(slot) filter (where upto >= 0.95 * total)) as p95, plant.slot_duration(min(slot) filter (where upto >= 0.99 * total)) as p99
		from (
			select agent_id, bucket, slot, sum(sum(n)) over (partition by agent_id, bucket order by slot) as upto, sum(sum(n)) over (partition by agent_id, bucket) as total
			from found cross join lateral unnest(slots, counts) h (slot, n)
			group by agent_id, bucket, slot) s
		group by agent_id, bucket),
	figures as (
		select agent_id, bucket, since, until, coalesce(jobs, 0) as total_jobs, coalesce(completed, 0) as completed_jobs,
			round(completed::numeric / jobs, 4)::float8 as success_rate, p50 as p50_duration_ms, p95 as p95_duration_ms, p99 as p99_duration_ms,
			round(duration_ms_sum / samples, 3)::float8 as mean_duration_ms, coalesce(samples, 0) as duration_samples,
			round(cost_sum / nullif(cost_samples, 0), 2)::float8 as avg_cost, coalesce(cost_samples, 0) as cost_samples
		from asked left join sums using (agent_id, bucket) left join quantiles using (agent_id, bucket))`

const columns = `f.total_jobs, f.completed_jobs, f.success_rate, f.p50_duration_ms, f.p95_duration_ms, f.p99_duration_ms, f.mean_duration_ms,
		f.duration_samples, f.avg_cost, f.cost_samples`

const within = jobs + `
	select f.agent_id, ` + columns + `,
		f.total_jobs as sample_size, coalesce(round(f.mean_duration_ms::numeric / 1000, 3), 0)::float8 as response_time_seconds,
		r.reviews, coalesce(round(r.stars::numeric / nullif(r.reviews, 0), 2), 0)::float8 as avg_rating,
		case when r.reviews > 0 then round((r.stars + 30)::numeric / (r.reviews + 10), 3)::float8 end as rank_score,
		coalesce(t.trials_ended, 0) as trials_ended, coalesce(round(t.trials_retained::numeric / t.trials_ended, 4), 0)::float8 as retention_rate
	from figures f
	cross join lateral (
		select count(*) as reviews, sum(rating) as stars from plant.reviews
		where agent_id = f.agent_id and not hidden and created_at >= f.since and created_at < f.until) r
	left join lateral plant.trials_over(array[f.agent_id], f.since, f.until) t on true
	order by array_position(@agents::uuid[], f.agent_id)`

// Within returns the figures of those of the agents that exist within a time, in the order of the ids.
func Within(ctx context.Context, q database.Querier, agents []uuid.UUID, span Span) ([]Measured, error) {
	return database.All[Measured](ctx, q, within, arguments(agents, []Span{span}))
}

const overTime = jobs + `
	select ` + columns + ` from figures f order by f.bucket`

// OverTime returns what the jobs of an agent come to in each of the spans. Where there is no such agent it is
// database.ErrNotFound.
func OverTime(ctx context.Context, q database.Querier, agent uuid.UUID, spans []Span) ([]Jobs, error) {
	all, err := database.All[Jobs](ctx, q, overTime, arguments([]uuid.UUID{agent}, spans))
	if err == nil && len(all) == 0 {
		err = database.ErrNotFound
	}
	return all, err
}

func arguments(agents []uuid.UUID, spans []Span) pgx.NamedArgs {
	pieces := piecesOf(spans)
	buckets, grains := make([]int, len(pieces)), make([]string, len(pieces))
	since, until := make([]*time.Time, len(pieces)), make([]*time.Time, len(pieces))
	for i, p := range pieces {
		buckets[i], grains[i] = p.bucket, p.grain
		if p.Span != Always {
			since[i], until[i] = &pieces[i].From, &pieces[i].To
		}
	}
	return pgx.NamedArgs{"agents": agents, "bucket": buckets, "grain": grains, "since": since, "until": until}
}
