package embedding

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// answers are bodies that are refused, by provider. %s is a good vector.
func badAnswers() map[string]map[string]string {
	good := list(Dimensions, "0.5")
	openAI := func(vector string) string {
		return `{"model":"all-minilm","data":[{"index":0,"embedding":` + vector + `}]}`
	}
	vertex := func(vector string) string { return `{"predictions":[{"embeddings":{"values":` + vector + `}}]}` }
	bad := map[string]map[string]string{
		"openai": {
			"another model":     strings.Replace(openAI(good), "all-minilm", text, 1),
			"a longer model":    strings.Replace(openAI(good), "all-minilm", "all-minilm-l12", 1),
			"no index":          strings.Replace(openAI(good), `"index":0,`, "", 1),
			"another index":     strings.Replace(openAI(good), `"index":0,`, `"index":1,`, 1),
			"a negative index":  strings.Replace(openAI(good), `"index":0,`, `"index":-1,`, 1),
			"an index twice":    `{"data":[{"index":0,"embedding":` + good + `},{"index":0,"embedding":` + good + `}]}`,
			"too many":          `{"data":[{"index":0,"embedding":` + good + `},{"index":1,"embedding":` + good + `}]}`,
			"no data":           `{"model":"all-minilm"}`,
			"not base64":        openAI(`"?"`),
			"half a number":     openAI(`"AAAA"`),
			"base64 of NaN":     openAI(`"` + strings.Repeat("AADAfwAAwH8AAMB/", Dimensions/3) + `"`),
			"base64, too short": openAI(`"AACAPw=="`),
			"a name twice":      `{"model":"all-minilm","model":"all-minilm","data":[{"index":0,"embedding":` + good + `}]}`,
			"something after":   openAI(good) + openAI(good),
		},
		"vertex": {
			"no predictions":     `{"metadata":{}}`,
			"null":               `{"predictions":[{"embeddings":null}]}`,
			"predictions, text":  `{"predictions":"` + text + `"}`,
			"embeddings, text":   `{"predictions":[{"embeddings":"` + text + `"}]}`,
			"predictions, texts": `{"predictions":["` + text + `"]}`,
			"too many":           `{"predictions":[{"embeddings":{"values":` + good + `}},{"embeddings":{"values":` + good + `}}]}`,
		},
	}
	for provider, of := range map[string]func(string) string{"openai": openAI, "vertex": vertex} {
		for name, vector := range map[string]string{
			"short": list(Dimensions-1, "0.5"), "long": list(Dimensions+1, "0.5"), "empty": "[]", "zero": list(Dimensions, "0"),
			"minus zero": list(Dimensions, "-0.0"), "NaN": list(Dimensions, "NaN"), "NaN in quotes": list(Dimensions, `"NaN"`), "infinite": list(Dimensions, "1e39"),
			"more than infinite": list(Dimensions, "1e999"), "vanishing": list(Dimensions, "1e-60"), "null": "null", "nulls": list(Dimensions, "null"),
			"texts": list(Dimensions, `"`+text+`"`), "nested": "[" + good + "]", "an object": `{"0":1}`, "a number": "1",
			"deep": strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		} {
			bad[provider][name] = of(vector)
		}
		for name, body := range map[string]string{
			"nothing": "", "null document": "null", "array": "[]", "number": "1", "cut": of(good)[:100], "a word": text, "HTML": "<html>" + text + "</html>", "endless brackets": strings.Repeat("[", 60000),
			"not UTF-8": "{\"\xff\":" + good + "}", "error and 200": `{"error":{"code":500,"message":"` + text + `"}}`,
		} {
			bad[provider][name+" for an answer"] = body
		}
	}
	return bad
}

func list(n int, item string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
}

// What is not a vector of this model for each text is refused, and asked for no second time.
func TestF19_WrongAnswers(t *testing.T) {
	t.Parallel()
	bad := badAnswers()
	bubbles(t, func(t *testing.T, provider string) {
		for name, body := range bad[provider] {
			r, f, _, log := start(t, Config{Provider: provider})
			f.fault = sayJSON(body)
			vectors, err := r.Embed(t.Context(), Document, texts(1))
			if !errors.Is(err, ErrUnavailable) || vectors != nil {
				t.Errorf("%s: %d vectors, %v", name, len(vectors), err)
			}
			if f.requests != 1 && body != "" && !strings.HasPrefix(name, "cut") && !strings.HasPrefix(name, "endless") {
				t.Errorf("%s: %d requests", name, f.requests)
			}
			wantSilent(t, err, log)
		}
	})
}

// Two texts have no vector each where both are one text's.
func TestF19_OneIndexTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, f, _, _ := start(t, Config{Provider: "openai"})
		item := `{"index":1,"embedding":` + list(Dimensions, "0.5") + `}`
		f.fault = sayJSON(`{"data":[` + item + "," + item + `]}`)
		if vectors, err := r.Embed(t.Context(), Document, texts(2)); !errors.Is(err, ErrUnavailable) || vectors != nil {
			t.Errorf("%d vectors, %v", len(vectors), err)
		}
	})
}

// Where one of several batches is answered wrongly there are no vectors at all.
func TestF19_OneWrongBatch(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		r, f, _, _ := start(t, Config{Provider: provider})
		var n atomic.Int64
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			return n.Add(1) == 2 && sayJSON("{}")(w, r)
		}
		if vectors, err := r.Embed(t.Context(), Document, texts(30)); !errors.Is(err, ErrUnavailable) || vectors != nil {
			t.Errorf("%d vectors, %v", len(vectors), err)
		}
	})
}

