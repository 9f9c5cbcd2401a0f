package scalar_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/graph/scalar"
)

func written(m graphql.Marshaler) string {
	var b strings.Builder
	m.MarshalGQL(&b)
	return b.String()
}

// check expects want, or an error that may be shown where refused.
func check[T comparable](t *testing.T, got T, err error, want T, refused bool) {
	t.Helper()
	var shown *scalar.Error
	switch {
	case refused && !errors.As(err, &shown):
		t.Errorf("got %v, %v; want a *scalar.Error", got, err)
	case !refused && (err != nil || got != want):
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestInt(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in      any
		want    int
		refused bool
	}{
		"a literal":          {in: int64(7), want: 7},
		"JSON":               {in: json.Number("-7"), want: -7},
		"JSON 1.0":           {in: json.Number("1.0"), want: 1},
		"JSON 1e2":           {in: json.Number("1e2"), want: 100},
		"the largest":        {in: json.Number("2147483647"), want: 2147483647},
		"one too large":      {in: json.Number("2147483648"), refused: true},
		"the smallest":       {in: json.Number("-2147483648"), want: -2147483648},
		"one too small":      {in: json.Number("-2147483649"), refused: true},
		"a fraction":         {in: json.Number("1.5"), refused: true},
		"huge":               {in: json.Number("1e400"), refused: true},
		"a string":           {in: "7", refused: true},
		"a boolean":          {in: true, refused: true},
		"nothing":            {in: nil, refused: true},
		"a list of a number": {in: []any{int64(7)}, refused: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := scalar.UnmarshalInt(tt.in)
			check(t, got, err, tt.want, tt.refused)
		})
	}
}

func TestStringsAndBooleansAreNothingElse(t *testing.T) {
	t.Parallel()
	for _, in := range []any{json.Number("1"), int64(1), 1.5, nil, []any{"a"}, map[string]any{}} {
		if _, err := scalar.UnmarshalString(in); err == nil {
			t.Errorf("String took %#v", in)
		}
		if _, err := scalar.UnmarshalBoolean(in); err == nil {
			t.Errorf("Boolean took %#v", in)
		}
	}
	if _, err := scalar.UnmarshalString(true); err == nil {
		t.Error("String took true")
	}
	if _, err := scalar.UnmarshalBoolean("true"); err == nil {
		t.Error(`Boolean took "true"`)
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in      any
		want    string
		refused bool
	}{
		"a string":        {in: "abc", want: "abc"},
		"a whole number":  {in: int64(42), want: "42"},
		"a JSON number":   {in: json.Number("42"), want: "42"},
		"a fraction":      {in: json.Number("4.2"), refused: true},
		"a float literal": {in: 4.2, refused: true},
		"a boolean":       {in: true, refused: true},
		"nothing":         {in: nil, refused: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := scalar.UnmarshalID(tt.in)
			check(t, got, err, tt.want, tt.refused)
		})
	}
}

func TestUUID(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d")
	if got, want := written(scalar.MarshalUUID(id)), `"0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for in, refused := range map[string]bool{
		"0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d":          false,
		"0197B3A8-7C7E-7B3A-9D6E-2F0C8A1B4C5D":          false,
		"{0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d}":        true,
		"urn:uuid:0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d": true,
		"0197b3a87c7e7b3a9d6e2f0c8a1b4c5d":              true,
		"":                                              true,
	} {
		got, err := scalar.UnmarshalUUID(in)
		check(t, got, err, id, refused)
	}
}

func TestDateTime(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in, want string
		refused  bool
	}{
		"UTC":                  {in: "2026-11-23T07:00:00Z", want: "2026-11-23T07:00:00Z"},
		"an offset":            {in: "2026-11-23T12:00:00+05:00", want: "2026-11-23T07:00:00Z"},
		"another day":          {in: "2026-11-23T23:30:00-11:00", want: "2026-11-24T10:30:00Z"},
		"microseconds":         {in: "2026-11-23T07:00:00.123456Z", want: "2026-11-23T07:00:00.123456Z"},
		"no useless zeros":     {in: "2026-11-23T07:00:00.120000Z", want: "2026-11-23T07:00:00.12Z"},
		"nanoseconds are cut":  {in: "2026-11-23T07:00:00.1234569Z", want: "2026-11-23T07:00:00.123456Z"},
		"a leap day":           {in: "2028-02-29T00:00:00Z", want: "2028-02-29T00:00:00Z"},
		"no leap day":          {in: "2026-02-29T00:00:00Z", refused: true},
		"no offset":            {in: "2026-11-23T07:00:00", refused: true},
		"no seconds":           {in: "2026-11-23T07:00Z", refused: true},
		"a day":                {in: "2026-11-23", refused: true},
		"a space":              {in: "2026-11-23 07:00:00Z", refused: true},
		"before the year 1":    {in: "0000-12-31T00:00:00Z", refused: true},
		"after the year 9999":  {in: "9999-12-31T23:59:59-01:00", refused: true},
		"empty":                {in: "", refused: true},
		"seconds since a date": {in: "1795417182", refused: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := scalar.UnmarshalDateTime(tt.in)
			check(t, written(scalar.MarshalDateTime(got)), err, `"`+tt.want+`"`, tt.refused)
		})
	}
	if _, err := scalar.UnmarshalDateTime(json.Number("1795417182")); err == nil {
		t.Error("DateTime took a number")
	}
}

// Whatever is written can be read again and is the same moment.
func TestDateTimeRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", rapid.IntRange(-14*3600, 14*3600).Draw(t, "offset"))
		want := time.UnixMicro(rapid.Int64Range(-62135596800000000, 253402300799999999).Draw(t, "µs")).In(zone)
		got, err := scalar.UnmarshalDateTime(strings.Trim(written(scalar.MarshalDateTime(want)), `"`))
		if err != nil || !got.Equal(want) {
			t.Fatalf("got %v, %v; want %v", got, err, want)
		}
	})
}

func TestTimeZone(t *testing.T) {
	t.Parallel()
	for in, refused := range map[string]bool{
		"Asia/Karachi": false, "UTC": false, "America/Argentina/Buenos_Aires": false, "Pacific/Kiritimati": false,
		"": true, "Local": true, "Asia/Nowhere": true, "../etc/passwd": true, "+05:00": true,
	} {
		got, err := scalar.UnmarshalTimeZone(in)
		check(t, got, err, in, refused)
	}
}
