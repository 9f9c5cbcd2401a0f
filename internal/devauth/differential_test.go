package devauth_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskql/internal/devauth"
	"taskql/internal/testkit"
)

// A step is a request that is sent to both servers. In a header's value, SELF is replaced by the server's own origin
// and SESSION by the cookies of the step "sign in".
type step struct {
	name, method, path, body string
	header                   []string
}

func steps() []step {
	const (
		up, in, out = "/sign-up/email", "/sign-in/email", "/sign-out"
		good        = `{"email":"ada@example.com","password":"correct horse"}`
		evil        = "https://evil.example"
	)
	withField := func(body, field string) string { return strings.Replace(body, "{", "{"+field+",", 1) }
	newUser := func(email, password string) string {
		return fmt.Sprintf(`{"name":"Ada","email":%q,"password":%q}`, email, password)
	}
	list := []step{
		{"ok", "GET", "/ok", "", nil},
		{"sign up", "POST", up, newUser("Ada@Example.com", "correct horse"), nil},
		{"duplicate address", "POST", up, newUser("ada@example.com", "correct horse"), nil},
		{"duplicate address, other case", "POST", up, newUser("ADA@example.com", "correct horse"), nil},
		{"duplicate address, short password", "POST", up, newUser("ada@example.com", "short"), nil},
		{"password of 7", "POST", up, newUser("b@example.com", "1234567"), nil},
		{"password of 8 code units", "POST", up, newUser("b8@example.com", "😀😀😀😀"), nil},
		{"password of 128", "POST", up, newUser("b128@example.com", strings.Repeat("x", 128)), nil},
		{"password of 129", "POST", up, newUser("b@example.com", strings.Repeat("x", 129)), nil},
		{"empty password", "POST", up, newUser("b@example.com", ""), nil},
		{"everything wrong", "POST", up, `{"name":1,"email":"bad","password":"","image":5,"rememberMe":"x","callbackURL":null}`, nil},
		{"image null", "POST", up, withField(newUser("b@example.com", "correct horse"), `"image":null`), nil},
		{"image, unknown field, not remembered", "POST", up, withField(newUser("img@example.com", "correct horse"), `"image":"https://example.com/a.png","role":"admin","rememberMe":false`), nil},
		{"empty name and image", "POST", up, `{"name":"","image":"","email":"none@example.com","password":"correct horse"}`, nil},
		{"zero byte in the name", "POST", up, `{"name":"a\u0000","email":"zero@example.com","password":"correct horse"}`, nil},
		{"callback elsewhere", "POST", up, withField(newUser("cb@example.com", "correct horse"), `"callbackURL":"`+evil+`"`), nil},

		{"sign in", "POST", in, good, nil},
		{"other case", "POST", in, strings.Replace(good, "ada@", "ADA@", 1), nil},
		{"not remembered", "POST", in, withField(good, `"rememberMe":false`), nil},
		{"remembered", "POST", in, withField(good, `"rememberMe":true`), nil},
		{"rememberMe null", "POST", in, withField(good, `"rememberMe":null`), nil},
		{"callback path", "POST", in, withField(good, `"callbackURL":"/tasks?a=b#c"`), nil},
		{"callback empty", "POST", in, withField(good, `"callbackURL":""`), nil},
		{"callback trusted", "POST", in, withField(good, `"callbackURL":"http://localhost:3000/tasks"`), nil},
		{"callback a number", "POST", in, withField(good, `"callbackURL":5`), nil},
		{"callback zero", "POST", in, withField(good, `"callbackURL":0`), nil},
		{"callback in the query", "POST", in + "?callbackURL=" + evil, good, nil},
		{"redirectTo elsewhere", "POST", in, withField(good, `"redirectTo":"`+evil+`"`), nil},
		{"errorCallbackURL elsewhere", "POST", in, withField(good, `"errorCallbackURL":"`+evil+`"`), nil},
		{"newUserCallbackURL elsewhere", "POST", in, withField(good, `"newUserCallbackURL":"`+evil+`"`), nil},
		{"wrong password", "POST", in, strings.Replace(good, "correct", "wrong", 1), nil},
		{"unknown user", "POST", in, strings.Replace(good, "ada@", "eve@", 1), nil},
		{"empty password", "POST", in, `{"email":"ada@example.com","password":""}`, nil},
		{"long password", "POST", in, `{"email":"ada@example.com","password":"` + strings.Repeat("x", 129) + `"}`, nil},
		{"bad address", "POST", in, `{"email":"bad","password":"correct horse"}`, nil},
		{"no password", "POST", in, `{"email":"ada@example.com"}`, nil},

		{"origin: own", "POST", in, good, []string{"Origin", "SELF"}},
		{"origin: trusted", "POST", in, good, []string{"Origin", "http://localhost:3000"}},
		{"origin: foreign", "POST", in, good, []string{"Origin", evil}},
		{"origin: foreign with a bad body", "POST", in, `{}`, []string{"Origin", evil}},
		{"origin: foreign with a cookie and a bad body", "POST", in, `{}`, []string{"Origin", evil, "Cookie", "a=b"}},
		{"origin: foreign with broken JSON", "POST", in, `{`, []string{"Origin", evil, "Cookie", "a=b"}},
		{"origin: other port", "POST", in, good, []string{"Origin", "http://127.0.0.1:1"}},
		{"origin: other scheme", "POST", in, good, []string{"Origin", "ftp://localhost:3000"}},
		{"origin: nonsense", "POST", in, good, []string{"Origin", "nonsense"}},
		{"origin: missing with a cookie", "POST", in, good, []string{"Cookie", "a=b"}},
		{"origin: null", "POST", in, good, []string{"Origin", "null"}},
		{"origin: null with a cookie", "POST", in, good, []string{"Origin", "null", "Cookie", "a=b"}},
		{"origin: null of the same origin", "POST", in, good, []string{"Origin", "null", "Sec-Fetch-Site", "same-origin"}},
		{"origin: none, but a browser", "POST", in, good, []string{"Sec-Fetch-Site", "same-origin"}},
		{"referer: own", "POST", in, good, []string{"Referer", "SELF/page"}},
		{"referer: foreign", "POST", in, good, []string{"Referer", evil + "/page"}},
		{"form of another site", "POST", in, good, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Origin", "http://localhost:3000"}},
		{"form of another site with a cookie", "POST", in, good, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Origin", "http://localhost:3000", "Cookie", "a=b"}},
		{"fetch of another site", "POST", in, good, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Origin", "http://localhost:3000"}},

		{"session", "GET", "/get-session", "", []string{"Cookie", "SESSION"}},
		{"session, foreign origin", "GET", "/get-session", "", []string{"Cookie", "SESSION", "Origin", evil}},
		{"session, as a server asks", "GET", "/get-session?disableCookieCache=true&disableRefresh=true", "", []string{"Cookie", "SESSION"}},
		{"session, posted", "POST", "/get-session", "", []string{"Cookie", "SESSION", "Origin", "SELF"}},
		{"session, none", "GET", "/get-session", "", nil},
		{"session, bare token", "GET", "/get-session", "", []string{"Cookie", "better-auth.session_token=AL8XBPD25OX65mZbiNDd9UdDLJoYie4X"}},
		{"session, garbage", "GET", "/get-session", "", []string{"Cookie", "better-auth.session_token=%ZZ.x"}},
		{"sign in with a session", "POST", in, good, []string{"Cookie", "SESSION", "Origin", "SELF"}},

		{"sign out without an origin", "POST", out, `{}`, []string{"Cookie", "SESSION"}},
		{"sign out from elsewhere", "POST", out, `{}`, []string{"Cookie", "SESSION", "Origin", evil}},
		{"sign out, bad body", "POST", out, `{"disableRedirect":1}`, nil},
		{"sign out, callback a number", "POST", out, `{"callbackURL":3}`, nil},
		{"sign out", "POST", out, `{}`, []string{"Cookie", "SESSION", "Origin", "SELF"}},
		{"sign out again", "POST", out, "", []string{"Cookie", "SESSION", "Origin", "SELF"}},
		{"session after sign-out", "GET", "/get-session", "", []string{"Cookie", "SESSION"}},
		{"sign out without a session", "POST", out, "", nil},

		{"unknown path", "GET", "/nothing", "", nil},
		{"trailing slash", "GET", "/ok/", "", nil},
		{"wrong method", "GET", in, "", nil},
		{"wrong method for ok", "PUT", "/ok", "", nil},
		{"HEAD", "HEAD", "/ok", "", nil},
		{"the prefix alone", "GET", "", "", nil},
	}
	for _, path := range []string{up, in, out} {
		for name, body := range map[string]string{
			"array": `[]`, "null": `null`, "text": `"x"`, "number": `1`, "broken": `{bad`, "two values": `{}{}`, "empty object": `{}`,
		} {
			list = append(list, step{path + ", " + name, "POST", path, body, nil})
		}
		list = append(list,
			step{path + ", no body", "POST", path, "", nil},
			step{path + ", no body but a type", "POST", path, "", []string{"Content-Type", "application/json"}},
			step{path + ", body without a type", "POST", path, `{}`, []string{"Content-Type", ""}},
			step{path + ", text/plain", "POST", path, `{}`, []string{"Content-Type", "text/plain"}},
			step{path + ", charset", "POST", path, `{}`, []string{"Content-Type", "Application/JSON; charset=utf-8"}},
		)
	}
	return list
}

// seen is the part of a response that must be equal on both servers.
type seen struct {
	Status                  int
	ContentType, Cache      string
	Code, Message, Location string
	Keys                    []string
	Cookies                 []string
}

func look(t *testing.T, a answer) seen {
	t.Helper()
	s := seen{
		Status: a.StatusCode, ContentType: a.Header.Get("Content-Type"),
		Cache: a.Header.Get("Cache-Control") + a.Header.Get("Pragma"), Location: a.Header.Get("Location"),
	}
	for _, c := range a.Cookies() {
		value := map[bool]string{true: "", false: "signed"}[c.Value == ""]
		s.Cookies = append(s.Cookies, fmt.Sprintf("%s=%s age=%d path=%s domain=%s http=%t secure=%t site=%d",
			c.Name, value, c.MaxAge, c.Path, c.Domain, c.HttpOnly, c.Secure, c.SameSite))
	}
	slices.Sort(s.Cookies)
	if a.body == "" {
		return s
	}
	var body any
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("no JSON: %s", a.body)
	}
	s.Keys = keys("", body)
	if object, ok := body.(map[string]any); ok {
		s.Code, _ = object["code"].(string)
		s.Message, _ = object["message"].(string)
		// For a body that is not an object, Better Auth repeats the message, and it accepts forms, which ours does not.
		s.Message, _, _ = strings.Cut(s.Message, "; [body] Invalid input: expected record")
		s.Message = strings.Replace(s.Message, "application/x-www-form-urlencoded, ", "", 1)
		if s.Code == "INVALID_ORIGIN" || s.Code == "MISSING_OR_NULL_ORIGIN" { // Ours goes on with what to do.
			s.Message, _, _ = strings.Cut(s.Message, ": ")
		}
	}
	return s
}

// lookAtOurs is like look, without what only ours says: Better Auth answers an unknown path with an empty body.
func lookAtOurs(t *testing.T, a answer) seen {
	t.Helper()
	s := look(t, a)
	if s.Code == "NOT_FOUND" {
		s.Code, s.Message, s.ContentType, s.Keys = "", "", "", nil
	}
	if a.StatusCode == http.StatusNotFound && a.Request.Method == http.MethodHead {
		s.ContentType = ""
	}
	return s
}

// keys returns the paths in a JSON value with their types.
func keys(path string, value any) []string {
	object, ok := value.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s %T", path, value)}
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		all = append(all, keys(path+"."+name, object[name])...)
	}
	return all
}

// play sends the steps to a server and returns its responses.
func play(t *testing.T, url string, look func(*testing.T, answer) seen) map[string]seen {
	t.Helper()
	session := ""
	got := map[string]seen{}
	for _, step := range steps() {
		header := slices.Clone(step.header)
		for i := range header {
			header[i] = strings.ReplaceAll(strings.ReplaceAll(header[i], "SESSION", session), "SELF", url)
		}
		a := send(t, http.DefaultClient, url+"/api/auth", step.method, step.path, step.body, header...)
		if step.name == "sign in" {
			session = cookiesOf(a)
		}
		name := step.path + " " + step.name
		if _, twice := got[name]; twice {
			t.Fatalf("two steps %q", name)
		}
		got[name] = look(t, a)
	}
	return got
}

// TestRespondsAsBetterAuth compares the responses with a real server's, which is the specification.
func TestRespondsAsBetterAuth(t *testing.T) {
	const trusted = "http://localhost:3000"
	betterAuth := testkit.BetterAuth(t, testkit.BetterAuthOptions{TrustedOrigins: []string{trusted}, Plugins: []string{"organization"}})
	want := play(t, betterAuth.URL, look)
	eachDatabase(t, func(t *testing.T, cfg devauth.Config) {
		cfg.TrustedOrigins = func(origin string) bool { return origin == trusted }
		server := httptest.NewServer(newServer(t, cfg))
		t.Cleanup(server.Close)
		got := play(t, server.URL, lookAtOurs)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if diff := cmp.Diff(want[name], got[name]); diff != "" {
				t.Errorf("%s (-Better Auth, +ours):\n%s", name, diff)
			}
		}
	})
}
