package agents

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/database"
)

// auditStore is the SQL that checks the catalogue.
type auditStore struct{ db *database.DB }

// entityTables are the tables of entities, by the type that amendments name.
var entityTables = []struct{ entityType, table string }{
	{"agent", "agents"}, {"skill", "skills"}, {"job_role", "job_roles"}, {"industry", "industries"}, {"team", "teams"}, {"review", "reviews"},
}

// ofEach makes one statement of one for each type: in it, {type} and {table} stand for the type.
func ofEach(sql string) string {
	parts := make([]string, len(entityTables))
	for i, of := range entityTables {
		parts[i] = strings.NewReplacer("{type}", of.entityType, "{table}", of.table).Replace(sql)
	}
	return strings.Join(parts, "\n\tunion all")
}

const typeOfEntity = `select entity_type from (%s) e limit 1`

func (s auditStore) typeOf(ctx context.Context, id uuid.UUID) (string, error) {
	return database.Scalar[string](ctx, s.db, fmt.Sprintf(typeOfEntity, ofEach(`
	select '{type}' as entity_type from plant.{table} where id = $1`)), id)
}

const leavesOf = `
	select t.n + 1 as seq, t.hash from plant.amendments m join plant.tree_hashes t on t.level = 0 and t.n = m.seq - 1
	where m.entity_id = $1`

// leaves returns the leaves that the tree has for an entity's amendments, by their places.
func (s auditStore) leaves(ctx context.Context, entity uuid.UUID) (map[int64]audit.Hash, error) {
	type row struct {
		Seq  int64
		Hash []byte
	}
	rows, err := database.All[row](ctx, s.db, leavesOf, entity)
	leaves := make(map[int64]audit.Hash, len(rows))
	for _, one := range rows {
		leaves[one.Seq] = audit.Hash(one.Hash)
	}
	return leaves, err
}

const entityCounts = `
	select (select count(*) from plant.agents where deleted_at is null) as agent, (select count(*) from plant.skills where deleted_at is null) as skill,
		(select count(*) from plant.job_roles where deleted_at is null) as job_role, (select count(*) from plant.industries where deleted_at is null) as industry,
		(select count(*) from plant.teams where deleted_at is null) as team,
		(select count(*) from plant.reviews) as review, (select count(*) from plant.amendments) as amendments, now() as ran_at`

// maxExamples bounds the violations that a report names of each rule.
const maxExamples = 20

// brokenBy counts the violations that a rule's statement finds, and returns the first of them. Both see the same rows.
const brokenBy = `
	with found as materialized (select * from (%s) f where (@entity_type = '' or entity_type = @entity_type) and (@entity_id::uuid is null or entity_id = @entity_id)),
	first as (select * from found order by entity_type, entity_id, detail limit @most)
	select (select count(*) from found) as violations,
		coalesce((select array_agg(entity_type) from first), '{}') as types,
		coalesce((select array_agg(coalesce(entity_id::text, '')) from first), '{}') as ids,
		coalesce((select array_agg(detail) from first), '{}') as details`

// unhurried lets the statements of a transaction take longer than those of other requests.
const unhurried = `select set_config('statement_timeout', $1, true)`

// run checks every rule within the scope.
func (s auditStore) run(ctx context.Context, within scope) (auditReport, error) {
	report := auditReport{Compliant: true, ChainsWhole: true, Scope: within, Entities: map[string]int64{}, Rules: []ruleResult{}}
	type counts struct {
		Agent, Skill, JobRole, Industry, Team, Review, Amendments int64
		RanAt                                                     time.Time
	}
	// As the caller, so that a governor's run may see whom pseudonyms stand for.
	err := s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		if _, err := database.Exec(ctx, tx, unhurried, strconv.FormatInt(auditTime.Milliseconds(), 10)); err != nil {
			return err
		}
		n, err := database.One[counts](ctx, tx, entityCounts)
		if err != nil {
			return err
		}
		report.RanAt, report.Amendments = n.RanAt.UTC(), n.Amendments
		report.Entities = map[string]int64{"agent": n.Agent, "skill": n.Skill, "job_role": n.JobRole, "industry": n.Industry, "team": n.Team, "review": n.Review}
		report.Rules = report.Rules[:0] // where the transaction is tried again
		for _, rule := range auditRules {
			if !rule.concerns(within) {
				continue
			}
			result, err := check(ctx, tx, rule, within)
			if err != nil {
				return fmt.Errorf("rule %s: %w", rule.id, err)
			}
			report.Rules = append(report.Rules, result)
			if result.Violations > 0 {
				report.Compliant = false
				report.ChainsWhole = report.ChainsWhole && !rule.ofChains
			}
		}
		return nil
	})
	return report, err
}

func check(ctx context.Context, tx database.Tx, rule auditRule, within scope) (ruleResult, error) {
	type row struct {
		Violations          int64
		Types, IDs, Details []string
	}
	found, err := database.One[row](ctx, tx, fmt.Sprintf(brokenBy, rule.sql), pgx.NamedArgs{
		"entity_type": within.EntityType, "entity_id": within.EntityID, "most": maxExamples,
	})
	result := ruleResult{ID: rule.id, Says: rule.says, Violations: found.Violations, Examples: make([]violation, len(found.Types))}
	for i := range found.Types {
		result.Examples[i] = violation{EntityType: found.Types[i], Detail: found.Details[i]}
		if id, err := uuid.Parse(found.IDs[i]); err == nil {
			result.Examples[i].EntityID = &id
		}
	}
	return result, err
}
