package betterauth

import (
	"fmt"
	"slices"
	"strings"
)

// wrongClaim is the error for an issuer or audience that is not accepted. Its value is not secret, since the auth
// server signed it.
type wrongClaim struct {
	claim, setting  string
	found, accepted []string
}

// Error implements error.
func (w *wrongClaim) Error() string {
	return fmt.Sprintf("%s is %s, and %s is %s", w.claim, quotedList(w.found), w.setting, quotedList(w.accepted))
}

// fix says what to set if the token is from the right auth server.
func (w *wrongClaim) fix() string {
	if len(w.found) == 0 || w.found[0] == "" {
		return "set baseURL at the auth server, or the jwt plugin's issuer and audience: without them its tokens name none"
	}
	value := printable(w.found[0])
	if len(w.accepted) > 1 {
		value = strings.Join(w.accepted, ",") + "," + value
	}
	return fmt.Sprintf("if that is this auth server, set %s to %s", w.setting, value)
}

// checkIssuer returns a *wrongClaim if a token's issuer or audience is not accepted.
func (a *Authenticator) checkIssuer(c claims) error {
	if !containsAddress(a.issuers, c.issuer) {
		return &wrongClaim{"iss", "AUTH_ISSUER", []string{c.issuer}, a.issuers}
	}
	accepted := func(audience string) bool { return containsAddress(a.audiences, audience) }
	if !slices.ContainsFunc(c.audience, accepted) || slices.Contains(c.audience, sessionDataAudience) {
		return &wrongClaim{"aud", "AUTH_AUDIENCE", c.audience, a.audiences}
	}
	return nil
}

// containsAddress reports whether an address is in the list. A trailing slash is ignored, because people don't notice
// it.
func containsAddress(list []string, address string) bool {
	return slices.ContainsFunc(list, func(other string) bool { return trimSlash(address) == trimSlash(other) })
}

// quotedList formats the first elements of the list for a message.
func quotedList(list []string) string {
	const limit = 5
	var quoted []string
	for _, item := range list[:min(len(list), limit)] {
		quoted = append(quoted, `"`+printable(item)+`"`)
	}
	if len(list) > limit {
		quoted = append(quoted, "…")
	}
	if len(quoted) == 0 {
		return "missing"
	}
	return strings.Join(quoted, ", ")
}
