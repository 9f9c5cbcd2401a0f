package betterauth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// clockLeeway is how far the auth server's clock may be ahead of ours. It never extends a token's validity.
	clockLeeway = 30 * time.Second
	// The type and audience of a session_data cookie that the jwt plugin signed.
	sessionDataType     = "better-auth.session-cache+jwt"
	sessionDataAudience = "better-auth:session-cache"
)

// claims are the claims of a JWT.
type claims struct {
	all                 fields
	issuer, subject     string
	audience            []string
	issued, end, notYet time.Time
}

// authenticateJWT returns the session of a JWT of the jwt plugin. The auth server is asked only for its keys. A
// verified JWT is cached like a session.
func (a *Authenticator) authenticateJWT(ctx context.Context, token string) (*Session, *Refusal) {
	key, now := newCacheKey(SchemeJWT, token), a.now()
	if session, ok := a.sessions.get(key, now); ok {
		return session, nil
	}
	session, refusal := a.verifyJWT(ctx, token, now)
	if refusal != nil {
		// A 404 for the keys of an auth server that works means that it has no jwt plugin.
		if errors.Is(refusal.Err, errNoKeys) && a.client.health.check(ctx, time.Now().Add(-freshSuccess)) == nil {
			refusal = refuse(ReasonUnknownKey).withCause(errNoKeys)
		}
		return nil, refusal.withCredential(SchemeJWT, "", token)
	}
	session.TokenHash = shortHash(token)
	a.sessions.put(key, session, session.ExpiresAt, now)
	return session, nil
}

// verifyJWT verifies a JWT's signature, issuer, audience and times, and returns its session.
func (a *Authenticator) verifyJWT(ctx context.Context, token string, now time.Time) (*Session, *Refusal) {
	signed, err := jose.ParseSignedCompact(token, asymmetricAlgorithms())
	if err != nil {
		return nil, refuse(ReasonBadToken).withCause(errors.New("it is no JWT, or of an algorithm that is not accepted"))
	}
	if typ := headerType(signed); typ != "" && !strings.EqualFold(typ, "JWT") {
		return nil, refuse(ReasonBadToken).withCause(errors.New("its typ is that of another purpose"))
	}
	c, refusal := a.verifySignature(ctx, signed)
	if refusal != nil {
		return nil, refusal
	}
	if err := a.checkIssuer(c); err != nil {
		return nil, refuse(ReasonWrongIssuer).withCause(err)
	}
	switch {
	case c.issued.IsZero() || c.end.IsZero():
		return nil, refuse(ReasonBadToken).withCause(errors.New("iat or exp is missing"))
	case c.issued.After(now.Add(clockLeeway)) || c.notYet.After(now.Add(clockLeeway)):
		return nil, refuse(ReasonBadToken).withCause(errors.New("it is from the future: the clocks differ"))
	}
	end := earlier(c.end, c.issued.Add(a.maxTokenAge))
	if !now.Before(end) {
		return nil, refuse(ReasonExpired)
	}
	session, refusal := jwtSession(c, end, now)
	if refusal == nil {
		session.Roles = a.claimedRoles(ctx, c.all)
	}
	return session, refusal
}

// jwtSession returns the session of a JWT's user. The jwt plugin makes the user's fields claims, unless definePayload
// chooses some of them; the subject alone is enough.
func jwtSession(c claims, end, now time.Time) (*Session, *Refusal) {
	r := fieldReader{}
	user := r.user(c.all)
	oauth := user.ID == "" && slices.ContainsFunc(oauthClaims(), func(name string) bool { return has(c.all, name) })
	if user.ID == "" {
		user.ID = c.subject
	}
	switch {
	case r.err != nil:
		return nil, refuse(ReasonBadToken).withCause(r.err)
	case oauth:
		return nil, refuse(ReasonBadToken).withCause(errors.New("it is the token of an OAuth client, and not the user's own"))
	case c.subject == "" || user.ID != c.subject:
		return nil, refuse(ReasonBadToken).withCause(errors.New("sub is missing, or sub and id differ"))
	case now.Before(bannedUntil(c.all)):
		return nil, refuse(ReasonBanned)
	}
	return &Session{
		UserID: user.ID, ExpiresAt: end, ImpersonatedBy: impersonator(c.all), User: user, Scheme: SchemeJWT,
		AsOf: c.issued.Add(time.Second - 1), // iat is in whole seconds, rounded down.
	}, nil
}

// oauthClaims lists claims of access and ID tokens. If the auth server is an OAuth provider, it signs those with the
// same keys. Such a token may belong to another application. It has no claim "id".
func oauthClaims() []string { return []string{"azp", "client_id", "scope", "nonce", "at_hash"} }

// verifySignature verifies a JWT's signature with the auth server's keys, and returns its claims.
func (a *Authenticator) verifySignature(ctx context.Context, signed *jose.JSONWebSignature) (claims, *Refusal) {
	header := signed.Signatures[0].Protected
	if header.KeyID == "" {
		return claims{}, refuse(ReasonBadToken).withCause(errors.New("it names no key"))
	}
	key, refusal := a.keys.key(ctx, header.KeyID, func() time.Time {
		unverified, _ := parseClaims(signed.UnsafePayloadWithoutVerification()) // The zero time if the claims are invalid.
		return unverified.issued
	})
	if refusal != nil {
		return claims{}, refusal
	}
	// If the key has no algorithm, the library checks that the token's fits the key's type.
	if key.Algorithm != "" && key.Algorithm != header.Algorithm {
		return claims{}, refuse(ReasonBadSignature).withCause(errors.New("its algorithm is not that of the key"))
	}
	payload, err := signed.Verify(key.Key)
	if err != nil {
		return claims{}, refuse(ReasonBadSignature)
	}
	c, err := parseClaims(payload)
	if err != nil {
		return claims{}, refuse(ReasonBadToken).withCause(err)
	}
	return c, nil
}

// parseClaims parses the payload of a JWT.
func parseClaims(payload []byte) (claims, error) {
	all, err := parseObject(payload)
	if err != nil {
		return claims{}, err
	}
	r := fieldReader{}
	c := claims{
		all: all, issuer: value[string](&r, all, "iss"), subject: r.id(all, "sub"), audience: r.audience(all["aud"]),
		issued: r.numericDate(all, "iat"), end: r.numericDate(all, "exp"), notYet: r.numericDate(all, "nbf"),
	}
	return c, r.err
}

// audience reads the audience, which is a text or a list of texts.
func (r *fieldReader) audience(raw json.RawMessage) []string {
	if len(raw) == 0 {
		return nil
	}
	if raw[0] == '"' {
		raw = slices.Concat([]byte("["), raw, []byte("]"))
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		r.fail("aud", "has the wrong type")
	}
	return list
}

// headerType returns the typ of a JWT's header, "" if it has none, and "?" if it is not a text.
func headerType(signed *jose.JSONWebSignature) string {
	typ, present := signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]
	if !present {
		return ""
	}
	if text, ok := typ.(string); ok {
		return text
	}
	return "?"
}
