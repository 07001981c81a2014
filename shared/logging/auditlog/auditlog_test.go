package auditlog_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/logging/auditlog"
)

// fakeLogging is Google's end of Cloud Logging: it keeps entries, or refuses them.
type fakeLogging struct {
	loggingpb.UnimplementedLoggingServiceV2Server

	mu      sync.Mutex
	entries []*loggingpb.LogEntry
	refuse  error
}

// WriteLogEntries implements loggingpb.LoggingServiceV2Server.
func (f *fakeLogging) WriteLogEntries(_ context.Context, request *loggingpb.WriteLogEntriesRequest) (*loggingpb.WriteLogEntriesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	for _, entry := range request.GetEntries() {
		if entry.GetLogName() == "" {
			entry.LogName = request.GetLogName()
		}
		if !strings.HasSuffix(entry.GetLogName(), "/diagnostic-log") { // which the client tells of itself
			f.entries = append(f.entries, entry)
		}
	}
	return &loggingpb.WriteLogEntriesResponse{}, nil
}

func startFake(t *testing.T) (*fakeLogging, []option.ClientOption) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own
	if err != nil {
		t.Fatal(err)
	}
	fake, server := &fakeLogging{}, grpc.NewServer()
	loggingpb.RegisterLoggingServiceV2Server(server, fake)
	go func() { _ = server.Serve(listener) }() // until Stop
	t.Cleanup(server.Stop)
	return fake, []option.ClientOption{
		option.WithEndpoint(listener.Addr().String()), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}
}

const checkpoint = "plant.test/audit\n3\nAAAA\n\n— plant.test/audit BBBB\n"

// A checkpoint is kept by Cloud Logging when Write returns: nothing is left for after an answer.
func TestWrite_CloudLogging(t *testing.T) {
	t.Parallel()
	fake, options := startFake(t)
	log, err := auditlog.New(audit.Config{Log: "checkpoints", Project: "p"}, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	for range 2 {
		if err := log.Write(t.Context(), []byte(checkpoint)); err != nil {
			t.Fatal(err)
		}
	}
	fake.mu.Lock()
	if len(fake.entries) != 2 || fake.entries[0].GetLogName() != "projects/p/logs/checkpoints" || fake.entries[0].GetTextPayload() != checkpoint {
		t.Errorf("kept are %v", fake.entries)
	}
	fake.refuse = status.Error(codes.PermissionDenied, "no")
	fake.mu.Unlock()
	if err := log.Write(t.Context(), []byte(checkpoint)); err == nil {
		t.Error("what was refused is said to be kept")
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
