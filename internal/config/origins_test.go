package config

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func origins(t testing.TB, list string) Origins {
	t.Helper()
	o, err := ParseOrigins(list)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestParseOrigins(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"": "",
		" https://A.Example.com/ , http://localhost:3000": "https://a.example.com,http://localhost:3000",
		"https://*.example.com:8443/":                     "https://*.example.com:8443",
		"http://[::1]:3000,http://127.0.0.1":              "http://[::1]:3000,http://127.0.0.1",
		"https://Bücher.example,https://*.例え.テスト:8443":    "https://xn--bcher-kva.example,https://*.xn--r8jz45g.xn--zckzah:8443",
		"https://app.vercel.app,https://*.team.github.io": "https://app.vercel.app,https://*.team.github.io",
		"capacitor://localhost,ionic://localhost/,tauri://localhost,https://tauri.localhost,http://tauri.localhost,app://-,app://.": "capacitor://localhost,ionic://localhost,tauri://localhost,https://tauri.localhost,http://tauri.localhost,app://-,app://.",
		"chrome-extension://cfhdojbkjhnklbpkdaibdccddilifddb":                                                                       "chrome-extension://cfhdojbkjhnklbpkdaibdccddilifddb",
		"moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc,safari-web-extension://E7BF6EAC-1F22-4B5D-93FB-E40E2E5F9B7A":          "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc,safari-web-extension://e7bf6eac-1f22-4b5d-93fb-e40e2e5f9b7a",
	} {
		if got := origins(t, list).String(); got != want {
			t.Errorf("%q: got %q, want %q", list, got, want)
		}
	}
	for _, list := range []string{
		"*", "null", "NULL", "example.com", "//example.com", "ftp://example.com", "https://", "https://example.com/path", "https://example.com//",
		"https://example.com?x", "https://example.com?", "https://example.com#", "https://u@example.com", "https://example.com:", "https://example.com:0",
		"https://example.com:65536", "https://example.com:x", "https://*", "https://*.com", "https://*.*.example.com", "https://a*.example.com",
		"https://*a.example.com", "https://a.*.example.com", "https://example.*", "https://*.example.com:*", "*://example.com", "https://exa mple.com",
		"https://-a.example.com", "https://a..example.com", "https://.example.com", "https://example.com.", "https://*.10.0.0.1:*", "https://a,*",
		"https://*.vercel.app", "https://*.github.io", "https://*.netlify.app:443", "https://*.pages.dev", "https://*.up.railway.app",
		"https://*.herokuapp.com", "https://*.co.uk", "https://*.foo.ck", "https://*.surge.sh",
		"https://*.code.run", "https://*.us-central1.run.app", "https://*.euw.devtunnels.ms", "https://*.x.preview.app.github.dev", "https://myapp-*-myteam.vercel.app", "https://*.公司.cn",
		"https://ü_.example", "https://-ü.example", "https://b%c3%bccher.example", "https://ü@example.com",
		"capacitor://", "capacitor://*", "capacitor://*.localhost", "capacitor://localhost:3000", "capacitor://localhost/x", "capacitor:localhost",
		"chrome-extension://*", "chrome-extension://ü", "file://", "file://localhost", "htps://example.com", "myapp://localhost", "app://a?b", "app://a#", "app://u@a",
	} {
		if o, err := ParseOrigins(list); err == nil {
			t.Errorf("%q was taken as %q", list, o)
		}
	}
}

