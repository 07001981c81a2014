package embedding

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var providers = []string{"openai", "vertex"}

// bubbles runs a test for each provider, in a time of its own.
func bubbles(t *testing.T, test func(t *testing.T, provider string)) {
	for _, provider := range providers {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, provider) })
		})
	}
}

func texts(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(text, i)
	}
	return list
}

// Each text has its own vector, normalised, in the texts' order, whatever the batches and the answers' order.
func TestEmbed(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		for _, kind := range []Kind{Document, Query} {
			r, f, _, log := start(t, Config{Provider: provider})
			kindOfVector := kind
			if provider == "openai" {
				kindOfVector = Document // it knows no kinds
			}
			asked := texts(11)
			vectors, err := r.Embed(t.Context(), kind, asked)
			if err != nil {
				t.Fatal(err)
			}
			for i, text := range asked {
				want := vectorOf(kindOfVector, text)
				Normalize(want)
				if diff := cmp.Diff(want, vectors[i]); diff != "" {
					t.Fatalf("text %d: %s", i, diff)
				}
				if length := lengthOf(vectors[i]); math.Abs(length-1) > 1e-6 {
					t.Errorf("length %v", length)
				}
			}
			want := map[string]int{"openai": 3, "vertex": 11}[provider]
			if f.requests != want || f.largest != map[string]int{"openai": 4, "vertex": 1}[provider] || slices.Contains(f.kinds, 1-kindOfVector) {
				t.Errorf("%d requests of up to %d texts, %v", f.requests, f.largest, f.kinds)
			}
			if vectors, err := r.Embed(t.Context(), kind, nil); err != nil || len(vectors) > 0 || f.requests != want {
				t.Errorf("no texts: %v, %v", vectors, err)
			}
			wantSilent(t, nil, log)
		}
	})
}

// Newer models of Gemini are asked in another form.
func TestEmbed_GeminiTwo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, f, _, _ := start(t, Config{Provider: "vertex", Model: "gemini-embedding-2"})
		vectors, err := r.Embed(t.Context(), Query, texts(2))
		if err != nil || len(vectors) != 2 || !slices.Equal(f.kinds, []Kind{Query, Query}) {
			t.Errorf("%d vectors, %v, %v", len(vectors), err, f.kinds)
		}
		if r.Model() != "vertex:gemini-embedding-2" {
			t.Errorf("its model is %s", r.Model())
		}
	})
}

// What cannot pass is tried again, after a pause that is never the same, and no more than twice.
func TestF18_TriedAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 500, 502, 503, 504} {
		bubbles(t, func(t *testing.T, provider string) {
			r, f, _, log := start(t, Config{Provider: provider})
			failures := 2
			f.fault = func(w http.ResponseWriter, _ *http.Request) bool {
				if failures--; failures < 0 {
					return false
				}
				http.Error(w, `{"error":{"message":"`+text+" "+secretKey+`"}}`, status)
				return true
			}
			if vectors, err := r.Embed(t.Context(), Document, texts(1)); err != nil || len(vectors) != 1 || f.requests != 3 {
				t.Errorf("%d: %d vectors, %v, after %d requests", status, len(vectors), err, f.requests)
			}
			failures = math.MaxInt
			f.requests = 0
			_, err := r.Embed(t.Context(), Document, texts(1))
			if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRefused) || f.requests != maxTries || !strings.Contains(err.Error(), fmt.Sprint(status)) {
				t.Errorf("%d: %v after %d requests", status, err, f.requests)
			}
			wantSilent(t, err, log)
		})
	}
}

