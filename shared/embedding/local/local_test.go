package local

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/embedding"
)

var _ embedding.Embedder = (*Model)(nil)

// subjects have words each; the first two are never in one document, as a writer uses one word or the other.
var subjects = [][]string{
	strings.Fields("attorney lawyer court contract clause litigation lawsuit judge verdict counsel statute liability"),
	strings.Fields("physician doctor patient hospital surgery diagnosis clinic nurse medicine treatment symptom vaccine"),
	strings.Fields("cook chef kitchen recipe oven restaurant menu ingredient sauce pastry flavour dessert"),
	strings.Fields("wagon lorry cargo freight warehouse pallet delivery shipment logistics route driver depot"),
}

// catalogue returns so many documents of the subjects, always the same.
func catalogue(n int) []Document {
	random := rand.New(rand.NewPCG(3, 4))
	docs := make([]Document, n)
	for i := range docs {
		subject := subjects[i%len(subjects)]
		name := subject[random.IntN(2)]
		rest := slices.Clone(subject[2:])
		random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		docs[i] = Document{
			Name: name + " " + rest[0],
			Text: "The " + name + " cares for " + strings.Join(rest[1:6], ", ") + " in the office and reports daily.",
		}
	}
	return docs
}

func all(docs []Document) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for _, doc := range docs {
			if !yield(doc, nil) {
				return
			}
		}
	}
}

