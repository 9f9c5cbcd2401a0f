package fracindex

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"taskql/internal/testkit"
)

func TestBetween(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, low, high, want string
		end                   bool // Without a high key.
	}{
		{name: "the first key", end: true, want: "a0"},
		{name: "after", low: "a0", end: true, want: "a1"},
		{name: "after a letter", low: "aZ", end: true, want: "aa"},
		{name: "after the last of one digit", low: "az", end: true, want: "b00"},
		{name: "after the migration's", low: "e0000f", end: true, want: "e0000g"},
		{name: "after a fraction", low: "a0V", end: true, want: "a1"},
		{name: "after the least negative", low: "Zz", end: true, want: "a0"},
		{name: "after the last of two negative digits", low: "Yzz", end: true, want: "Z0"},
		{name: "before", high: "a1", want: "a0"},
		{name: "before zero", high: "a0", want: "Zz"},
		{name: "before the last negative of one digit", high: "Z0", want: "Yzz"},
		{name: "before two digits", high: "b00", want: "az"},
		{name: "before a fraction", high: "a0V", want: "a0"},
		{name: "between neighbours", low: "a0", high: "a1", want: "a0V"},
		{name: "between with room", low: "a0", high: "a2", want: "a1"},
		{name: "below a fraction", low: "a0", high: "a0V", want: "a0F"},
		{name: "above a fraction", low: "a0V", high: "a1", want: "a0k"},
		{name: "between fractions", low: "a0V", high: "a0X", want: "a0W"},
		{name: "between touching fractions", low: "a0V", high: "a0W", want: "a0VV"},
		{name: "below the least fraction", low: "a0", high: "a01", want: "a00V"},
		{name: "above the greatest", low: "a0z", high: "a1", want: "a0zV"},
		{name: "a longer bound", low: "a0V", high: "a0W5", want: "a0W"},
		{name: "between an empty key and a key", low: "", high: "a0", want: "Zz"},
		{name: "equal", low: "a0", high: "a0"},
		{name: "the wrong way round", low: "a1", high: "a0"},
		{name: "nothing is before an empty key", low: "", high: ""},
		{name: "not a key", low: "?", end: true},
		{name: "a fraction that ends in 0", low: "a00", end: true},
		{name: "too short for its letter", low: "b0", end: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			high := []byte(tt.high)
			if tt.end {
				high = nil
			}
			got, ok := Between([]byte(tt.low), high)
			if ok != (tt.want != "") || ok && string(got) != tt.want {
				t.Errorf("got %q, %t; want %q", got, ok, tt.want)
			}
		})
	}
}

// checkBetween checks that key is valid and strictly between low and high.
func checkBetween(t *rapid.T, low, key, high []byte, ok bool) {
	t.Helper()
	if !ok || integerLength(key) == 0 || bytes.Compare(low, key) >= 0 || high != nil && bytes.Compare(key, high) >= 0 {
		t.Fatalf("between %q and %q: %q, %t", low, high, key, ok)
	}
}

// Any number of keys between any two neighbours are valid, in ascending order, and strictly between them.
func TestBetweenNAnywhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var keys [][]byte
		if rapid.Bool().Draw(t, "after the migration") {
			for n := range 20 {
				keys = append(keys, fmt.Appendf(nil, "e%05x", n*rapid.IntRange(1, 300).Draw(t, "step")+n+1))
			}
			slices.SortFunc(keys, bytes.Compare)
			keys = slices.CompactFunc(keys, bytes.Equal)
		}
		if rapid.Bool().Draw(t, "with an empty key") {
			keys = slices.Insert(keys, 0, []byte{})
		}
		for range rapid.IntRange(1, 60).Draw(t, "inserts") {
			least := 0
			if len(keys) > 0 && len(keys[0]) == 0 {
				least = 1
			}
			at := rapid.IntRange(least, len(keys)).Draw(t, "at")
			var low, high []byte
			if at > 0 {
				low = keys[at-1]
			}
			if at < len(keys) {
				high = keys[at]
			}
			n := rapid.IntRange(1, 5).Draw(t, "n")
			made, ok := BetweenN(low, high, n)
			if len(made) != n {
				t.Fatalf("got %d keys, want %d", len(made), n)
			}
			for i, key := range made {
				checkBetween(t, low, key, high, ok)
				if i > 0 && bytes.Compare(made[i-1], key) >= 0 {
					t.Fatalf("not in order: %q", made)
				}
			}
			keys = slices.Insert(keys, at, made...)
		}
	})
}

