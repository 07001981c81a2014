package cloud

import (
	"crypto/rand"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/localgoogle"
)

// A checkpoint is in Cloud Logging before anybody gets it; while it cannot be kept there, nobody does.
func TestCheckpoints_AreKeptByCloudLogging(t *testing.T) {
	prepare(t)
	key, _, err := note.GenerateKey(rand.Reader, "plant.example/audit")
	if err != nil {
		t.Fatal(err)
	}
	const log = "audit-checkpoints"
	f := start(t, "agents", "AUDIT_KEY="+common.google.Secrets.Add("audit-key", key), "AUDIT_LOG="+log, "AUDIT_CHECKPOINT_FILE=")
	token, err := common.stand.Token(auth.Partner, "ada")
	if err != nil {
		t.Fatal(err)
	}
	publish := func() {
		t.Helper()
		status, _, body := call(t, http.MethodPost, f.Address.String()+"/api/v1/agents", `{"name":"Audited","specialization":"x","industry":"sales","hourly_rate":1}`,
			map[string]string{"Authorization": "Bearer " + token})
		if status != http.StatusCreated {
			t.Fatalf("create: %d %s", status, body)
		}
	}
	checkpoint := func() (int, string) {
		t.Helper()
		status, _, body := call(t, http.MethodGet, f.Address.String()+"/api/v1/audit/checkpoint", "", nil)
		return status, body
	}
	kept := func(text string) localgoogle.Entry {
		return localgoogle.Entry{Log: "projects/" + localgoogle.Project + "/logs/" + log, Severity: "NOTICE", Text: text}
	}
	publish()
	code, first := checkpoint()
	if diff := cmp.Diff([]localgoogle.Entry{kept(first)}, common.google.Logs.Of(log)); code != http.StatusOK || diff != "" {
		t.Fatalf("got %d %s, and kept is %s", code, first, diff)
	}
	publish()
	common.google.Logs.Fail(status.Error(codes.PermissionDenied, "no"))
	defer common.google.Logs.Fail(nil)
	if code, text := checkpoint(); code != http.StatusServiceUnavailable {
		t.Errorf("what is kept nowhere was given away: %d %s", code, text)
	}
	common.google.Logs.Fail(nil)
	code, second := checkpoint()
	if diff := cmp.Diff([]localgoogle.Entry{kept(first), kept(second)}, common.google.Logs.Of(log)); code != http.StatusOK || diff != "" {
		t.Errorf("got %d %s, and kept is %s", code, second, diff)
	}
}
