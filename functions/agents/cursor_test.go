package agents

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/httpapi"
)

// cursorOf reads the cursor out of the address of a next page.
func cursorOf(t *testing.T, next string) string {
	t.Helper()
	address, err := url.Parse(next)
	if err != nil {
		t.Fatal(err)
	}
	return address.Query().Get("cursor")
}

// I24: no bit of a cursor can change, nor can it be cut or extended.
func TestI24_EveryBitOfACursor(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.publish(t, writer)
	s.publish(t, writer)
	_, next := s.list(t, "/api/v1/agents?limit=1&sort=name", "")
	cursor := cursorOf(t, next)
	refused := func(altered string) {
		t.Helper()
		answer := s.Do(t, "GET", "/api/v1/agents?sort=name&cursor="+url.QueryEscape(altered), "", "")
		if answer.Status != http.StatusUnprocessableEntity && answer.Status != http.StatusBadRequest || strings.Contains(answer.Body, "Campaign") {
			t.Errorf("%q: got %d %s", altered, answer.Status, answer.Body)
		}
	}
	for bit := range len(cursor) * 8 {
		altered := []byte(cursor)
		altered[bit/8] ^= 1 << (bit % 8)
		refused(string(altered))
	}
	for length := range len(cursor) - 1 {
		refused(cursor[:length+1])
	}
	for _, more := range []string{"A", "=", "==", " ", "\n", "%00", ".", cursor} {
		refused(cursor + more)
		refused(more + cursor)
	}
	refused(strings.Repeat("A", 4096))
}

// I24: a cursor of another service's key is one that was altered.
func TestI24_CursorOfAnotherKey(t *testing.T) {
	t.Parallel()
	one := start(t)
	other := start(t, func(settings *httpapi.Settings) { settings.HTTP.CursorKey = config.Secret("another key") })
	for _, s := range []service{one, other} {
		s.publish(t, writer)
		s.publish(t, writer)
	}
	_, next := one.list(t, "/api/v1/agents?limit=1", "")
	one.Do(t, "GET", next, "", "").Want(t, http.StatusOK)
	other.Do(t, "GET", next, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID_CURSOR")
}

// I24: a cursor is a place in an order and no row: it goes on from there when the row has moved away or is gone.
func TestI24_ReplayAfterTheKeyChanged(t *testing.T) {
	t.Parallel()
	s := start(t)
	var names []string
	for _, name := range []string{"a", "b", "c", "d"} {
		names = append(names, s.path(t, with("name", `"`+name+`"`)))
	}
	_, next := s.list(t, "/api/v1/agents?limit=2&sort=name", "") // after b
	after := func(want ...string) {
		t.Helper()
		page, _ := s.list(t, next, "")
		var got []string
		for _, agent := range page {
			got = append(got, agent.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	after("c", "d")
	after("c", "d") // as often as one likes
	s.Do(t, "PUT", names[1], s.ada, `{"name":"e"}`).Want(t, http.StatusOK)
	next = strings.Replace(next, "limit=2", "limit=9", 1) // how many is not what a cursor is bound to
	after("c", "d", "e")
	s.Do(t, "PUT", names[1], s.ada, `{"name":"A"}`).Want(t, http.StatusOK)
	after("c", "d")
	s.Do(t, "DELETE", names[1], s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "DELETE", names[2], s.ada, "").Want(t, http.StatusNoContent)
	after("d")
}

// I24: a cursor gives nobody rows that they could not list without it.
func TestI24_CursorOfSomeoneElse(t *testing.T) {
	t.Parallel()
	s := start(t)
	bob, grace := s.Token(t, auth.Partner, "bob"), s.Token(t, auth.Governor, "grace")
	var mine []string
	for range 3 {
		mine = append(mine, s.publish(t, writer).ID.String())
		s.Do(t, "POST", "/api/v1/agents", bob, writer).Want(t, http.StatusCreated)
	}
	_, next := s.list(t, "/api/v1/agents?owner=me&limit=1", s.ada)
	page, _ := s.list(t, next, bob)
	for _, agent := range page {
		if agent.Owner != "bob" {
			t.Errorf("with Ada's cursor Bob sees an agent of %s", agent.Owner)
		}
	}
	s.Do(t, "GET", next, "", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	s.Do(t, "DELETE", "/api/v1/agents/"+mine[0], s.ada, "").Want(t, http.StatusNoContent)
	_, next = s.list(t, "/api/v1/agents?include_deleted=true&limit=1", grace)
	s.Do(t, "GET", next, s.ada, "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	s.Do(t, "GET", strings.Replace(next, "include_deleted=true&", "", 1), s.ada, "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID_CURSOR")
	rest, _ := s.list(t, strings.Replace(next, "limit=1", "limit=100", 1), grace)
	if !slices.Contains(ids(rest), mine[0]) {
		t.Error("the governor's next page lacks what was deleted")
	}
}

// Texts of a filter come back in the next page's address, and are that filter again.
func TestList_NextPageKeepsItsFilter(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, text := range append(slices.Clone(hostile), `a>; rel="next", <x`, "é", "cafe\u0301", "a b+c", "a&b=c#d") {
		for range 3 {
			s.publish(t, with("tags", `[`+quoted(t, text)+`]`))
		}
		found := s.all(t, "/api/v1/agents?limit=2&tag="+url.QueryEscape(text))
		if len(found) != 3 {
			t.Errorf("tag %q finds %d, want 3", text, len(found))
		}
	}
	answer := s.Do(t, "GET", "/api/v1/agents/?limit=2&count=exact", "", "").Want(t, http.StatusOK)
	next, _, _ := strings.Cut(strings.TrimPrefix(answer.Header.Get("Link"), "<"), ">")
	if again := s.Do(t, "GET", next, "", "").Want(t, http.StatusOK); again.Header.Get("X-Total-Count") != answer.Header.Get("X-Total-Count") {
		t.Errorf("the next page counts %s, the first %s", again.Header.Get("X-Total-Count"), answer.Header.Get("X-Total-Count"))
	}
	last := s.all(t, "/api/v1/agents?sort=name&skip=3&limit=5")
	if diff := cmp.Diff(ids(s.all(t, "/api/v1/agents?sort=name&limit=100")[3:]), ids(last)); diff != "" {
		t.Errorf("a list that begins with skip goes on elsewhere: %s", diff)
	}
}
