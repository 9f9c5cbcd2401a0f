package betterauth_test

import (
	"bytes"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"taskql/internal/betterauth"
)

// TestRolesClaim checks what counts as memberships in a JWT. A claim that doesn't gives none, but the JWT is good; the log says
// so once.
func TestRolesClaim(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	type roles = map[string]string
	for name, test := range map[string]struct {
		claim any // nil if there is none
		want  roles
		warns bool
	}{
		"no claim":                {nil, nil, false},
		"roles":                   {map[string]any{"o1": "owner", "7": "member,admin", "o3": ""}, roles{"o1": "owner", "7": "member,admin", "o3": ""}, false},
		"none":                    {map[string]any{}, roles{}, false},
		"a list of ids":           {[]string{"o1"}, nil, true},
		"a list of memberships":   {[]map[string]string{{"id": "o1", "role": "owner"}}, nil, true},
		"text":                    {"o1", nil, true},
		"lists of roles":          {map[string]any{"o1": []string{"owner"}}, nil, true},
		"objects":                 {map[string]any{"o1": map[string]any{"role": "owner"}}, nil, true},
		"a null role":             {map[string]any{"o1": nil, "o2": "owner"}, nil, true},
		"an id that is empty":     {map[string]any{"": "owner"}, nil, true},
		"an id with U+0000":       {map[string]any{"o\x001": "owner"}, nil, true},
		"an id that is too long":  {map[string]any{strings.Repeat("x", 1025): "owner"}, nil, true},
		"a role that is too long": {map[string]any{"o1": strings.Repeat("x", 4097)}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := newIssuer(t, "k1")
			server := newFakeServer(t, respondJSON(sessionJSON()), jwks(t, own))
			cfg := server.config(newClock().Now)
			cfg.Issuers = []string{iss}
			var log bytes.Buffer
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			a := newAuthenticator(t, cfg)
			claims := pluginClaims(iss)
			if test.claim != nil {
				claims = withClaims(claims, "orgs", test.claim)
			}
			for i := range 2 {
				header := withBearer(own.sign(t, withClaims(claims, "n", i), ""))
				session, err := a.Authenticate(t.Context(), header)
				if err != nil {
					t.Fatal(err)
				}
				if !maps.Equal(session.Roles, test.want) {
					t.Errorf("got %v, want %v", session.Roles, test.want)
				}
				list, err := a.Organizations(t.Context(), header, session)
				if err != nil || len(list) != len(test.want) {
					t.Errorf("organizations %v: %v", list, err)
				}
				for id, role := range test.want {
					want(t, requester{t, a, header}.role(id), role)
				}
				want(t, requester{t, a, header}.role("o9"), "no member")
				want(t, requester{t, a, header}.members("o1"), betterauth.ErrMembersUnknown.Error())
			}
			if n := strings.Count(log.String(), "claim orgs"); (n == 1) != test.warns || n > 1 {
				t.Errorf("%d warnings: %s", n, &log)
			}
		})
	}
}
