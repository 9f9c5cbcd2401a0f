package betterauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/singleflight"
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
	session, refusal := a.sessions.find(ctx, a.sessionQuestion(h, c, key))
	if refusal != nil {
		return nil, c.identify(refusal)
	}
	return session, nil
}

// sessionQuestion returns the question for the session of the credentials.
func (a *Authenticator) sessionQuestion(h http.Header, c credentials, key cacheKey) question[*Session] {
	q := question[*Session]{key: key, mayBeMadeUp: c.mayBeMadeUp(), identify: c.identify}
	if a.trustData && c.bearer.kind == bearerNone && c.apiKey == "" {
		q.local = func(ctx context.Context) (*Session, bool) {
			session := a.trustedSessionData(ctx, h, c.cookie, a.now())
			return session, session != nil
		}
	}
	header := a.requestHeader(h, c)
	q.ask = func(ctx context.Context, start time.Time, retry bool) (*Session, time.Time, *Refusal) {
		resp, refusal := a.requestSession(ctx, c, header, retry)
		if refusal == nil {
			refusal = a.accept(resp, c)
		}
		if refusal != nil {
			return nil, time.Time{}, refusal
		}
		resp.session.AsOf = start
		return resp.session, resp.end(a.maxSessionAge), nil
	}
	return q
}

// question is what the auth server is asked if the cache has no fresh answer.
type question[A answer] struct {
	key cacheKey
	// since is the time from which on answers count that others have requested, zero for all that are fresh.
	since time.Time
	// mayBeMadeUp is true if anybody can make up such a question.
	mayBeMadeUp bool
	// local returns an answer that needs no request, if there is one. It may be nil.
	local func(context.Context) (A, bool)
	// ask sends the requests. It returns the answer and when that ends at the latest. retry is true if that failed the
	// last time.
	ask func(ctx context.Context, start time.Time, retry bool) (A, time.Time, *Refusal)
	// identify sets in a refusal which credentials were refused, and returns the refusal.
	identify func(*Refusal) *Refusal
}

// lookups finds answers of one kind, in its cache or by asking the auth server.
type lookups[A answer] struct {
	*cache[A]
	auth    *Authenticator
	flights singleflight.Group
	observe func(Lookup)
}

// find answers a question that the cache has no fresh answer to.
func (l *lookups[A]) find(ctx context.Context, q question[A]) (A, *Refusal) {
	now := l.auth.now()
	refusal := l.getRefusal(q.key, now)
	if refusal != nil && !refusal.Unavailable {
		l.observe(LookupRefused)
		return *new(A), refusal
	}
	if refusal == nil {
		l.observe(LookupMiss)
	}
	if q.local != nil {
		if answer, ok := q.local(ctx); ok {
			return answer, nil
		}
	}
	if refusal != nil {
		return l.staleOrRefusal(q.key, now, refusal)
	}
	found, refusal := l.fetchShared(ctx, q)
	if refusal == nil && l.forgotten.has(found.answer.owner(), found.requested) { // Somebody else's request was under way.
		found, refusal = l.fetchShared(ctx, q)
	}
	return found.answer, refusal
}

// staleOrRefusal returns the stale answer, or the refusal if there is none. The auth server failed for this question a
// moment ago and is not asked again yet.
func (l *lookups[A]) staleOrRefusal(key cacheKey, now time.Time, refusal *Refusal) (A, *Refusal) {
	if answer, ok := l.getStale(key, now); ok {
		l.observe(LookupStale)
		return answer, nil
	}
	l.observe(LookupRefused)
	return *new(A), refusal
}

// fetched is the result of a shared fetch.
type fetched[A answer] struct {
	answer    A
	requested time.Time // when the auth server was asked
	refusal   *Refusal
}

