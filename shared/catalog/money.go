package catalog

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Money is an amount with two decimals, in hundredths of its currency. It is a JSON number and SQL numeric, and never a
// float on the way.
type Money struct {
	hundredths int64
	fault      string // what was wrong with the JSON number that it was read from
}

// maxMoney is below what numeric(15, 2) holds, in units of the currency. What a caller may send is bounded where it is sent.
const maxMoney = 9_999_999_999_999.99

// Hundredths returns an amount of n hundredths.
func Hundredths(n int64) Money { return Money{hundredths: n} }

// ParseMoney reads a decimal number with at most two decimals, of at most 13 digits before them.
func ParseMoney(text string) (Money, error) {
	const maxDigits = 32
	approximately, err := strconv.ParseFloat(text, 64)
	if err != nil || len(text) > maxDigits || strings.Trim(text, "0123456789.eE+-") != "" || approximately > maxMoney || approximately < -maxMoney {
		return Money{}, fmt.Errorf("must be a number up to %.2f", maxMoney)
	}
	// The exact arithmetic below would work out every decimal of 1e-999999. What a float cannot tell from 0 is 0 only by
	// its digits.
	if approximately < 1e-9 && approximately > -1e-9 {
		digits, _, _ := strings.Cut(strings.ToLower(text), "e")
		if strings.ContainsAny(digits, "123456789") {
			return Money{}, errTooFine
		}
		return Money{}, nil
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		return Money{}, errors.New("must be a decimal number")
	}
	exact.Mul(exact, big.NewRat(100, 1))
	if !exact.IsInt() {
		return Money{}, errTooFine
	}
	return Money{hundredths: exact.Num().Int64()}, nil
}

var errTooFine = errors.New("must have at most 2 decimals")

// String returns the amount with two decimals, 85.00.
func (m Money) String() string {
	sign, n := "", m.hundredths
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// Equal reports whether two amounts are the same.
func (m Money) Equal(other Money) bool { return m.hundredths == other.hundredths }

// IsZero reports whether the amount is nothing.
func (m Money) IsZero() bool { return m.hundredths == 0 }

// MarshalJSON implements json.Marshaler.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalJSON implements json.Unmarshaler. An amount that breaks a rule is kept as its Fault, for
// the body's checks, which know where it stands.
func (m *Money) UnmarshalJSON(text []byte) error {
	var number json.Number
	if err := json.Unmarshal(text, &number); err != nil {
		return errors.New("must be a number")
	}
	amount, err := ParseMoney(number.String())
	if err != nil {
		amount.fault = err.Error()
	}
	*m = amount
	return nil
}

// Fault says what was wrong with the JSON number that the amount was read from, or "".
func (m Money) Fault() string { return m.fault }

// Scan implements sql.Scanner for numeric.
func (m *Money) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("read money from %T", value)
	}
	amount, err := ParseMoney(text)
	*m = amount
	return err
}

// Value implements driver.Valuer for numeric.
func (m Money) Value() (driver.Value, error) { return m.String(), nil }

// Schema implements huma.SchemaProvider.
func (Money) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Description: "an amount with at most 2 decimals"}
}
