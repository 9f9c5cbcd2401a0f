package betterauth

import (
	"context"
	"errors"
	"log/slog"
	"strings"
)

// rolesClaim is the claim of a JWT that has the user's roles by organization, such as {"o1":"owner","o2":"member,editor"}.
// It is there if the auth server's jwt.definePayload adds it.
const rolesClaim = "orgs"

// claimedRoles returns the user's roles in a JWT's claim, or nil if there is none that can be used. The first unusable claim
// is logged.
func (a *Authenticator) claimedRoles(ctx context.Context, claims fields) map[string]string {
	roles, err := parseRolesClaim(claims)
	if err != nil {
		a.warnClaim.Do(func() {
			a.log.LogAttrs(ctx, slog.LevelWarn, `the claim orgs of a JWT is ignored: it must be as in {"organization id":"role,role"}`,
				slog.String("error", err.Error()))
		})
	}
	return roles
}

// parseRolesClaim parses the claim. It returns nil if there is none. The error doesn't quote it.
func parseRolesClaim(claims fields) (map[string]string, error) {
	r := fieldReader{}
	roles := value[map[string]*string](&r, claims, rolesClaim)
	if r.err != nil || roles == nil {
		return nil, r.err
	}
	known := make(map[string]string, len(roles))
	for id, role := range roles {
		switch {
		case id == "" || len(id) > maxID || strings.ContainsRune(id, 0):
			return nil, errors.New("an organization's id is empty, too long, or holds U+0000")
		case role == nil || len(*role) > maxRole:
			return nil, errors.New("a role is null or too long")
		}
		known[id] = *role
	}
	return known, nil
}
