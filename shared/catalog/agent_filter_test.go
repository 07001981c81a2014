package catalog_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

var argument = regexp.MustCompile(`@([a-z0-9_]+)`)

// I13: each field adds its own condition, always the same text with the same named arguments, and only where it is sent.
func TestI13_EachFilterIsOneConstantCondition(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	caller := auth.Principal{Issuer: "i", Owner: "o"}
	// The text of each field's condition, as one value of it has it.
	of := func(f catalog.AgentFilter) string {
		conditions, _ := f.Where(caller)
		return strings.Join(conditions, " and ")
	}
	id := uuid.New()
	texts := map[string]string{
		"industry": of(catalog.AgentFilter{Industry: "x"}), "specialization": of(catalog.AgentFilter{Specialization: "x"}), "status": of(catalog.AgentFilter{Status: "x"}),
		"skill": of(catalog.AgentFilter{SkillID: id}), "role": of(catalog.AgentFilter{JobRoleID: id}), "team": of(catalog.AgentFilter{TeamID: id}),
		"tag": of(catalog.AgentFilter{Tag: "x"}), "language": of(catalog.AgentFilter{Language: "x"}), "rating": of(catalog.AgentFilter{MinRating: 1}),
		"rate": of(catalog.AgentFilter{MaxHourlyRate: 1}), "success": of(catalog.AgentFilter{MinSuccessRate: 1}), "duration": of(catalog.AgentFilter{MaxP95Duration: 1}), "since": of(catalog.AgentFilter{UpdatedSince: time.Unix(1, 0)}),
		"owner": of(catalog.AgentFilter{Owner: "x"}), "me": of(catalog.AgentFilter{Owner: "me"}),
	}
	if got := of(catalog.AgentFilter{}); got != "" {
		t.Errorf("nothing was asked: %s", got)
	}
	for name, text := range texts {
		if text == "" {
			t.Errorf("%s asks for nothing", name)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		// A caller's text may be anything, what means something in SQL above all.
		text := rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{"me", "'", "' or 1=1 --", "@owner", "$1", "%", "\\", "; drop table agents"}), rapid.String())
		some := rapid.SampledFrom([]uuid.UUID{uuid.Nil, id})
		f := catalog.AgentFilter{
			Industry: text.Draw(r, "industry"), Specialization: text.Draw(r, "specialization"), Status: text.Draw(r, "status"),
			SkillID: some.Draw(r, "skill"), JobRoleID: some.Draw(r, "role"), TeamID: some.Draw(r, "team"),
			Tag: text.Draw(r, "tag"), Language: text.Draw(r, "language"), Owner: text.Draw(r, "owner"),
			MinRating: rapid.Float64Range(0, 5).Draw(r, "rating"), MaxHourlyRate: rapid.Float64Range(0, 1e10).Draw(r, "rate"),
			MinSuccessRate: rapid.Float64Range(0, 1).Draw(r, "success"), MaxP95Duration: rapid.Float64Range(0, 1e10).Draw(r, "duration"),
			UpdatedSince: rapid.SampledFrom([]time.Time{{}, time.Unix(1, 0)}).Draw(r, "since"),
		}
		var want []string
		for _, one := range []struct {
			name string
			sent bool
		}{
			{"industry", f.Industry != ""},
			{"specialization", f.Specialization != ""},
			{"status", f.Status != ""},
			{"skill", f.SkillID == id},
			{"role", f.JobRoleID == id},
			{"team", f.TeamID == id},
			{"tag", f.Tag != ""},
			{"language", f.Language != ""},
			{"rating", f.MinRating > 0},
			{"rate", f.MaxHourlyRate > 0},
			{"success", f.MinSuccessRate > 0},
			{"duration", f.MaxP95Duration > 0},
			{"since", !f.UpdatedSince.IsZero()},
			{"owner", f.Owner != "" && f.Owner != "me"},
			{"me", f.Owner == "me"},
		} {
			if one.sent {
				want = append(want, texts[one.name])
			}
		}
		conditions, args := f.Where(caller)
		if diff := cmp.Diff(strings.Join(want, " and "), strings.Join(conditions, " and ")); diff != "" {
			r.Fatal(diff)
		}
		named := map[string]bool{}
		for _, match := range argument.FindAllStringSubmatch(strings.Join(conditions, " "), -1) {
			named[match[1]] = true
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(args))); diff != "" {
			r.Fatalf("arguments: %s", diff)
		}
	})
	// The server takes every condition, by itself, and finds nothing in an empty catalogue.
	all := catalog.AgentFilter{
		Industry: "x", Specialization: "x", Status: "x", SkillID: id, JobRoleID: id, TeamID: id, Tag: "x", Language: "x", MinRating: 1.5, MaxHourlyRate: 1e10, MinSuccessRate: 0.5, MaxP95Duration: 1e10, UpdatedSince: time.Unix(1, 0),
	}
	for _, all.Owner = range []string{"me", "x"} {
		conditions, args := all.Where(caller)
		for _, condition := range conditions {
			where := database.NewWhere([]string{condition}, args)
			if got, err := database.Scalar[int](t.Context(), db, `select count(*) from `+catalog.AgentFrom+where.SQL(), where.Args); err != nil || got != 0 {
				t.Errorf("%s: got %d, %v", condition, got, err)
			}
		}
	}
}

// An agent's answer changes with its version, and with what is derived without one.
func TestAgent_Tag(t *testing.T) {
	t.Parallel()
	version, derived := catalog.Agent{Version: 3, Metrics: catalog.Metrics{TotalJobs: 7}}.Tag()
	if diff := cmp.Diff([]any{int64(3), catalog.Metrics{TotalJobs: 7}}, []any{version, derived}); diff != "" {
		t.Error(diff)
	}
}