func train(t testing.TB, docs []Document) *Model {
	t.Helper()
	m, err := Train(t.Context(), all(docs))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func stored(t testing.TB, m *Model) []byte {
	t.Helper()
	data, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wantVector fails unless it is a vector of the model, or none.
func wantVector(t *testing.T, text string, v []float32) {
	t.Helper()
	if v == nil {
		return
	}
	if length := math.Sqrt(dot(v, v)); len(v) != embedding.Dimensions || !(math.Abs(length-1) < 1e-4) {
		t.Errorf("%q: %d numbers of length %v", text, len(v), length)
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	m := train(t, catalogue(200))
	for _, tc := range []struct{ query, near, far string }{
		{"lawyer", "attorney", "doctor"},     // never together, the same company
		{"doctor", "physician", "chef"},      //
		{"lawyers", "lawyer", "lorry"},       // a stem
		{"litigaton", "litigation", "lorry"}, // misspelt
		{"vacine for patients", "hospital", "pastry"},
		{"LAWYER", "lawyer", "cook"},
	} {
		query, near, far := m.Query(tc.query), m.Query(tc.near), m.Query(tc.far)
		if query == nil || near == nil || far == nil {
			t.Errorf("%q, %q or %q says nothing", tc.query, tc.near, tc.far)
			continue
		}
		if n, f := dot(query, near), dot(query, far); n < f+0.2 {
			t.Errorf("%q is %.2f like %q, %.2f like %q", tc.query, n, tc.near, f, tc.far)
		}
		wantVector(t, tc.query, query)
	}
}

func TestQuery_SaysNothing(t *testing.T) {
	t.Parallel()
	m := train(t, catalogue(200))
	for _, query := range []string{
		"", " ", "the of and", "!?…", "😀 🎉", "zzzxqy", "qwrtplk", "x", "\x00", "\xff\xfe", strings.Repeat("z", 512), strings.Repeat("z ", 256), "कानून", "律师", "வழக்கறிஞர்",
	} {
		if v := m.Query(query); v != nil {
			t.Errorf("%q has a vector", query)
		}
	}
	// What says nothing takes nothing from what does.
	if diff := cmp.Diff(m.Query("lawyer"), m.Query("zzzxqy the 😀 LAWYER qwrtplk!")); diff != "" {
		t.Error(diff)
	}
}

// Words of other scripts are learnt as any other.
func TestQuery_Scripts(t *testing.T) {
	t.Parallel()
	docs := catalogue(200)
	for i := range 40 {
		docs[4*i].Text += " कानूनी சட்டம் 法律 Юрист"
	}
	m := train(t, docs)
	for _, query := range []string{"कानूनी", "சட்டம்", "法律", "юрист", "法律 सलाह"} {
		v := m.Query(query)
		if v == nil {
			t.Errorf("%q says nothing", query)
			continue
		}
		if law, food := dot(v, m.Query("litigation")), dot(v, m.Query("pastry")); law < food+0.2 {
			t.Errorf("%q is %.2f like law, %.2f like food", query, law, food)
		}
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	m := train(t, catalogue(200))
	doc := Document{Name: "Chef", Text: "knows a judge and a court"}
	if name, text := dot(m.Document(doc), m.Query("chef")), dot(m.Document(doc), m.Query("judge")); name < text {
		t.Errorf("a document is %.2f like its name and %.2f like its text", name, text)
	}
	for _, doc := range []Document{{}, {Name: "the", Text: "of"}, {Text: "😀"}} {
		if m.Document(doc) != nil {
			t.Errorf("%v has a vector", doc)
		}
	}
	long := Document{Name: strings.Repeat("chef ", 10_000), Text: strings.Repeat("pastry"+strings.Repeat("é", 100)+" ", 10_000)}
	wantVector(t, "a long document", m.Document(long))
}

func TestEmbed(t *testing.T) {
	t.Parallel()
	m := train(t, catalogue(200))
	doc := Document{Name: "Chef", Text: "of a restaurant\nwith a menu"}
	vectors, err := m.Embed(t.Context(), embedding.Document, []string{doc.Name + "\n" + doc.Text, "zzzxqy", "chef"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]float32{m.Document(doc), nil, m.Document(Document{Name: "chef"})}, vectors); diff != "" {
		t.Error(diff)
	}
	vectors, err = m.Embed(t.Context(), embedding.Query, []string{"chef\nmenu"})
	if diff := cmp.Diff([][]float32{m.Query("menu chef")}, vectors); diff != "" || err != nil {
		t.Error(err, diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if vectors, err := m.Embed(ctx, embedding.Query, []string{"chef"}); vectors != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", vectors, err)
	}
}

// The same documents make the same model, in whatever order they come; one more makes another.
func TestTrain_Order(t *testing.T) {
	t.Parallel()
	docs := catalogue(200)
	want := train(t, docs)
	for i := range docs {
		docs[i].Text += fmt.Sprint(" ", i%7)
	}
	other := train(t, docs)
	for range 3 {
		rand.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
		got := train(t, docs)
		if got.Model() != other.Model() || string(stored(t, got)) != string(stored(t, other)) {
			t.Error("another order makes another model")
		}
	}
	if other.Model() == want.Model() || !strings.HasPrefix(want.Model(), "local-") {
		t.Errorf("models of other documents are %q and %q", want.Model(), other.Model())
	}
}

// Whatever little there is to learn from makes a model.
func TestTrain_Few(t *testing.T) {
	t.Parallel()
	for _, docs := range [][]Document{
		nil,
		{{}},
		{{Name: "the"}, {Name: "of"}},
		{{Name: "😀"}},
		{{Name: "chef"}},
		{{Name: "chef"}, {Name: "chef"}},
		{{Name: "chef", Text: "menu"}},
		{{Name: "a b c d e", Text: "f"}},
		{{Name: "律师"}, {Name: "कानून", Text: "法律"}},
		catalogue(2),
		catalogue(5),
		catalogue(20),
	} {
		m := train(t, docs)
		for _, doc := range docs {
			v := m.Document(doc)
			wantVector(t, doc.Name, v)
			if v == nil && len(m.terms.ends) > 0 && doc.Text != "" {
				t.Errorf("of %d documents, %v says nothing", len(docs), doc)
			}
		}
		wantVector(t, "chefs", m.Query("chefs of qwrtplk"))
		var again Model
		if err := again.UnmarshalBinary(stored(t, m)); err != nil || again.Model() != m.Model() {
			t.Errorf("of %d documents: %v", len(docs), err)
		}
	}
}

func TestTrain_Failure(t *testing.T) {
	t.Parallel()
	want := errors.New("the database is away")
	m, err := Train(t.Context(), func(yield func(Document, error) bool) {
		_ = yield(Document{Name: "chef"}, nil) && yield(Document{}, want)
	})
	if m != nil || !errors.Is(err, want) {
		t.Errorf("%v, %v", m, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := Train(ctx, all(catalogue(8))); m != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", m, err)
	}
}

func BenchmarkQuery(b *testing.B) {
	m := train(b, catalogue(200))
	for b.Loop() {
		m.Query("a lawyer for a contract with a clause on liability")
	}
}

func BenchmarkQuery_Misspelt(b *testing.B) {
	m := train(b, catalogue(200))
	for b.Loop() {
		m.Query("a lawyre for a contract with a clause on liability")
	}
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
