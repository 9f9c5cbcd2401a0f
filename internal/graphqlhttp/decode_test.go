package graphqlhttp

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDecode checks that no body makes the decoder panic, that errors don't repeat it, and that what is accepted is what
// encoding/json decodes.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"query":"{hello}"}`, `{"query":"{a}","variables":{"n":1e400},"extensions":{}}`, `[{}]`, `{"query":null}`, `{}{}`, "\xff", `{"variables":null,"x":{"y":"\udead"}}`, `{"query":"{a}","variables":{"a":"\ud83d\ude00\\ud83d"}}`, `{"query":"\ud800"}`, `{"query":"a","query":"b"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, op := &decoder{maxValues: len(body)}, &operation{}
		d.body.Write(body)
		if err := d.request(op); err != nil {
			if err.status != http.StatusBadRequest || err.code != CodeBadRequest || err.message == "" || len(err.message) > 120 {
				t.Fatalf("%+v", err)
			}
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) || !utf8.ValidString(op.query) {
			t.Fatalf("accepted %q", body)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("accepted %q: %v", body, err)
		}
		if raw, ok := members["variables"]; ok { // What the standard library makes of them.
			var want map[string]any
			standard := json.NewDecoder(bytes.NewReader(raw))
			standard.UseNumber()
			if err := standard.Decode(&want); err != nil || !reflect.DeepEqual(want, op.variables) {
				t.Fatalf("%q: variables %v, want %v, %v", body, op.variables, want, err)
			}
		}
	})
}

// Values over the limit are counted but not kept: forty thousand small objects would take 14 MB.
func TestManyValues(t *testing.T) { //nolint:paralleltest // It measures the whole process's memory.
	many := strings.Repeat(`{"a":1},`, 40_000)
	h := newHandler(t)
	for body, want := range map[string]string{
		`{"query":"{hello}","variables":{"v":[` + many + `1]}}`:  "The variables hold 80,002 values, at most 10,000 are allowed.",
		`{"query":"{hello}","extensions":{"v":[` + many + `1]}}`: "extensions holds more than 10000 values.",
	} {
		if p, _ := parseResponse(t, send(t, h, request{body: body}).Body.Bytes()); len(p.Errors) != 1 || p.Errors[0].Message != want {
			t.Errorf("%+v, want %s", p.Errors, want)
		}
	}
	before := heap()
	op := &operation{}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"query":"{hello}","variables":{"v":[`+many+`1]}}`))
	r.Header.Set("Content-Type", "application/json")
	if err := h.decodePOST(nil, r, op); err != nil {
		t.Error(err)
	}
	if kept := heap() - before; kept > 6<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
	runtime.KeepAlive(op)
}

// Half a surrogate pair is valid in JSON but not in a string. The message names the value.
func TestHalfPairsInJSON(t *testing.T) {
	t.Parallel()
	const reason = ` has half a surrogate pair, \ud83d, which stands for no character: send both halves, or none.`
	for body, want := range map[string]string{
		`{"query":"{ text }","variables":{"a":"trip \ud83d"}}`:                           "$a" + reason,
		`{"query":"{ text }","variables":{"a":"trip \ud83d\u0041"}}`:                     "$a" + reason,
		`{"variables":{"input":{"ids":["x","\ud83d trip"]}},"query":"{text}"}`:           "$input.ids[1]" + reason,
		`{"query":"{ text }","variables":{"in":{"\ud83d":1}}}`:                           "$in" + reason,
		`{"query":"{ text }","variables":{"\ud83d":1}}`:                                  "variables" + reason,
		`{"query":"{ text(a: \"\ud83d\") }"}`:                                            "query" + reason,
		`{"query":"{ text }","operationName":"\ud83d"}`:                                  "operationName" + reason,
		`{"query":"{ text }","other":["\ud83d"]}`:                                        "other[0]" + reason,
		`{"query":"{ text }","\ud83d":1}`:                                                "The request body" + reason,
		`{"query":"{ text }","variables":{"a":"\q"}}`:                                    "The request body is not valid JSON in UTF-8.",
		"{\"query\":\"{ text }\",\"variables\":{\"a\":\"\xed\xa0\xbd\"}}":                "The request body is not valid JSON in UTF-8.",
		`{"query":"{ text }","variables":{"` + strings.Repeat("n", 300) + `":"\ud83d"}}`: "$" + strings.Repeat("n", 199) + reason,
	} {
		p, _ := parseResponse(t, send(t, echo(t), request{body: body}).Body.Bytes())
		if len(p.Errors) != 1 || p.Errors[0].Message != want || p.Errors[0].Extensions["code"] != CodeBadRequest {
			t.Errorf("%s: %+v, want %s", body, p.Errors, want)
		}
	}
	for _, fine := range []string{`\ud83d\ude00`, `\ufffd`, "\ufffd", `\\ud83d`} {
		p, hasData := parseResponse(t, send(t, echo(t), request{body: `{"query":"query($a: String) { text(a: $a) }","variables":{"a":"` + fine + `"}}`}).Body.Bytes())
		if len(p.Errors) > 0 || !hasData {
			t.Errorf("%s: %+v", fine, p.Errors)
		}
	}
	w := conditionalGet(echo(t), "", nil, "query", "{ text }", "variables", `{"a":["\ud83d"]}`)
	if p, _ := parseResponse(t, w.Body.Bytes()); len(p.Errors) != 1 || p.Errors[0].Message != "$a[0]"+reason {
		t.Errorf("in a URL: %s", w.Body)
	}
}
