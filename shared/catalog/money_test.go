package catalog_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
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

// A number that is too small for a float is told from 0 by its digits, not by working out a million decimals: a body may
// hold thousands of them.
func TestParseMoney_TakesNoTime(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	for range 300 {
		for _, text := range []string{"1e-999999", "-1e-999999", "0.1e-1000000", "1e-99999999999", "0.001E-400", "9e999999", "-9e999999"} {
			if amount, err := catalog.ParseMoney(text); err == nil {
				t.Fatalf("%s is %v", text, amount)
			}
		}
		for _, text := range []string{"0e-999999", "0.00e999999", "-0e-99999999999"} {
			if amount, err := catalog.ParseMoney(text); err != nil || !amount.IsZero() {
				t.Fatalf("%s is %v, %v", text, amount, err)
			}
		}
	}
	if took := time.Since(begin); took > 3*time.Second { // it takes milliseconds
		t.Errorf("3,000 numbers took %v", took)
	}
	for _, text := range []string{"1e-400", "1e-999999", "0.1e-1000000"} {
		if _, err := catalog.ParseMoney(text); err == nil || err.Error() != "must have at most 2 decimals" {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestMoney_Bounds(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	for _, text := range []string{"9999999999999.99", "-9999999999999.99", "0.01", "-0.01", "0"} {
		amount, err := catalog.ParseMoney(text)
		if err != nil {
			t.Fatal(err)
		}
		// The server takes it as it is, and gives it back.
		got, err := database.Scalar[catalog.Money](t.Context(), db, `select $1::numeric(15, 2)`, amount)
		if err != nil || !got.Equal(amount) {
			t.Errorf("%s became %v, %v", text, got, err)
		}
	}
	for _, sql := range []string{`select 'NaN'::numeric`, `select 1.005::numeric`, `select 1e20::numeric`, `select null::numeric`} {
		if got, err := database.Scalar[catalog.Money](t.Context(), db, sql); err == nil {
			t.Errorf("%s is %v", sql, got)
		}
	}
	if got := (catalog.Money{}).Schema(nil); got.Type != "number" {
		t.Errorf("its schema is of %s", got.Type)
	}
}
