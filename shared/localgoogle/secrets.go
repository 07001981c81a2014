package localgoogle

import (
	"context"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"sync"

	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Secrets is Secret Manager. It is safe for concurrent use.
type Secrets struct {
	secretmanagerpb.UnimplementedSecretManagerServiceServer

	mu       sync.Mutex
	versions map[string][]string // by projects/P/secrets/S
	calls    map[string]int
	failure  func(ctx context.Context) error
	damaged  bool
}

func (s *Secrets) register(server *grpc.Server) {
	secretmanagerpb.RegisterSecretManagerServiceServer(server, s)
}

// Add adds a version to a secret, and returns the reference to its latest one: secret://….
func (s *Secrets) Add(secret, value string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := "projects/" + Project + "/secrets/" + secret
	s.versions[name] = append(s.versions[name], value)
	return "secret://" + name + "/versions/latest"
}

// Calls returns how often a secret was asked for.
func (s *Secrets) Calls(secret string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls["projects/"+Project+"/secrets/"+secret]
}

// Fail lets every call fail from now on; nil ends that.
func (s *Secrets) Fail(failure func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = failure
}

// Damage lets values arrive with a wrong checksum from now on.
func (s *Secrets) Damage(damaged bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged = damaged
}

// AccessSecretVersion implements secretmanagerpb.SecretManagerServiceServer.
func (s *Secrets) AccessSecretVersion(ctx context.Context, in *secretmanagerpb.AccessSecretVersionRequest) (*secretmanagerpb.AccessSecretVersionResponse, error) {
	secret, version, _ := strings.Cut(in.GetName(), "/versions/")
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[secret]++
	versions, failure, damaged := s.versions[secret], s.failure, s.damaged
	s.mu.Unlock()
	if failure != nil {
		if err := failure(ctx); err != nil {
			return nil, err
		}
	}
	number, err := strconv.Atoi(version)
	if version == "latest" {
		number, err = len(versions), nil
	}
	if err != nil || number < 1 || number > len(versions) {
		return nil, status.Errorf(codes.NotFound, "Secret Version [%s] not found.", in.GetName())
	}
	value := []byte(versions[number-1])
	sum := int64(crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli)))
	if damaged {
		sum++
	}
	return &secretmanagerpb.AccessSecretVersionResponse{
		Name: fmt.Sprintf("%s/versions/%d", secret, number), Payload: &secretmanagerpb.SecretPayload{Data: value, DataCrc32C: &sum},
	}, nil
}
