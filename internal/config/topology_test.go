package config

import (
	"strings"
	"testing"
)

func TestTopology(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ map[string]string
		want    []bool // for each origin that is judged
		detail  string // a part of the first detail
	}{
		{
			"Vercel and two Railway services",
			map[string]string{"CORS_ORIGINS": "https://app.vercel.app", "AUTH_SERVER_URL": "https://auth.up.railway.app", "RAILWAY_PUBLIC_DOMAIN": "api.up.railway.app"},
			[]bool{false},
			"app.vercel.app and auth.up.railway.app and api.up.railway.app (below a public suffix, here vercel.app and up.railway.app, each name is a site of its own)",
		},
		{
			"this server's address unknown",
			map[string]string{"CORS_ORIGINS": "https://app.vercel.app", "AUTH_SERVER_URL": "https://auth.up.railway.app"},
			[]bool{false},
			"the auth server is at auth.up.railway.app: browsers share no cookie",
		},
		{
			"one custom domain",
			map[string]string{"CORS_ORIGINS": "https://app.example.co.uk, https://*.example.co.uk", "AUTH_SERVER_URL": "https://auth.example.co.uk", "PUBLIC_URL": "https://api.example.co.uk"},
			[]bool{true, true},
			"crossSubDomainCookies, domain example.co.uk",
		},
		{
			"one custom domain, and a cookie for one host",
			map[string]string{"AUTH_SERVER_URL": "https://auth.example.com", "PUBLIC_URL": "https://api.example.com", "AUTH_COOKIE_NAME": "__Host-sid"},
			[]bool{false},
			"this server is at api.example.com: browsers send a __Host- cookie only to the host that set it",
		},
		{
			"the auth server and this server on one host",
			map[string]string{"AUTH_SERVER_URL": "https://api.example.com", "PUBLIC_URL": "https://api.example.com"},
			[]bool{true},
			"one site, example.com",
		},
		{
			"the frontend proxies",
			map[string]string{"CORS_ORIGINS": "https://app.vercel.app", "AUTH_SERVER_URL": "https://auth.up.railway.app", "RAILWAY_PUBLIC_DOMAIN": "api.up.railway.app", "PUBLIC_URL": "https://app.vercel.app"},
			[]bool{true},
			"on the frontend's own host",
		},
		{
			"a private auth server",
			map[string]string{"AUTH_SERVER_URL": "http://auth.railway.internal:3000", "PUBLIC_URL": "https://api.example.com"},
			[]bool{true},
			"this server is at api.example.com",
		},
		{
			"a private auth server whose issuer tells where it is",
			map[string]string{"AUTH_SERVER_URL": "http://auth.railway.internal:3000", "AUTH_ISSUER": "https://auth.up.railway.app"},
			[]bool{false},
			"the auth server is at auth.up.railway.app",
		},
		{"patterns of previews", map[string]string{"CORS_ORIGINS": "https://*.preview.example.net"}, []bool{false}, "example.net and example.com"},
		{"an internationalised domain", map[string]string{"CORS_ORIGINS": "https://app.bücher.example", "AUTH_SERVER_URL": "https://auth.bücher.example", "PUBLIC_URL": "https://API.bücher.example/"}, []bool{true}, "one site, xn--bcher-kva.example"},
		{"apps", map[string]string{"ENVIRONMENT": "development", "CORS_ORIGINS": "capacitor://localhost,https://app.example.com"}, []bool{true}, "one site, example.com"},
		{"a developer's machine in production", map[string]string{"CORS_ORIGINS": "https://app.example.com,http://localhost:3000"}, []bool{true}, "one site, example.com"},
		{"nothing but localhost", map[string]string{"ENVIRONMENT": "development", "CORS_ORIGINS": "http://localhost:3000", "AUTH_SERVER_URL": "http://localhost:3001"}, []bool{true}, "one site, localhost"},
		{"a remote auth server for localhost", map[string]string{"ENVIRONMENT": "development", "CORS_ORIGINS": "http://localhost:3000"}, []bool{false}, "localhost and example.com"},
		{"addresses", map[string]string{"ENVIRONMENT": "development", "CORS_ORIGINS": "http://127.0.0.1:3000,http://[::1]:3000", "AUTH_SERVER_URL": "http://127.0.0.1:3001"}, []bool{true, false}, "one site, 127.0.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := Load(production(tt.environ))
			if err != nil {
				t.Fatal(err)
			}
			got := cfg.Topology()
			if len(got) != len(tt.want) || !strings.Contains(got[0].Detail, tt.detail) {
				t.Fatalf("got %+v, want %q", got, tt.detail)
			}
			for i, want := range tt.want {
				if got[i].Works != want {
					t.Errorf("got %+v, want %v", got[i], want)
				}
			}
		})
	}
}

func TestPooler(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url, direct string
		pooled      bool
		advice      string
	}{
		{"postgres://u:p@db.example.com/d", "", false, ""},
		{"postgres://u:p@ep-x-pooler.eu.aws.neon.tech/d", "", true, "DATABASE_URL leads to a connection pooler and"},
		{"postgres://u:p@ep-x-pooler.eu.aws.neon.tech/d", "postgres://u:p@ep-x.eu.aws.neon.tech/d", true, ""},
		{"postgres://u:p@ep-x-pooler.eu.aws.neon.tech/d", "postgres://u:p@ep-y-pooler.eu.aws.neon.tech/d", true, "DIRECT_DATABASE_URL leads to a connection pooler too"},
		{"postgresql://u:p@h:6432/d", "", true, "DATABASE_URL leads"},
		{`"postgres://u:p@h:6543/d"`, "", true, "DATABASE_URL leads"},
		{"postgres://u:p@h/d?pgbouncer=true", "", true, "DATABASE_URL leads"},
		{"postgres://u:p@my-pooler-host.example.com/d", "", false, ""},
		{"sqlite:x-pooler.db", "", false, ""},
	} {
		cfg, err := Load(production(map[string]string{"DATABASE_URL": tt.url, "DIRECT_DATABASE_URL": tt.direct}))
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Pooled() != tt.pooled || !strings.HasPrefix(cfg.PoolerWarning(), tt.advice) || (tt.advice == "") != (cfg.PoolerWarning() == "") {
			t.Errorf("%s: %v, %q", tt.url, cfg.Pooled(), cfg.PoolerWarning())
		}
	}
}