// Keys stay short after any number of appends or prepends, and grow by a digit in about six inserts at the same place.
func TestKeysStayShort(t *testing.T) {
	t.Parallel()
	low, high := []byte(First), []byte(First)
	for range 300_000 {
		next, ok := Between(low, nil)
		if !ok || bytes.Compare(low, next) >= 0 {
			t.Fatalf("after %q: %q", low, next)
		}
		before, ok := Between(nil, high)
		if !ok || bytes.Compare(before, high) >= 0 {
			t.Fatalf("before %q: %q", high, before)
		}
		low, high = next, before
	}
	if len(low) > 5 || len(high) > 5 {
		t.Errorf("after 300,000: %q and %q", low, high)
	}
	keys, ok := BetweenN([]byte("a0"), []byte("a1"), 10_000)
	longest := 0
	for _, key := range keys {
		longest = max(longest, len(key))
	}
	if !ok || longest > 6 {
		t.Errorf("10,000 between two have up to %d bytes", longest)
	}
	key := []byte("a1")
	for n := range 600 {
		if key, ok = Between([]byte("a0"), key); !ok || len(key) > 4+n/5 {
			t.Fatalf("after %d in one place: %q", n, key)
		}
	}
}

func FuzzBetween(f *testing.F) {
	f.Add([]byte("a0"), []byte("a1"))
	f.Add([]byte{}, []byte("e00001"))
	f.Fuzz(func(t *testing.T, low, high []byte) {
		key, ok := Between(low, high)
		if ok && (bytes.Compare(low, key) >= 0 || high != nil && bytes.Compare(key, high) >= 0 || integerLength(key) == 0) {
			t.Errorf("between %q and %q: %q", low, high, key)
		}
	})
}

// What a later change puts at the end comes after the keys of all earlier changes, also of those of the previous release,
// which appends to the last key.
func TestEndN(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.IntRange(1, 1<<43).Draw(t, "version")
		last := []byte("jzzzzzzzzzz") // More appends than there are tasks.
		for range 6 {
			var keys [][]byte
			if rapid.Bool().Draw(t, "older release") {
				key, ok := Between(last, nil)
				if !ok {
					t.Fatalf("there is no key after %s", last)
				}
				keys = append(keys, key)
			} else {
				var given []byte
				for range 2 {
					more, ok := EndN(version, given, rapid.IntRange(0, 40).Draw(t, "n"))
					if !ok {
						t.Fatalf("no keys of version %d after %s", version, given)
					}
					if keys = append(keys, more...); len(more) > 0 {
						given = more[len(more)-1]
					}
				}
			}
			for _, key := range keys {
				if bytes.Compare(last, key) >= 0 || integerLength(key) == 0 || bytes.Compare(key, End(version+1)) >= 0 {
					t.Fatalf("version %d: End is %s, which is not after %s", version, key, last)
				}
				last = key
			}
			version += rapid.IntRange(1, 1000).Draw(t, "more versions")
		}
	})
}

func TestEndSQL(t *testing.T) {
	t.Parallel()
	if want := "k" + fmt.Sprintf("%011x", 0xabc); string(End(0xabc)) != want {
		t.Errorf("got %s, want %s", End(0xabc), want)
	}
	db := testkit.OpenDatabase(t, testkit.PostgresURL(t))
	for _, version := range []int{1, 9, 10, 15, 16, 255, 1 << 20, 1<<44 - 1} {
		var key []byte
		if err := db.SQL.QueryRowContext(t.Context(), "SELECT "+fmt.Sprintf(EndSQL, "$1::bigint"), version).Scan(&key); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(key, End(version)) {
			t.Errorf("version %d: PostgreSQL returns %s, want %s", version, key, End(version))
		}
	}
}
