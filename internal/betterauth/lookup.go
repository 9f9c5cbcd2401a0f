package betterauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Lookup is the result of a lookup in the cache of sessions.
type Lookup string

// The results of a lookup in the cache.
const (
	// LookupHit: the session is in the cache.
	LookupHit Lookup = "hit"
	// LookupRefused: the session was refused a moment ago.
	LookupRefused Lookup = "refused"
	// LookupMiss: the cache has no answer, so session_data, if it is trusted, or the auth server has to give it.
	LookupMiss Lookup = "miss"
	// LookupStale: an expired entry was used after a miss, because the auth server is slow or unavailable.
	LookupStale Lookup = "stale"
)

// slowThreshold is the time after which the auth server counts as slow: clients with a stale session stop waiting for
// its response, and a probe is sent. The request to it continues, and its response is cached.
const slowThreshold = time.Second

// lookup returns the session of credentials whose signatures are good: from the cache, from session_data, or from the
// auth server, in this order.
func (a *Authenticator) lookup(ctx context.Context, h http.Header, c credentials) (*Session, *Refusal) {
	now := a.now()
	c.sessionData = a.forwardedSessionData(ctx, h, c, now)
	key := c.cacheKey()
	if session, ok := a.sessions.get(key, now); ok {
		a.observe(LookupHit)
		return session, nil
	}
	refusal := a.sessions.getRefusal(key, now)
	if refusal != nil && !refusal.Unavailable {
		a.observe(LookupRefused)
		return nil, c.identify(refusal)
	}
	if refusal == nil {
		a.observe(LookupMiss)
	}
	if a.trustData && c.bearer.kind == bearerNone && c.apiKey == "" {
		if session := a.trustedSessionData(ctx, h, c.cookie, now); session != nil {
			return session, nil
		}
	}
	if refusal != nil {
		return a.staleOrRefusal(key, c, now, refusal)
	}
	session, refusal := a.fetchShared(ctx, h, key, c)
	if refusal == nil && a.sessions.isForgotten(session.UserID, session.AsOf) { // Somebody else's request was under way.
		session, refusal = a.fetchShared(ctx, h, key, c)
	}
	if refusal != nil {
		return nil, c.identify(refusal)
	}
	return session, nil
}

// staleOrRefusal returns the stale session, or the refusal if there is none. The auth server failed for this session a
// moment ago and is not asked again yet.
func (a *Authenticator) staleOrRefusal(key cacheKey, c credentials, now time.Time, refusal *Refusal) (*Session, *Refusal) {
	if session, ok := a.sessions.getStale(key, now); ok {
		a.observe(LookupStale)
		return session, nil
	}
	a.observe(LookupRefused)
	return nil, c.identify(refusal)
}

// fetchResult is the result of a shared fetch.
type fetchResult struct {
	session *Session
	refusal *Refusal
}

// fetchShared fetches the session, or waits for the fetch that is in progress for the same key. If the auth server is
// slow or unavailable, it returns the stale session if there is one.
func (a *Authenticator) fetchShared(ctx context.Context, h http.Header, key cacheKey, c credentials) (*Session, *Refusal) {
	if ctx.Err() != nil {
		return nil, unavailable(context.Cause(ctx), 0)
	}
	header := a.requestHeader(h, c)
	flight := a.flights.DoChan(string(key[:]), func() (any, error) {
		// Others may wait for the result after the first caller has gone.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
		defer cancel()
		session, refusal := a.fetch(ctx, key, c, header)
		return fetchResult{session, refusal}, nil
	})
	stale, hasStale := a.sessions.getStale(key, a.now())
	var slow <-chan time.Time
	if hasStale {
		timer := time.NewTimer(slowThreshold)
		defer timer.Stop()
		slow = timer.C
	}
	select {
	case <-ctx.Done():
		return nil, unavailable(context.Cause(ctx), 0)
	case <-slow:
		a.observe(LookupStale)
		return stale, nil
	case result := <-flight:
		fetched, ok := result.Val.(fetchResult)
		switch {
		case !ok:
			return nil, unavailable(result.Err, 0)
		case fetched.refusal == nil:
			return fetched.session, nil
		case fetched.refusal.Unavailable && hasStale:
			a.observe(LookupStale)
			return stale, nil
		}
		refusal := *fetched.refusal // A copy, because each caller identifies its own credentials in it.
		return nil, &refusal
	}
}

// fetch asks the auth server for the session and stores the result in the cache.
func (a *Authenticator) fetch(ctx context.Context, key cacheKey, c credentials, header http.Header) (*Session, *Refusal) {
	start := a.now()
	// Another fetch may have ended between the caller's lookup and now.
	if session, ok := a.sessions.get(key, start); ok {
		return session, nil
	}
	if refusal := a.sessions.getRefusal(key, start); refusal != nil {
		return nil, refusal
	}
	// A token that was valid a moment ago is not made up. If it had to wait for a slot, whoever holds a revoked token
	// could keep it valid with a flood of made-up ones.
	_, known := a.sessions.getStale(key, start)
	mayBeMadeUp := c.mayBeMadeUp() && !known
	retry := a.sessions.failedRecently(key, start)
	release, refusal := a.acquireSlot(ctx, retry, mayBeMadeUp)
	if refusal != nil {
		return nil, refusal
	}
	resp, refusal := a.requestSession(ctx, c, header, retry)
	if refusal == nil {
		refusal = a.accept(resp, c)
	}
	release(refusal)
	if refusal != nil {
		a.storeRefusal(ctx, key, c, refusal, start, mayBeMadeUp)
		return nil, refusal
	}
	resp.session.AsOf = start
	a.sessions.put(key, resp.session, resp.end(a.maxSessionAge), start)
	return resp.session, nil
}

// storeRefusal caches and logs the refusal of a session, each kind in its own way. An auth server that is unavailable
// for all sessions is not cached for each of them: health.go remembers it.
func (a *Authenticator) storeRefusal(ctx context.Context, key cacheKey, c credentials, refusal *Refusal, start time.Time, mayBeMadeUp bool) {
	switch {
	case refusal.Reason == ReasonAPIKeyRateLimited:
		a.sessions.putRateLimited(key, *refusal, start)
		a.log.LogAttrs(ctx, slog.LevelWarn, "an API key has reached its own limit", slog.Any("refusal", c.identify(refusal)))
	case !refusal.Unavailable:
		a.sessions.putRefusal(key, *refusal, start, mayBeMadeUp && refusal.isUnknown())
	case refusal.Reason == ReasonSessionUnusable:
		refusal.RetryAfter = a.sessions.putFailure(key, *refusal, a.now())
		a.log.LogAttrs(ctx, slog.LevelWarn, "the auth server fails for a session", slog.Any("refusal", c.identify(refusal)))
	case !refusal.withoutRequest():
		a.log.LogAttrs(ctx, slog.LevelWarn, "auth server unavailable", slog.Any("refusal", refusal))
	}
}

// accept returns why the session in a response is refused, or nil. It sets the session's scheme and token hash.
func (a *Authenticator) accept(resp sessionResponse, c credentials) *Refusal {
	scheme, token := c.match(resp.token)
	if scheme == "" { // For example, a shared cache in front of the auth server answered.
		return unusable(errWrongSession, 0)
	}
	resp.session.Scheme, resp.session.TokenHash = scheme, shortHash(token)
	if reason := resp.refusalReason(a.maxSessionAge, a.now()); reason != "" {
		return refuse(reason)
	}
	return nil
}

// errWrongSession reports a response about another session than the requested one.
var errWrongSession = errors.New("the auth server answered with another session than was asked about")
