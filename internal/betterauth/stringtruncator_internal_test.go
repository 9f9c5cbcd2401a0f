package betterauth

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestStringTruncator(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, want string }{
		{"short strings", `{"abc":"abc","n":-1.5e3,"l":[true,null,"ab\n"]}`, `{"abc":"abc","n":-1.5e3,"l":[true,null,"ab\n"]}`},
		{"as long as may be", `["abcd"]`, `["abcd"]`},
		{"longer", `["abcdefgh",1,"xyz"]`, `["abcd",1,"xyz"]`},
		{"a long name", `{"abcdefgh":1}`, `{"abcd":1}`},
		{"an escaped quote behind the limit", `["abcdef\"gh","x"]`, `["abcd","x"]`},
		{"a backslash at the end", `["abcdef\\","x\\"]`, `["abcd","x\\"]`},
		{"an escape as the last character", `["abc\u00e9xyz"]`, `["abc\u00e9"]`},
		{"an escape as the first that is left out", `["abcd\u00e9xyz"]`, `["abcd"]`},
		{"only escapes", `["\u0001\u0002\u0003\u0004\u0005\u0006"]`, `["\u0001\u0002\u0003\u0004"]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for chunk, from := range map[string]io.Reader{
				"at once": strings.NewReader(test.in), "byte by byte": iotest.OneByteReader(strings.NewReader(test.in)),
			} {
				got, err := io.ReadAll(&stringTruncator{from: from, limit: 3})
				if err != nil || string(got) != test.want {
					t.Errorf("%s: %s, %v, want %s", chunk, got, err, test.want)
				}
			}
		})
	}
}

// TestStringTruncatorKeepsJSON checks, for any text and any size of reads, that the result is JSON, that a string
// within the limit doesn't change, and that a longer one remains longer than the limit.
func TestStringTruncatorKeepsJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const limit = 5
		texts := rapid.SliceOf(rapid.String()).Draw(t, "texts")
		in, err := json.Marshal(texts)
		if err != nil {
			t.Fatal(err)
		}
		size := rapid.IntRange(1, 9).Draw(t, "size")
		out, err := io.ReadAll(&stringTruncator{from: &pieces{bytes.NewReader(in), size}, limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		var got, all []string
		if json.Unmarshal(out, &got) != nil || json.Unmarshal(in, &all) != nil || len(got) != len(all) {
			t.Fatalf("%s became %s", in, out)
		}
		for i := range all {
			if got[i] != all[i] && len(got[i]) <= limit {
				t.Errorf("%q became %q", all[i], got[i])
			}
			if len(all[i]) <= limit && got[i] != all[i] {
				t.Errorf("%q was truncated to %q", all[i], got[i])
			}
		}
	})
}

// pieces is a reader that returns at most size bytes at a time.
type pieces struct {
	from io.Reader
	size int
}

func (p *pieces) Read(b []byte) (int, error) { return p.from.Read(b[:min(len(b), p.size)]) }
