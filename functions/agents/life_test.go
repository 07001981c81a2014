package agents

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// step is a request to one agent, with when it was sent and answered in the order of all of them.
type step struct {
	op           string
	status       int
	version      int64 // of the agent that was answered
	began, ended int64
}

// C9: however deletions, changes and reads of one agent run into each other, they answer as if they had come one after
// the other: one deletion succeeds, it has the last version, and nothing that comes after it finds the agent.
func TestC9_WhatIsDeletedStaysDeleted(t *testing.T) {
	t.Parallel()
	s := start(t)
	requests := map[string]struct{ method, suffix, body string }{
		"delete": {"DELETE", "", ""}, "deleteIfMatch": {"DELETE", "", ""}, "change": {"PUT", "", `{"name":"x"}`}, "changeIfMatch": {"PATCH", "", `{"name":"y"}`},
		"status": {"PUT", "/status", `{"status":"working"}`}, "give": {"POST", "/transfer", `{"owner":"ada"}`}, "read": {"GET", "", ""},
	}
	ops := []string{"delete", "deleteIfMatch", "change", "changeIfMatch", "status", "give", "read", "read"}
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 9))
		drawn := []string{"delete", "delete"}
		for range 10 {
			drawn = append(drawn, ops[random.IntN(len(ops))])
		}
		random.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
		path := s.path(t, writer)
		tag := s.Do(t, "GET", path, s.ada, "").Header.Get("ETag")
		var clock atomic.Int64
		history := together(len(drawn), func(i int) step {
			request := requests[drawn[i]]
			var headers []apitest.Header
			if strings.HasSuffix(drawn[i], "IfMatch") {
				headers = append(headers, apitest.Header{Name: "If-Match", Value: tag})
			}
			one := step{op: drawn[i], began: clock.Add(1)}
			answer := s.Do(t, request.method, path+request.suffix, s.ada, request.body, headers...)
			one.ended, one.status = clock.Add(1), answer.Status
			version, _, _ := strings.Cut(strings.TrimPrefix(answer.Header.Get("ETag"), `"`), ".")
			one.version, _ = strconv.ParseInt(version, 10, 64) // 0 where there is none
			return one
		})
		last := dbtest.Scalar[int64](t, s.DB, `select version from plant.agents where id = $1 and deleted_at is not null`, strings.TrimPrefix(path, "/api/v1/agents/"))
		if err := oneAfterTheOther(history, last); err != nil {
			t.Fatalf("seed %d: %v: %+v", seed, err, history)
		}
		s.Do(t, "GET", path, s.ada, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
		s.Do(t, "DELETE", path, s.ada, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
}

// oneAfterTheOther tells what in a history no order of its steps explains. Last is the version that the agent ended with.
func oneAfterTheOther(history []step, last int64) error {
	deleted := slices.IndexFunc(history, func(one step) bool { return one.status == http.StatusNoContent })
	if deleted < 0 {
		return fmt.Errorf("nobody deleted it")
	}
	deletion := history[deleted]
	deletion.version = last
	var made []int64
	for i, one := range history {
		switch {
		case i == deleted:
			made = append(made, last)
		case one.status == http.StatusNoContent:
			return fmt.Errorf("it was deleted twice")
		case one.status == http.StatusNotFound && one.ended < deletion.began:
			return fmt.Errorf("%s missed it before it was deleted", one.op)
		case one.status == http.StatusOK && one.began > deletion.ended:
			return fmt.Errorf("%s found it after it was deleted", one.op)
		case one.status == http.StatusOK && one.op != "read":
			made = append(made, one.version)
		case one.status == http.StatusPreconditionFailed && strings.HasSuffix(one.op, "IfMatch"), one.status == http.StatusOK, one.status == http.StatusNotFound:
		default:
			return fmt.Errorf("%s answered %d", one.op, one.status)
		}
	}
	slices.Sort(made)
	var want []int64
	for version := int64(2); version <= last; version++ {
		want = append(want, version)
	}
	if diff := cmp.Diff(want, made); diff != "" {
		return fmt.Errorf("the versions that were made: %s", diff)
	}
	for _, earlier := range history {
		for _, later := range history {
			if earlier.ended < later.began && later.status == http.StatusOK && earlier.status == http.StatusOK && earlier.version > later.version {
				return fmt.Errorf("%s answered version %d after %s had answered %d", later.op, later.version, earlier.op, earlier.version)
			}
		}
	}
	return nil
}
