package localgoogle

import (
	"context"
	"strings"
	"sync"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/grpc"
)

// Logs is Cloud Logging. It is safe for concurrent use.
type Logs struct {
	loggingpb.UnimplementedLoggingServiceV2Server

	mu      sync.Mutex
	entries []Entry
	failure error
}

// Entry is one line of text of a log.
type Entry struct {
	Log      string // projects/P/logs/L
	Severity string
	Text     string
}

func (l *Logs) register(server *grpc.Server) { loggingpb.RegisterLoggingServiceV2Server(server, l) }

// Of returns what was written to a log of the project, in the order in which it came.
func (l *Logs) Of(log string) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []Entry
	for _, entry := range l.entries {
		if entry.Log == "projects/"+Project+"/logs/"+log {
			found = append(found, entry)
		}
	}
	return found
}

// Fail lets every call fail from now on; nil ends that.
func (l *Logs) Fail(failure error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = failure
}

// WriteLogEntries implements loggingpb.LoggingServiceV2Server.
func (l *Logs) WriteLogEntries(_ context.Context, in *loggingpb.WriteLogEntriesRequest) (*loggingpb.WriteLogEntriesResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return nil, l.failure
	}
	for _, entry := range in.GetEntries() {
		log := entry.GetLogName()
		if log == "" {
			log = in.GetLogName()
		}
		if strings.HasSuffix(log, "/diagnostic-log") { // which the client tells of itself
			continue
		}
		l.entries = append(l.entries, Entry{Log: log, Severity: entry.GetSeverity().String(), Text: entry.GetTextPayload()})
	}
	return &loggingpb.WriteLogEntriesResponse{}, nil
}
