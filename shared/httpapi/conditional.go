package httpapi

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

// Tagged is a resource with an entity tag: its version, and what of its answer changes without a new version.
type Tagged interface {
	Tag() (version int64, derived any)
}

const etagDigestBytes = 6

// etagOf returns a resource's tag.
func etagOf(resource Tagged) (string, error) {
	version, derived := resource.Tag()
	text, err := json.Marshal(derived, json.Deterministic(true))
	return etag(version, text), err
}

// etag returns `"<version>.<digest of the derived parts>"`, a strong tag (RFC 9110, 8.8.3). The parts are JSON.
func etag(version int64, derived []byte) string {
	digest := sha256.Sum256(derived)
	return `"` + strconv.FormatInt(version, 10) + "." + hex.EncodeToString(digest[:etagDigestBytes]) + `"`
}

// ByID names one resource. Embed it in the input of an operation with {id} in its path; what is not a UUID is answered as
// what does not exist.
type ByID struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}

// Resolve implements huma.Resolver: uuid.Parse also takes braces, a prefix and no hyphens.
func (b *ByID) Resolve(ctx huma.Context) []error {
	if len(ctx.Param("id")) == len(b.ID.String()) {
		return nil
	}
	return []error{&Fault{Location: "path.id", Message: "must be a UUID"}}
}

// Conditional is the condition on a read of one resource.
type Conditional struct {
	IfNoneMatch string `header:"If-None-Match" doc:"answers 304 without a body when the resource still has this ETag"`
}

// Versioned answers one resource with its ETag.
type Versioned[T any] struct {
	Status int
	ETag   string `header:"ETag"`
	Body   T
}

// Answer answers a read: 200, or 304 where the caller has it already.
func Answer[T Tagged](condition Conditional, resource T) (*Versioned[T], error) {
	tag, err := etagOf(resource)
	if err != nil {
		return nil, err
	}
	return answered(condition, tag, resource), nil
}

func answered[T any](condition Conditional, tag string, body T) *Versioned[T] {
	answer := &Versioned[T]{Status: http.StatusOK, ETag: tag, Body: body}
	if matches(condition.IfNoneMatch, tag) {
		answer.Status = http.StatusNotModified
	}
	return answer
}

// matches is the weak comparison of If-None-Match (RFC 9110, 13.1.2).
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}

// Precondition is the optional condition on a write of one resource.
type Precondition struct {
	IfMatch string `header:"If-Match" doc:"refuses with 412 unless the resource still has the version of this ETag"`
}

// Resolve implements huma.Resolver: it reads several lines as one list. One that is empty is not the same as none.
func (p *Precondition) Resolve(ctx huma.Context) []error {
	request, _ := humago.Unwrap(ctx)
	if sent := request.Header.Values("If-Match"); len(sent) > 0 {
		p.IfMatch = cmp.Or(strings.Join(sent, ","), ",")
	}
	return nil
}

// Versions returns the versions that the caller accepts, for `version = any(…)`; nil where it accepts any. Comparison is
// strong (RFC 9110, 13.1.1): weak and malformed tags accept none, which is an empty slice.
func (p Precondition) Versions() []int64 {
	if p.IfMatch == "" || strings.TrimSpace(p.IfMatch) == "*" {
		return nil
	}
	versions := []int64{}
	for tag := range strings.SplitSeq(p.IfMatch, ",") {
		tag = strings.TrimSpace(tag)
		if len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"' {
			continue
		}
		number, _, _ := strings.Cut(tag[1:len(tag)-1], ".")
		if version, err := strconv.ParseInt(number, 10, 64); err == nil {
			versions = append(versions, version)
		}
	}
	return versions
}

// File answers what is not JSON, a picture say, with its ETag.
type File struct {
	Status      int
	ETag        string `header:"ETag"`
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// AnswerFile is Answer for a file, whose tag follows from its bytes.
func AnswerFile(condition Conditional, contentType string, content []byte) *File {
	file := &File{Status: http.StatusOK, ETag: etag(0, content), ContentType: contentType, Body: content}
	if matches(condition.IfNoneMatch, file.ETag) {
		file.Status, file.Body = http.StatusNotModified, nil
	}
	return file
}
