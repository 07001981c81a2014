package auditlog_test

import (
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/localgoogle"
	"github.com/waooaw/plant/shared/logging/auditlog"
)

const checkpoint = "plant.test/audit\n3\nAAAA\n\n— plant.test/audit BBBB\n"

// A checkpoint is kept by Cloud Logging when Write returns: nothing is left for after an answer.
func TestWrite_CloudLogging(t *testing.T) {
	t.Parallel()
	name := uuid.NewString()
	log, err := auditlog.New(audit.Config{Log: name, Project: localgoogle.Project})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	for range 2 {
		if err := log.Write(t.Context(), []byte(checkpoint)); err != nil {
			t.Fatal(err)
		}
	}
	want := localgoogle.Entry{Log: "projects/" + localgoogle.Project + "/logs/" + name, Severity: "NOTICE", Text: checkpoint}
	if diff := cmp.Diff([]localgoogle.Entry{want, want}, google.Logs.Of(name)); diff != "" {
		t.Error(diff)
	}
	google.Logs.Fail(status.Error(codes.PermissionDenied, "no"))
	if err := log.Write(t.Context(), []byte(checkpoint)); err == nil {
		t.Error("what was refused is said to be kept")
	}
	google.Logs.Fail(nil)
	if err := log.Write(t.Context(), []byte(checkpoint)); err != nil {
		t.Errorf("well again: %v", err)
	}
	var stacks strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 2); err != nil {
		t.Fatal(err)
	}
	if left := strings.Count(stacks.String(), "created by cloud.google.com/go/logging.(*Client).Logger"); left > 1 {
		t.Errorf("4 checkpoints left %d goroutines", left)
	}
}

// The file grows by each checkpoint, and can be verified as it is.
func TestWrite_File(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints")
	log, err := auditlog.New(audit.Config{File: path})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := log.Write(t.Context(), []byte(checkpoint)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || len(audit.SplitNotes(text)) != 2 || strings.TrimSpace(string(audit.SplitNotes(text)[1])) != strings.TrimSpace(checkpoint) {
		t.Errorf("%v: %q", err, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	blocked, err := auditlog.New(audit.Config{File: filepath.Join(t.TempDir(), "absent", "checkpoints")})
	if err != nil {
		t.Fatal(err)
	}
	if err := blocked.Write(t.Context(), []byte(checkpoint)); err == nil {
		t.Error("written to a folder that is not there")
	}
}

func TestNew_NeedsAProject(t *testing.T) {
	t.Parallel()
	if _, err := auditlog.New(audit.Config{Log: "checkpoints"}); err == nil || !strings.Contains(err.Error(), "GOOGLE_CLOUD_PROJECT") {
		t.Errorf("got %v", err)
	}
}
