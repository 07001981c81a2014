package agents

import (
	"strings"
	"testing"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// A database that never follows stands for a replica that lags: whoever may have written reads from the primary.
func TestReplica(t *testing.T) {
	t.Parallel()
	follower := dbtest.New(t)
	s := apitest.Start(t, Function, func(settings *httpapi.Settings) {
		settings.Database.ReadURL = config.Secret(follower.AppURL)
	})
	ada := s.Token(t, auth.Partner, "ada")
	created := s.Do(t, "POST", "/api/v1/agents", ada, writer).Want(t, 201)
	one := created.Header.Get("Location")
	tests := map[string]struct {
		path, token string
		seen        bool
	}{
		"one, by its owner":         {one, ada, true},
		"one, by anyone":            {one, "", false},
		"a list, by its owner":      {"/api/v1/agents", ada, true},
		"a list, by anyone":         {"/api/v1/agents", "", false},
		"a list of what is mine":    {"/api/v1/agents?owner=me", ada, true},
		"the feed is never behind":  {"/api/v1/changes", "", true},
		"nor does the owner's feed": {"/api/v1/changes", ada, true},
	}
	id := one[strings.LastIndex(one, "/")+1:]
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := s.Do(t, "GET", test.path, test.token, "")
			if seen := answer.Status == 200 && strings.Contains(answer.Body, id); seen != test.seen {
				t.Errorf("got %d %s, want it seen: %v", answer.Status, answer.Body, test.seen)
			}
		})
	}
	s.Do(t, "GET", "/api/v1/agents/ready", "", "").Want(t, 200)
}
