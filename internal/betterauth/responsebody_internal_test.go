package betterauth

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestDecodeResponseMemory checks that decoding a response takes no more memory than the members that are kept, however
// long others are.
func TestDecodeResponseMemory(t *testing.T) { //nolint:paralleltest // It measures the memory of the process.
	const size = 9 << 20
	long := func() io.Reader { return io.LimitReader(endlessReader{}, size) }
	text := func(s string) io.Reader { return strings.NewReader(s) }
	const session = `"session":{"id":"s","token":"t","userId":"u"}`
	for name, body := range map[string]func() io.Reader{
		"a picture": func() io.Reader {
			return io.MultiReader(text(`{`+session+`,"user":{"image":"`), long(), text(`","id":"u","email":"e"}}`))
		},
		"a name": func() io.Reader {
			return io.MultiReader(text(`{"user":{"name":"`), long(), text(`","id":"u","email":"e"},`+session+`}`))
		},
		"a member of no use": func() io.Reader {
			return io.MultiReader(text(`{"x":["`), long(), text(`"],`+session+`,"user":{"id":"u"}}`))
		},
		"many members": func() io.Reader {
			return text(`{"x":{` + strings.Repeat(`"a":[1,{"b":null}],`, size/20) + `"a":1},` + session + `,"user":{"id":"u"}}`)
		},
	} {
		r := body()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		body, err := decodeResponse(r)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := body.sessionResponse()
		if err != nil || resp.session.UserID != "u" || resp.session.User.Image != nil || len(resp.session.User.Name) > maxName {
			t.Errorf("%s: %v, %v", name, resp.session, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: %d bytes", name, took)
		}
	}
}

// endlessReader reads an endless text.
type endlessReader struct{}

func (endlessReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestLenientTime(t *testing.T) {
	t.Parallel()
	const second = "2026-11-23T12:00:00Z"
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	none := time.Time{}
	for raw, want := range map[string]time.Time{
		`"` + second + `"`:                                                     at,
		`"2026-11-23T12:00:00.250Z"`:                                           at.Add(250 * time.Millisecond),
		`"2026-11-23T13:00:00+01:00"`:                                          at,
		fmt.Sprint(at.Unix()):                                                  at,
		fmt.Sprint(at.UnixMilli() + 250):                                       at.Add(250 * time.Millisecond),
		fmt.Sprint(at.Unix()) + ".25":                                          at.Add(250 * time.Millisecond),
		`"` + fmt.Sprint(at.UnixMilli()) + `"`:                                 at,
		`"Mon, 23 Nov 2026 12:00:00 GMT"`:                                      at,
		`"Mon Nov 23 2026 13:00:00 GMT+0100 (Central European Standard Time)"`: at,
		`"2026-11-23 12:00:00"`:                                                none, // It has no time zone.
		`"tomorrow"`:                                                           none, `""`: none, `null`: none, `true`: none, `{}`: none, `7`: none, `-1`: none, `1e300`: none, `"NaN"`: none, ``: none,
	} {
		if got := lenientTime(fields{"at": []byte(raw)}, "at"); !got.Equal(want) {
			t.Errorf("%s is %v, want %v", raw, got, want)
		}
	}
}

func TestLenientBool(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]boolValue{
		`true`: boolTrue, `1`: boolTrue, `"true"`: boolTrue, `"1"`: boolTrue, `"TRUE"`: boolTrue,
		`false`: boolFalse, `0`: boolFalse, `"false"`: boolFalse, `"0"`: boolFalse,
		`null`: boolMissing, ``: boolMissing, `""`: boolMissing,
		`2`: boolInvalid, `"yes"`: boolInvalid, `{}`: boolInvalid,
	} {
		if got := lenientBool(fields{"x": []byte(raw)}, "x"); got != want {
			t.Errorf("%s is %v, want %v", raw, got, want)
		}
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"abc": "abc", "abcd": "abcd", "abcde": "abcd", "abcé": "abc", "äöü": "äö", "🙂🙂": "🙂"} {
		if got := truncate(in, 4); got != want {
			t.Errorf("%q is truncated to %q, want %q", in, got, want)
		}
	}
}