// fetchShared fetches the answer, or waits for the fetch that is in progress for the same key. If the auth server is
// slow or unavailable, it returns the stale answer if there is one.
func (l *lookups[A]) fetchShared(ctx context.Context, q question[A]) (fetched[A], *Refusal) {
	if ctx.Err() != nil {
		return fetched[A]{}, unavailable(context.Cause(ctx), 0)
	}
	flight := l.flights.DoChan(string(q.key[:]), func() (any, error) {
		// Others may wait for the result after the first caller has gone.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.auth.timeout)
		defer cancel()
		return l.fetch(ctx, q), nil
	})
	now := l.auth.now()
	answer, hasStale := l.getStale(q.key, now)
	stale := fetched[A]{answer: answer, requested: now} // It is not forgotten.
	var slow <-chan time.Time
	if hasStale {
		timer := time.NewTimer(slowThreshold)
		defer timer.Stop()
		slow = timer.C
	}
	select {
	case <-ctx.Done():
		return fetched[A]{}, unavailable(context.Cause(ctx), 0)
	case <-slow:
		l.observe(LookupStale)
		return stale, nil
	case result := <-flight:
		found, ok := result.Val.(fetched[A])
		switch {
		case !ok:
			return fetched[A]{}, unavailable(result.Err, 0)
		case found.refusal == nil:
			return found, nil
		case found.refusal.Unavailable && hasStale:
			l.observe(LookupStale)
			return stale, nil
		}
		refusal := *found.refusal // A copy, because each caller identifies its own credentials in it.
		return fetched[A]{}, &refusal
	}
}

// fetch asks the auth server and stores the result in the cache.
func (l *lookups[A]) fetch(ctx context.Context, q question[A]) fetched[A] {
	start := l.auth.now()
	// Another fetch may have ended between the caller's lookup and now.
	if answer, ok := l.getSince(q.key, start, q.since); ok {
		return fetched[A]{answer: answer, requested: start}
	}
	if refusal := l.getRefusal(q.key, start); refusal != nil {
		return fetched[A]{refusal: refusal}
	}
	// A token that was valid a moment ago is not made up. If it had to wait for a slot, whoever holds a revoked token
	// could keep it valid with a flood of made-up ones.
	_, known := l.getStale(q.key, start)
	mayBeMadeUp := q.mayBeMadeUp && !known
	retry := l.failedRecently(q.key, start)
	release, refusal := l.auth.acquireSlot(ctx, retry, mayBeMadeUp)
	if refusal != nil {
		return fetched[A]{refusal: refusal}
	}
	answer, end, refusal := q.ask(ctx, start, retry)
	release(refusal)
	if refusal != nil {
		l.storeRefusal(ctx, q, refusal, start, mayBeMadeUp)
		return fetched[A]{refusal: refusal}
	}
	l.put(q.key, answer, end, start)
	return fetched[A]{answer: answer, requested: start}
}

// storeRefusal caches and logs a refusal, each kind in its own way. An auth server that is unavailable for all sessions
// is not cached for each of them: health.go remembers it.
func (l *lookups[A]) storeRefusal(ctx context.Context, q question[A], refusal *Refusal, start time.Time, mayBeMadeUp bool) {
	log := l.auth.log
	switch {
	case refusal.Reason == ReasonAPIKeyRateLimited:
		l.putRateLimited(q.key, *refusal, start)
		log.LogAttrs(ctx, slog.LevelWarn, "an API key has reached its own limit", slog.Any("refusal", q.identify(refusal)))
	case !refusal.Unavailable:
		l.putRefusal(q.key, *refusal, start, mayBeMadeUp && refusal.isUnknown())
	case refusal.Reason == ReasonSessionUnusable:
		refusal.RetryAfter = l.putFailure(q.key, *refusal, l.auth.now())
		log.LogAttrs(ctx, slog.LevelWarn, "the auth server fails for a session", slog.Any("refusal", q.identify(refusal)))
	case !refusal.withoutRequest():
		log.LogAttrs(ctx, slog.LevelWarn, "auth server unavailable", slog.Any("refusal", refusal))
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