// 429 and 503 say when to come back, and that is when; where there is no time for it the caller is told at once.
func TestF18_RetryAfter(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		r, f, _, _ := start(t, Config{Provider: provider})
		wait, failures := "2", 2
		f.fault = func(w http.ResponseWriter, _ *http.Request) bool {
			if failures--; failures < 0 {
				return false
			}
			if wait == "date" {
				w.Header().Set("Retry-After", time.Now().Add(3*time.Second).UTC().Format(http.TimeFormat))
			} else {
				w.Header().Set("Retry-After", wait)
			}
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		ask := func(within time.Duration) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			began := time.Now()
			_, err := r.Embed(ctx, Document, texts(1))
			return time.Since(began), err
		}
		if took, err := ask(time.Minute); err != nil || took != 4*time.Second {
			t.Errorf("it took %s: %v", took, err)
		}
		wait, failures = "date", 1
		if took, err := ask(time.Minute); err != nil || took < 2*time.Second || took > 3*time.Second {
			t.Errorf("it took %s: %v", took, err)
		}
		for _, long := range []string{"2", "99999999999", "86400"} {
			wait, failures = long, 1
			if took, err := ask(time.Second); !errors.Is(err, ErrUnavailable) || took != 0 {
				t.Errorf("it took %s: %v", took, err)
			}
			if _, err := ask(time.Second); err != nil { // one failure is not many
				t.Error(err)
			}
		}
	})
}

// What is the asker's fault is not tried again. A text that is refused says nothing about the provider.
func TestF18_NeverAgain(t *testing.T) {
	t.Parallel()
	for status, refused := range map[int]bool{400: true, 401: false, 403: false, 404: false, 413: true, 422: true, 201: false, 204: false} {
		bubbles(t, func(t *testing.T, provider string) {
			r, f, _, log := start(t, Config{Provider: provider})
			f.fault = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				if status != http.StatusNoContent {
					_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":"%s %s"}}`, status, text, secretKey)
				}
				return true
			}
			for range maxFailures + 1 {
				_, err := r.Embed(t.Context(), Query, texts(1))
				if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRefused) != refused && f.requests <= maxFailures {
					t.Errorf("%d: %v", status, err)
				}
				wantSilent(t, err, log)
			}
			want := maxFailures
			if refused {
				want++
			}
			if f.requests != want || refused != (log.String() == "") {
				t.Errorf("%d: %d requests, logged %q", status, f.requests, log)
			}
		})
	}
}

// A provider that hangs costs each search its own patience until that is known, then nothing, and now and then 50 ms.
func TestF18_Hangs(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		r, f, _, log := start(t, Config{Provider: provider})
		f.fault = hang
		ask := func(want time.Duration) error {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := r.Embed(ctx, Query, texts(1))
			if took := time.Since(began); took != want {
				t.Errorf("it took %s, want %s: %v", took, want, err)
			}
			wantSilent(t, err, log)
			return err
		}
		for range maxFailures {
			if err := ask(300 * time.Millisecond); !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
		for range 100 {
			if err := ask(0); !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
		if f.count() != maxFailures || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "no answer in time") {
			t.Errorf("%d requests, logged %q", f.count(), log)
		}
		time.Sleep(rest)
		if err := ask(tryWait); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
		if err := ask(0); !errors.Is(err, ErrUnavailable) || f.count() != maxFailures+1 {
			t.Errorf("%v after %d requests", err, f.count())
		}
		time.Sleep(r.cfg.Timeout + rest) // the one that tries has given up, and it is time for another
		f.mu.Lock()
		f.fault = nil
		f.mu.Unlock()
		for range 3 {
			if err := ask(0); err != nil {
				t.Error(err)
			}
		}
		if strings.Count(log.String(), "\n") != 2 || !strings.Contains(log.String(), "embedded again") {
			t.Errorf("logged %q", log)
		}
	})
}

