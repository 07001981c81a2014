package database

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// appender appends a value in PostgreSQL's binary format as JSON. The formats are those of the server's send functions
// (src/backend/utils/adt): all numbers are big-endian.
type appender func(dst, value []byte) ([]byte, error)

var errShort = errors.New("a value is shorter than its type")

var appenders = map[uint32]appender{
	pgtype.UUIDOID:        appendUUID,
	pgtype.TextOID:        appendText,
	pgtype.VarcharOID:     appendText,
	pgtype.BoolOID:        appendBool,
	pgtype.Int2OID:        appendInteger,
	pgtype.Int4OID:        appendInteger,
	pgtype.Int8OID:        appendInteger,
	pgtype.Float8OID:      appendFloat,
	pgtype.NumericOID:     appendNumeric,
	pgtype.TimestamptzOID: appendTime,
	pgtype.JSONOID:        appendJSON,
	pgtype.TextArrayOID:   appendArray(appendText),
	pgtype.UUIDArrayOID:   appendArray(appendUUID),
}

func appenderOf(column pgconn.FieldDescription) (appender, error) {
	write, ok := appenders[column.DataTypeOID]
	sameInBoth := slices.Contains([]uint32{pgtype.TextOID, pgtype.VarcharOID, pgtype.JSONOID}, column.DataTypeOID)
	if !ok || column.Format != pgtype.BinaryFormatCode && !sameInBoth {
		return nil, fmt.Errorf("column %s: type %d in format %d cannot be written as JSON", column.Name, column.DataTypeOID, column.Format)
	}
	return write, nil
}

func appendUUID(dst, value []byte) ([]byte, error) {
	if len(value) != 16 {
		return nil, errShort
	}
	dst = append(dst, '"')
	begin := 0
	for _, end := range []int{4, 6, 8, 10, 16} {
		if begin > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, value[begin:end])
		begin = end
	}
	return append(dst, '"'), nil
}

func appendText(dst, value []byte) ([]byte, error) { return jsontext.AppendQuote(dst, value) }

// appendJSON writes a document as it stands, without the server's blanks.
func appendJSON(dst, value []byte) ([]byte, error) {
	document := jsontext.Value(slices.Clone(value))
	if err := document.Compact(); err != nil {
		return nil, fmt.Errorf("read a JSON column: %w", err)
	}
	return append(dst, document...), nil
}

func appendBool(dst, value []byte) ([]byte, error) {
	if len(value) != 1 {
		return nil, errShort
	}
	return strconv.AppendBool(dst, value[0] != 0), nil
}

// integer reads an int2, int4 or int8.
func integer(value []byte) (int64, error) {
	switch len(value) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(value))), nil //nolint:gosec // the sign is in its bits
	case 4:
		return int64(int32(binary.BigEndian.Uint32(value))), nil //nolint:gosec // likewise
	case 8:
		return int64(binary.BigEndian.Uint64(value)), nil //nolint:gosec // likewise
	}
	return 0, errShort
}

func appendInteger(dst, value []byte) ([]byte, error) {
	n, err := integer(value)
	return strconv.AppendInt(dst, n, 10), err
}

// appendFloat writes numbers as ECMAScript does, as encoding/json does too.
func appendFloat(dst, value []byte) ([]byte, error) {
	if len(value) != 8 {
		return nil, errShort
	}
	f := math.Float64frombits(binary.BigEndian.Uint64(value))
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errors.New("a float is not a number")
	}
	return jsontext.AppendFloat(dst, f, 64), nil
}

// appendNumeric writes every digit: a float would lose some. Zero has no sign.
func appendNumeric(dst, value []byte) ([]byte, error) {
	const headerBytes, negative, notFinite = 8, 0x4000, 0xC000
	if len(value) < headerBytes {
		return nil, errShort
	}
	word := func(i int) int { return int(binary.BigEndian.Uint16(value[2*i:])) }
	digits, weight, sign, scale := word(0), int(int16(word(1))), word(2), word(3) //nolint:gosec // the weight has a sign
	if sign >= notFinite {
		return nil, errors.New("a numeric is not a number")
	}
	if len(value) != headerBytes+2*digits {
		return nil, errShort
	}
	// The nth group of four decimal digits, counted from the one before the point.
	group := func(n int) int {
		if i := weight - n; i >= 0 && i < digits {
			return word(4 + i)
		}
		return 0
	}
	if sign == negative {
		dst = append(dst, '-')
	}
	dst = strconv.AppendInt(dst, int64(group(max(weight, 0))), 10)
	for n := weight - 1; n >= 0; n-- {
		dst = appendGroup(dst, group(n), 4)
	}
	if scale == 0 {
		return dst, nil
	}
	dst = append(dst, '.')
	for n := -1; scale > 0; n, scale = n-1, scale-4 {
		dst = appendGroup(dst, group(n), min(scale, 4))
	}
	return dst, nil
}

// appendGroup appends the first so many of four digits.
func appendGroup(dst []byte, group, count int) []byte {
	for unit := 1000; count > 0; unit, count = unit/10, count-1 {
		dst = append(dst, byte('0'+group/unit%10))
	}
	return dst
}

// The server counts microseconds from the year 2000.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func appendTime(dst, value []byte) ([]byte, error) {
	microseconds, err := integer(value)
	if err != nil {
		return nil, err
	}
	at := time.UnixMicro(epoch.UnixMicro() + microseconds).UTC()
	if at.Year() < 0 || at.Year() > 9999 { // infinity too
		return nil, errors.New("a time is beyond RFC 3339")
	}
	return append(at.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"'), nil
}

// appendArray writes arrays of one dimension.
func appendArray(element appender) appender {
	return func(dst, value []byte) ([]byte, error) {
		const headerBytes, dimensionBytes = 12, 8
		if len(value) < headerBytes {
			return nil, errShort
		}
		dst = append(dst, '[')
		if dimensions := binary.BigEndian.Uint32(value); dimensions == 0 {
			return append(dst, ']'), nil
		} else if dimensions > 1 || len(value) < headerBytes+dimensionBytes {
			return nil, errors.New("an array has not just one dimension")
		}
		rest := value[headerBytes+dimensionBytes:]
		for i := range binary.BigEndian.Uint32(value[headerBytes:]) {
			if i > 0 {
				dst = append(dst, ',')
			}
			if len(rest) < 4 {
				return nil, errShort
			}
			length := int32(binary.BigEndian.Uint32(rest)) //nolint:gosec // −1 is null
			rest = rest[4:]
			if length < 0 {
				dst = append(dst, "null"...)
				continue
			}
			if int(length) > len(rest) {
				return nil, errShort
			}
			var err error
			if dst, err = element(dst, rest[:length]); err != nil {
				return nil, err
			}
			rest = rest[length:]
		}
		return append(dst, ']'), nil
	}
}
