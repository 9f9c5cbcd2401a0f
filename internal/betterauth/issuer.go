package betterauth

import (
	"fmt"
	"slices"
	"strings"
)

// wrongClaim is an issuer or audience that is not among the accepted ones. It is no secret: the auth server has signed it.
type wrongClaim struct {
	claim, setting string
	found, wanted  []string
}

// Error implements error.
func (w *wrongClaim) Error() string {
	return fmt.Sprintf("%s is %s, and %s is %s", w.claim, listed(w.found), w.setting, listed(w.wanted))
}

// cure says what to set, in case the token is from the right auth server.
func (w *wrongClaim) cure() string {
	if len(w.found) == 0 || w.found[0] == "" {
		return "set baseURL at the auth server, or the jwt plugin's issuer and audience: without them its tokens name none"
	}
	value := printable(w.found[0])
	if len(w.wanted) > 1 {
		value = strings.Join(w.wanted, ",") + "," + value
	}
	return fmt.Sprintf("if that is this auth server, set %s to %s", w.setting, value)
}

// checkIssuer refuses tokens of another issuer or for another audience. The error is a *wrongClaim.
func (a *Authenticator) checkIssuer(c claims) error {
	if !isAddressOf(c.issuer, a.issuers) {
		return &wrongClaim{"iss", "AUTH_ISSUER", []string{c.issuer}, a.issuers}
	}
	accepted := func(audience string) bool { return isAddressOf(audience, a.audiences) }
	if !slices.ContainsFunc(c.audience, accepted) || slices.Contains(c.audience, sessionDataAudience) {
		return &wrongClaim{"aud", "AUTH_AUDIENCE", c.audience, a.audiences}
	}
	return nil
}

// isAddressOf reports whether an address is in the list. A slash at the end makes no difference to anybody who writes one.
func isAddressOf(address string, list []string) bool {
	return slices.ContainsFunc(list, func(other string) bool { return trimSlash(address) == trimSlash(other) })
}

// listed writes some of the list for a message.
func listed(list []string) string {
	const most = 5
	var quoted []string
	for _, item := range list[:min(len(list), most)] {
		quoted = append(quoted, `"`+printable(item)+`"`)
	}
	if len(list) > most {
		quoted = append(quoted, "…")
	}
	if len(quoted) == 0 {
		return "missing"
	}
	return strings.Join(quoted, ", ")
}
