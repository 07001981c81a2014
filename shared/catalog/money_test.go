package catalog_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
)

func TestParseMoney(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"85": "85.00", "85.0": "85.00", "85.5": "85.50", "0.01": "0.01", "-0.01": "-0.01", "8.5e1": "85.00", "850e-1": "85.00", "0": "0.00", "-0": "0.00",
		"9999999999999.99": "9999999999999.99", "-12.30": "-12.30", "85.00000": "85.00",
	}
	for text, want := range good {
		if got, err := catalog.ParseMoney(text); err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "x", "85.001", "0.001", "1e-400", "1e400", "NaN", "Inf", "-Inf", "10000000000000", "1e-999999999", "1e999999999", "0x10p0", "1_000", "85,0", strings.Repeat("9", 40), "1/3",
	} {
		if got, err := catalog.ParseMoney(text); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestMoney_RoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := catalog.Hundredths(rapid.Int64Range(-999_999_999_999_999, 999_999_999_999_999).Draw(t, "hundredths"))
		text, err := json.Marshal(amount)
		if err != nil {
			t.Fatal(err)
		}
		var read catalog.Money
		if err := json.Unmarshal(text, &read); err != nil || !read.Equal(amount) || read.Fault() != "" {
			t.Fatalf("%s became %v, %v", text, read, err)
		}
		value, err := amount.Value()
		if err != nil {
			t.Fatal(err)
		}
		var scanned catalog.Money
		if err := scanned.Scan(value); err != nil || !scanned.Equal(amount) {
			t.Fatalf("%v became %v, %v", value, scanned, err)
		}
	})
}

func TestMoney_KeepsItsFault(t *testing.T) {
	t.Parallel()
	var m catalog.Money
	if err := json.Unmarshal([]byte("85.001"), &m); err != nil || m.Fault() == "" || !m.IsZero() {
		t.Errorf("got %v, %q, %v", m, m.Fault(), err)
	}
	for _, text := range []string{`"x"`, "true", "{}"} {
		if err := json.Unmarshal([]byte(text), &m); err == nil {
			t.Errorf("%s was read", text)
		}
	}
	if err := m.Scan(5); err == nil {
		t.Error("scanned an int")
	}
}

func FuzzParseMoney(f *testing.F) {
	for _, seed := range []string{"85.0", "-0", "1e9", "1e-9", ".5", "5.", "0x1", "1e99999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, err := catalog.ParseMoney(text)
		if err != nil {
			return
		}
		if again, err := catalog.ParseMoney(amount.String()); err != nil || !again.Equal(amount) {
			t.Errorf("%q is %v, then %v, %v", text, amount, again, err)
		}
	})
}

// I13: whatever a caller asks for, the texts of the conditions are the same few; what is asked is in the arguments.
func TestI13_ConditionsAreConstant(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	caller := auth.Principal{Issuer: "i", Owner: "o"}
	for _, owner := range []string{"me", "x"} {
		conditions, _ := catalog.AgentFilter{
			Industry: "a", Specialization: "b", Status: "c", Tag: "d", Language: "e", Owner: owner, MinRating: 1, MaxHourlyRate: 1,
		}.Where(caller)
		for _, condition := range conditions {
			known[condition] = true
		}
	}
	if len(known) != 9 {
		t.Fatalf("%d conditions: %v", len(known), known)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := catalog.AgentFilter{
			Industry: rapid.String().Draw(t, "industry"), Specialization: rapid.String().Draw(t, "specialization"), Status: rapid.String().Draw(t, "status"),
			Tag: rapid.String().Draw(t, "tag"), Language: rapid.String().Draw(t, "language"), Owner: rapid.String().Draw(t, "owner"), MinRating: rapid.Float64().Draw(t, "rating"),
		}
		conditions, _ := f.Where(caller)
		for _, condition := range conditions {
			if !known[condition] {
				t.Fatalf("%q is new", condition)
			}
		}
	})
}