// Searches behind a cache learn of a provider that hangs as well, though what they began outlives them.
func TestF18_HangsBehindTheCache(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		r, f, _, _ := start(t, Config{Provider: provider})
		f.fault = hang
		e := Cached(r, newCache(t))
		var longest time.Duration
		for i := range 100 { // one every 100 ms
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			began := time.Now()
			if _, err := e.Embed(ctx, Query, []string{fmt.Sprint(i)}); !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
			cancel()
			if took := time.Since(began); i > 10 {
				longest = max(longest, took)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if longest > tryWait {
			t.Errorf("a search took %s when it was known", longest)
		}
		if f.count() > 10 {
			t.Errorf("it was asked %d times", f.count())
		}
		time.Sleep(time.Minute)
	})
}

// Callers who go away neither count as failures nor get vectors.
func TestF18_CallersGoAway(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		r, f, _, log := start(t, Config{Provider: provider})
		f.fault = hang
		for range 3 * maxFailures {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel)
			if _, err := r.Embed(ctx, Query, texts(2)); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
		f.mu.Lock()
		f.fault = nil
		f.mu.Unlock()
		if _, err := r.Embed(t.Context(), Query, texts(1)); err != nil || log.String() != "" {
			t.Errorf("%v; logged %q", err, log)
		}
	})
}

// A provider that is slow and answers is not given up.
func TestF18_Slow(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		r, f, _, log := start(t, Config{Provider: provider})
		fails := false
		f.fault = func(w http.ResponseWriter, _ *http.Request) bool {
			time.Sleep(2 * slow)
			if fails {
				w.WriteHeader(http.StatusNotFound)
			}
			return fails
		}
		for range 2 * maxFailures {
			if _, err := r.Embed(t.Context(), Query, texts(1)); err != nil {
				t.Error(err)
			}
		}
		fails = true
		for range maxFailures - 1 { // late and wrong is one failure
			if _, err := r.Embed(t.Context(), Query, texts(1)); !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
		if log.String() != "" {
			t.Errorf("logged %q", log)
		}
	})
}

// Connections that end, at any time, are a failure after the last try and nothing worse.
func TestF18_ConnectionsEnd(t *testing.T) {
	t.Parallel()
	const begin = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	ends := map[string]func(net.Conn){
		"at once":           func(net.Conn) {},
		"after the request": func(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) },
		"reset": func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_ = conn.(*net.TCPConn).SetLinger(0)
		},
		"in the header": func(conn net.Conn) { say(conn, begin) },
		"in the body":   func(conn net.Conn) { say(conn, begin+"Content-Length: 1000\r\n\r\n{") },
		"in a chunk":    func(conn net.Conn) { say(conn, begin+"Transfer-Encoding: chunked\r\n\r\nff\r\n{") },
	}
	for name, serve := range ends {
		for _, provider := range providers {
			t.Run(name+" "+provider, func(t *testing.T) {
				t.Parallel()
				listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = listener.Close() })
				tries := make(chan struct{}, 100)
				go func() {
					for {
						conn, err := listener.Accept()
						if err != nil {
							return
						}
						tries <- struct{}{}
						serve(conn)
						_ = conn.Close()
					}
				}()
				r, log := remoteOf(t, Config{Provider: provider, URL: "http://" + listener.Addr().String()}, (&net.Dialer{}).DialContext)
				_, err = r.Embed(t.Context(), Document, texts(1))
				if !errors.Is(err, ErrUnavailable) || len(tries) < maxTries {
					t.Errorf("%v after %d tries", err, len(tries))
				}
				wantSilent(t, err, log)
			})
		}
	}
}

func say(conn net.Conn, text string) {
	_, _ = conn.Read(make([]byte, 4096))
	_, _ = io.WriteString(conn, text)
}

func TestF18_NobodyListens(t *testing.T) {
	t.Parallel()
	for _, provider := range providers {
		r, log := remoteOf(t, Config{Provider: provider, URL: "http://127.0.0.1:1"}, (&net.Dialer{}).DialContext)
		for range maxFailures + 1 {
			_, err := r.Embed(t.Context(), Query, texts(1))
			if !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
			wantSilent(t, err, log)
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "connection refused") {
			t.Errorf("logged %q", got)
		}
	}
}
