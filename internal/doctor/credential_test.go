package doctor

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadCredential(t *testing.T) {
	t.Parallel()
	const name = "__Secure-better-auth.session_token"
	value := strings.Repeat("a", 32) + "." + strings.Repeat("b", 43) + "="
	cookie := func(text string) http.Header { return http.Header{"Cookie": {text}} }
	bearer := func(text string) http.Header { return http.Header{"Authorization": {text}} }
	for _, tt := range []struct {
		name, text string
		want       http.Header
		noted      bool
	}{
		{"a header", "Cookie: a=1; better-auth.session_token=" + value, cookie("a=1; better-auth.session_token=" + value), false},
		{"a header without its name", "a=1; b=2", cookie("a=1; b=2"), false},
		{"a Set-Cookie line", "set-cookie: a=" + value + "; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax", cookie("a=" + value), false},
		{"a Set-Cookie line without its name", "a=" + value + "; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly; Secure", cookie("a=" + value), false},
		{"several lines", "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\n", cookie("a=1; b=2"), false},
		{"what curl -v prints", "< Set-Cookie: a=1; Path=/\n> Cookie: b=2", cookie("a=1; b=2"), false},
		{"curl's option", "-H 'cookie: a=1; b=2'", cookie("a=1; b=2"), false},
		{"a value", value, cookie(name + "=" + value), true},
		{"an encoded value", strings.Replace(value, "=", "%3D", 1), cookie(name + "=" + strings.Replace(value, "=", "%3D", 1)), true},
		{"a quoted value", `"` + value + `"`, cookie(name + "=" + value), true},
		{"a JWT", "eyJhbGciOiJFZERTQSJ9.e30.c2ln", bearer("Bearer eyJhbGciOiJFZERTQSJ9.e30.c2ln"), true},
		{"a bearer token", "bearer abc", bearer("bearer abc"), false},
		{"an Authorization header", "Authorization: Bearer abc", bearer("Bearer abc"), false},
		{"nothing", " \n", http.Header{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, note := readCredential(tt.text, name)
			if diff := cmp.Diff(tt.want, got); diff != "" || (note != "") != tt.noted || strings.Contains(note, value) {
				t.Errorf("%s (-want +got):\n%s", note, diff)
			}
		})
	}
}