// What is not JSON is not read, whatever it holds.
func TestF19_HTML(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		for _, kind := range []string{"text/html; charset=utf-8", "text/plain", "", "application/json; charset", "application/jsonp", "multipart/form-data"} {
			r, f, _, log := start(t, Config{Provider: provider})
			f.fault = func(w http.ResponseWriter, r *http.Request) bool {
				sniffed := &noSniff{ResponseWriter: w, kind: kind}
				f.openAIOrVertex(sniffed, r)
				return true
			}
			_, err := r.Embed(t.Context(), Document, texts(1))
			if !errors.Is(err, ErrUnavailable) || f.requests != 1 {
				t.Errorf("%q: %v after %d requests", kind, err, f.requests)
			}
			wantSilent(t, err, log)
		}
	})
}

// noSniff sends a content type of its own, or none.
type noSniff struct {
	http.ResponseWriter
	kind string
}

func (n *noSniff) Write(b []byte) (int, error) {
	n.Header()["Content-Type"] = []string{n.kind}
	return n.ResponseWriter.Write(b)
}

func (f *fake) openAIOrVertex(w http.ResponseWriter, r *http.Request) {
	if f.kind == "openai" {
		f.openAI(w, r)
		return
	}
	f.vertex(w, r)
}

// 100 MB are cut off where no answer can be longer, announced or not.
func TestF19_HundredMegabytes(t *testing.T) {
	t.Parallel()
	const size = 100 << 20
	bubbles(t, func(t *testing.T, provider string) {
		for _, announced := range []bool{true, false} {
			r, f, _, log := start(t, Config{Provider: provider})
			var sent atomic.Int64
			f.fault = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", "application/json")
				if announced {
					w.Header().Set("Content-Length", fmt.Sprint(size))
				}
				for chunk := slices.Repeat([]byte(" "), 64<<10); sent.Load() < size; sent.Add(int64(len(chunk))) {
					if _, err := w.Write(chunk); err != nil {
						return true
					}
				}
				return true
			}
			_, err := r.Embed(t.Context(), Document, texts(1))
			if !errors.Is(err, ErrUnavailable) || f.requests != 1 {
				t.Errorf("%v after %d requests", err, f.requests)
			}
			synctest.Wait()
			if got := sent.Load(); got > 1<<20 {
				t.Errorf("%d bytes were taken", got)
			}
			wantSilent(t, err, log)
		}
	})
}

// Compressed answers are not asked for, and not unpacked.
func TestF19_Compressed(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		r, f, _, _ := start(t, Config{Provider: provider})
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if got := r.Header.Get("Accept-Encoding"); got != "" {
				t.Errorf("accepts %q", got)
			}
			w.Header().Set("Content-Encoding", "gzip")
			return sayJSON("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")(w, r)
		}
		if _, err := r.Embed(t.Context(), Document, texts(1)); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	})
}

// A provider does not choose where texts and keys go.
func TestF20_RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, target := range []string{"http://169.254.169.254/computeMetadata/v1/", "http://localhost:1/", "http://[::1]/", "https://evil.example/v1/embeddings", "/v1/embeddings", "//evil.example/", "file:///etc/passwd"} {
				r, f, network, log := start(t, Config{Provider: provider})
				f.fault = func(w http.ResponseWriter, _ *http.Request) bool {
					w.Header().Set("Location", target)
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					_, _ = io.WriteString(w, `{"model":"all-minilm","data":[{"index":0,"embedding":`+list(Dimensions, "1")+`}]}`)
					return true
				}
				_, err := r.Embed(t.Context(), Document, texts(1))
				if !errors.Is(err, ErrUnavailable) || f.requests != 1 || !slices.Equal(network.dialed, []string{"127.0.0.1:80"}) {
					t.Errorf("%d to %s: %v, %d requests, dialled %q", status, target, err, f.requests, network.dialed)
				}
				wantSilent(t, err, log)
			}
		}
	})
}

// Whatever an endpoint answers, there is a vector of Dimensions finite numbers of length 1, or none.
func FuzzF19_OpenAIAnswer(f *testing.F) {
	for _, body := range badAnswers()["openai"] {
		f.Add([]byte(body))
	}
	good, err := json.Marshal(vectorOf(Document, "a"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"model":"all-minilm","data":[{"index":0,"embedding":` + string(good) + `}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		vectors, err := (&openAI{name: "all-minilm"}).read(body, 1)
		if err == nil {
			err = check(vectors, 1)
		}
		if err != nil {
			return
		}
		if length := lengthOf(vectors[0]); len(vectors) != 1 || len(vectors[0]) != Dimensions || !(math.Abs(length-1) < 1e-4) {
			t.Errorf("%d vectors, the first of %d numbers and length %v", len(vectors), len(vectors[0]), length)
		}
	})
}

// Whatever is found in a cache, it is a vector as encode has written it, or a miss.
func FuzzF15_CachedVector(f *testing.F) {
	good := vectorOf(Document, "a")
	Normalize(good)
	f.Add(encode(good))
	f.Add(encode(vectorOf(Document, "a")))
	f.Add(encode(good)[1:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, kept []byte) {
		v, ok := decode(kept)
		if ok && (len(v) != Dimensions || !(math.Abs(lengthOf(v)-1) < 1e-3) || string(encode(v)) != string(kept)) {
			t.Errorf("%d numbers of length %v", len(v), lengthOf(v))
		}
	})
}
