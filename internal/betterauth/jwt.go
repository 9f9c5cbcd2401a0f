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
	// clockLeeway is how far the auth server's clock may be ahead of ours. It never makes a token live longer.
	clockLeeway = 30 * time.Second
	// Better Auth's marks of a session_data cookie that the jwt plugin signed.
	sessionDataType     = "better-auth.session-cache+jwt"
	sessionDataAudience = "better-auth:session-cache"
)

// claims are a JWT's, its signature checked.
type claims struct {
	all                 fields
	issuer, subject     string
	audience            []string
	issued, end, notYet time.Time
}

// jwtSession makes a session of a JWT of the jwt plugin, without asking the auth server. What was verified is kept as
// long as an answer of the auth server would be.
func (a *Authenticator) jwtSession(ctx context.Context, token string) (*Session, *Refusal) {
	key, now := newKey(SchemeJWT, token), a.now()
	if session, ok := a.cache.get(key, now); ok {
		return session, nil
	}
	session, refusal := a.verifyJWT(ctx, token, now)
	if refusal != nil {
		return nil, refusal.of(SchemeJWT, "", token)
	}
	session.TokenHash = shortHash(token)
	a.cache.put(key, session, session.ExpiresAt, now)
	return session, nil
}

func (a *Authenticator) verifyJWT(ctx context.Context, token string, now time.Time) (*Session, *Refusal) {
	signed, err := jose.ParseSignedCompact(token, asymmetric())
	if err != nil {
		return nil, refuse(ReasonBadToken).because(errors.New("it is no JWT, or of an algorithm that is not accepted"))
	}
	if typ := headerType(signed); typ != "" && !strings.EqualFold(typ, "JWT") {
		return nil, refuse(ReasonBadToken).because(errors.New("its typ is that of another purpose"))
	}
	c, refusal := a.verified(ctx, signed)
	if refusal != nil {
		return nil, refusal
	}
	if err := a.checkIssuer(c); err != nil {
		return nil, refuse(ReasonWrongIssuer).because(err)
	}
	switch {
	case c.issued.IsZero() || c.end.IsZero():
		return nil, refuse(ReasonBadToken).because(errors.New("iat or exp is missing"))
	case c.issued.After(now.Add(clockLeeway)) || c.notYet.After(now.Add(clockLeeway)):
		return nil, refuse(ReasonBadToken).because(errors.New("it is from the future: the clocks differ"))
	}
	end := earlier(c.end, c.issued.Add(a.maxTokenAge))
	if !now.Before(end) {
		return nil, refuse(ReasonExpired)
	}
	return jwtUser(c, end, now)
}

// jwtUser reads the user. The plugin puts it into the claims as it is, unless definePayload chooses some of its fields: the
// subject alone is enough.
func jwtUser(c claims, end, now time.Time) (*Session, *Refusal) {
	r := reader{}
	user, banned := r.user(c.all), r.ban(c.all)
	oauth := user.ID == "" && slices.ContainsFunc(oauthClaims(), func(name string) bool { _, ok := c.all[name]; return ok })
	if user.ID == "" {
		user.ID = c.subject
	}
	switch {
	case r.err != nil:
		return nil, refuse(ReasonBadToken).because(r.err)
	case oauth:
		return nil, refuse(ReasonBadToken).because(errors.New("it is the token of an OAuth client, and not the user's own"))
	case c.subject == "" || user.ID != c.subject:
		return nil, refuse(ReasonBadToken).because(errors.New("sub is missing, or sub and id differ"))
	case now.Before(banned):
		return nil, refuse(ReasonBanned)
	}
	return &Session{
		UserID: user.ID, ExpiresAt: end, ImpersonatedBy: impersonator(c.all), User: user, Scheme: SchemeJWT,
		AsOf: c.issued.Add(time.Second - 1), // iat is in whole seconds, rounded down.
	}, nil
}

// oauthClaims are the claims of access and ID tokens, which the same keys sign if the auth server is an OAuth provider. Such
// a token may be in the hands of another application, and it has no id.
func oauthClaims() []string { return []string{"azp", "client_id", "scope", "nonce", "at_hash"} }

// verified checks a JWT's signature by the auth server's keys.
func (a *Authenticator) verified(ctx context.Context, signed *jose.JSONWebSignature) (claims, *Refusal) {
	header := signed.Signatures[0].Protected
	if header.KeyID == "" {
		return claims{}, refuse(ReasonBadToken).because(errors.New("it names no key"))
	}
	key, refusal := a.keys.key(ctx, header.KeyID, func() time.Time {
		unverified, _ := readClaims(signed.UnsafePayloadWithoutVerification()) // What is unreadable was never issued.
		return unverified.issued
	})
	if refusal != nil {
		return claims{}, refusal
	}
	// A key without an algorithm fits its own kind only, as the library sees to.
	if key.Algorithm != "" && key.Algorithm != header.Algorithm {
		return claims{}, refuse(ReasonBadSignature).because(errors.New("its algorithm is not that of the key"))
	}
	payload, err := signed.Verify(key.Key)
	if err != nil {
		return claims{}, refuse(ReasonBadSignature)
	}
	c, err := readClaims(payload)
	if err != nil {
		return claims{}, refuse(ReasonBadToken).because(err)
	}
	return c, nil
}

func readClaims(payload []byte) (claims, error) {
	all, err := parseObject(payload)
	if err != nil {
		return claims{}, err
	}
	r := reader{}
	c := claims{
		all: all, issuer: value[string](&r, all, "iss"), subject: r.id(all, "sub"), audience: r.audience(all["aud"]),
		issued: r.date(all, "iat"), end: r.date(all, "exp"), notYet: r.date(all, "nbf"),
	}
	return c, r.err
}

// audience reads a text or a list of texts.
func (r *reader) audience(raw json.RawMessage) []string {
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

// date reads seconds since 1970, the zero time where there are none (RFC 7519, section 2).
func (r *reader) date(from fields, name string) time.Time {
	const endOfTime = 253402300799 // The year 9999: what lies beyond is no date.
	seconds := value[*float64](r, from, name)
	if seconds == nil {
		return time.Time{}
	}
	if *seconds < 0 || *seconds > endOfTime {
		r.fail(name, "is no date")
		return time.Time{}
	}
	return time.UnixMilli(int64(*seconds * 1000))
}

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
