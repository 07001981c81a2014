package embedding

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

const (
	// bytesPerVector bounds what an answer has for one text: 384 numbers as text are about 9 kB.
	bytesPerVector = 32 << 10
	bytesPerAnswer = 64 << 10 // of everything else
	bytesOfHeader  = 64 << 10
	// drained is how much of an answer that is not wanted is read, so that its connection can be used again.
	drained = 4 << 10
)

// newClient returns a client that takes only what an endpoint of ours may answer: 200, JSON, and no more than so many
// vectors. It follows no redirect: an endpoint does not choose where texts and keys are sent (OWASP API7, API10).
func newClient(vectors int) *http.Client {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.DisableCompression = true // what is small may not become large
	base.MaxResponseHeaderBytes = bytesOfHeader
	base.MaxIdleConnsPerHost = 16
	return &http.Client{
		Transport:     &strict{base: base, max: bytesPerAnswer + int64(vectors)*bytesPerVector},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// strict refuses answers, as a *failure, before anybody reads them.
type strict struct {
	base http.RoundTripper
	max  int64 // bytes of a body
}

// RoundTrip implements http.RoundTripper.
func (s *strict) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.base.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if err := s.refuse(response); err != nil {
		if response.ContentLength <= drained {
			_, _ = io.CopyN(io.Discard, response.Body, response.ContentLength)
		}
		_ = response.Body.Close()
		return nil, err
	}
	response.Body = &capped{ReadCloser: response.Body, left: s.max}
	return response, nil
}

// CloseIdleConnections makes http.Client's work.
func (s *strict) CloseIdleConnections() { s.base.(*http.Transport).CloseIdleConnections() }

func (s *strict) refuse(response *http.Response) error {
	if response.StatusCode != http.StatusOK {
		return ofStatus(response.StatusCode, retryAfter(response.Header.Get("Retry-After"), time.Now()))
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return wrong("something that is not JSON")
	}
	return nil
}

var errTooLarge = wrong("more than the vectors can be")

// capped is a body that fails when it is longer than it may be.
type capped struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (c *capped) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b[:min(int64(len(b)), c.left+1)])
	if c.left -= int64(n); c.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// retryAfter reads the header's value: seconds, or a date (RFC 9110, 10.2.3). 0 is none.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	} else if errors.Is(err, strconv.ErrRange) {
		return time.Duration(1<<31) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