func TestOriginsAllow(t *testing.T) {
	t.Parallel()
	o := origins(t, "https://app.example.com, https://*.preview.example.com, https://*.ports.example.com:8443, http://localhost:3000, https://default.example.com:443, http://plain.example.com:80, "+
		"https://*.bücher.example, capacitor://localhost, app://-, safari-web-extension://E7BF6EAC-1F22-4B5D-93FB-E40E2E5F9B7A")
	for origin, want := range map[string]bool{
		"https://app.example.com":                                     true,
		"http://localhost:3000":                                       true,
		"https://a.preview.example.com":                               true,
		"https://a-1_b.preview.example.com":                           true,
		"https://a.ports.example.com:8443":                            true,
		"https://default.example.com":                                 true,
		"http://plain.example.com":                                    true,
		"":                                                            false,
		"null":                                                        false,
		"*":                                                           false,
		"http://app.example.com":                                      false,
		"https://app.example.com/":                                    false,
		"https://app.example.com:443":                                 false,
		"https://app.example.com:8443":                                false,
		"https://APP.example.com":                                     false,
		"HTTPS://app.example.com":                                     false,
		"https://app.example.com.attacker.net":                        false,
		"https://app.example.community":                               false,
		"https://xapp.example.com":                                    false,
		"https://evil.com#https://app.example.com":                    false,
		"https://app.example.com, https://evil.com":                   false,
		"https://preview.example.com":                                 false,
		"https://.preview.example.com":                                false,
		"https://a.b.preview.example.com":                             false,
		"https://*.preview.example.com":                               false,
		"https://A.preview.example.com":                               false,
		"https://-.preview.example.com":                               false,
		"https://a.preview.example.com:8443":                          false,
		"https://a.preview.example.com.attacker.net":                  false,
		"https://attacker.net/.preview.example.com":                   false,
		"https://attacker.net?.preview.example.com":                   false,
		"https://attacker.net#.preview.example.com":                   false,
		"https://attacker.net:1.preview.example.com":                  false,
		"https://user@preview.example.com":                            false,
		"https://evil@a.preview.example.com":                          false,
		"https://xpreview.example.com":                                false,
		"http://a.preview.example.com":                                false,
		"https://a.ports.example.com":                                 false,
		"https://a.ports.example.com:84430":                           false,
		"https://a\n.preview.example.com":                             false,
		"https://" + strings.Repeat("a", 64) + ".preview.example.com": false,
		"http://localhost":                                            false,
		"http://localhost:30000":                                      false,
		"https://a.xn--bcher-kva.example":                             true,
		"https://xn--bcher-kva.xn--bcher-kva.example":                 true,
		"https://a.bücher.example":                                    false,
		"https://xn--bcher-kva.example":                               false,
		"capacitor://localhost":                                       true,
		"capacitor://localhost/":                                      false,
		"capacitor://localhost:80":                                    false,
		"capacitor://other":                                           false,
		"CAPACITOR://localhost":                                       false,
		"ionic://localhost":                                           false,
		"https://localhost":                                           false,
		"app://-":                                                     true,
		"app://":                                                      false,
		"safari-web-extension://E7BF6EAC-1F22-4B5D-93FB-E40E2E5F9B7A": true,
		"safari-web-extension://e7bf6eac-1f22-4b5d-93fb-e40e2e5f9b7a": true,
		"safari-web-extension://E7BF6EAC":                             false,
	} {
		if got := o.Allows(origin); got != want {
			t.Errorf("Allows(%q) = %v", origin, got)
		}
	}
	if (Origins{}).Allows("https://app.example.com") || !(Origins{}).Empty() {
		t.Error("the zero value allows nothing")
	}
}

// TestSharedDomains checks that a pattern that other people's pages could match is refused, with the reason and what to
// write instead.
func TestSharedDomains(t *testing.T) {
	t.Parallel()
	for item, want := range map[string]string{
		"https://*.vercel.app":              "anybody can take a name below vercel.app; list the exact origins",
		"https://*.co.uk":                   "anybody can take a name below co.uk",
		"https://*.glitch.me":               "anybody can take a name below glitch.me",
		"https://myapp-*-myteam.vercel.app": "anybody can take a name below vercel.app that fits myapp-*-myteam; list the exact origins",
		"https://pr-*.example.com":          "only the whole first label may be *",
		"capacitor://*":                     "write it in full, as in capacitor://localhost",
		"https://-ü.example":                "not a valid internationalised name",
	} {
		if _, err := ParseOrigins("https://app.example.com," + item); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", item, err, want)
		}
	}
}

// TestPatternMatchesOneLabel checks that any origin that a pattern allows has one label in front of the pattern's host,
// parsed as a browser parses URLs.
func TestPatternMatchesOneLabel(t *testing.T) {
	t.Parallel()
	o := origins(t, "https://*.example.com")
	rapid.Check(t, func(t *rapid.T) {
		origin := "https://" + rapid.StringMatching(`[a-z0-9.:/@#?*_-]{0,12}`).Draw(t, "label") + rapid.SampledFrom([]string{".example.com", "example.com", ".example.com.evil.net", ".example.com:443"}).Draw(t, "rest")
		if !o.Allows(origin) {
			return
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("allowed %q, which is not a bare origin", origin)
		}
		label, ok := strings.CutSuffix(u.Host, ".example.com")
		if !ok || label == "" || strings.ContainsAny(label, ".:") {
			t.Fatalf("allowed %q, whose host is %q", origin, u.Host)
		}
	})
}

// FuzzOrigins checks that a parsed origin allows itself and no longer origin.
func FuzzOrigins(f *testing.F) {
	for _, seed := range []string{"https://a.example.com", "https://*.example.com:8443", "http://[::1]:3000", "*", "null", "https://a/,b", "https://*.bücher.example", "app://-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		o, err := ParseOrigins(list)
		if err != nil {
			return
		}
		again, err := ParseOrigins(o.String())
		if err != nil || again.String() != o.String() {
			t.Fatalf("%q became %q, which is read as %q, %v", list, o, again, err)
		}
		for origin := range o.exact {
			if !o.Allows(origin) || o.Allows(origin+"/") || o.Allows(origin+".evil.net") || o.Allows("x"+origin) || o.Allows(origin+"\x00") {
				t.Fatalf("%q does not match exactly", origin)
			}
		}
		if o.Allows("null") || o.Allows("") || o.Allows("*") {
			t.Fatalf("%q allows too much", list)
		}
	})
}
