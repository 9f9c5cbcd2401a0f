package betterauth

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"
)

// client asks the auth server about sessions.
type client struct {
	endpoint *endpoint // get-session
	health   *health
	hangs    hangDetector
}

// request is a GET request to the auth server with a client's credentials.
type request struct {
	endpoint *endpoint
	// query is the URL's, with its "?", or empty.
	query  string
	header http.Header
	// decode reads the body of a 200 with JSON.
	decode func(io.Reader) error
	// refusal returns what an error response says, or nil if the auth server has failed. It may be nil.
	refusal func(*upstreamError) *Refusal
	// retry is true if the auth server failed for the same the last time.
	retry bool
}

// newClient returns a client that asks for sessions at getSession, and for the auth server's health at ok and
// anonymous, see probe.
func newClient(getSession, ok, anonymous *endpoint, timeout time.Duration, log *slog.Logger) *client {
	check := func(ctx context.Context) error { return probe(ctx, ok, anonymous) }
	return &client{
		endpoint: getSession,
		// A probe begins when a request has waited for slowThreshold. It ends when that request does.
		health: newHealth(check, max(timeout-slowThreshold, timeout/2), log),
	}
}

// getSession returns the auth server's response about the session of the credentials in header, or why there is none.
// Set retry if the auth server failed for the session the last time.
func (c *client) getSession(ctx context.Context, header http.Header, retry bool) (sessionResponse, *Refusal) {
	var resp sessionResponse
	refusal := c.send(ctx, request{
		endpoint: c.endpoint, header: header, retry: retry,
		decode: func(r io.Reader) error {
			body, err := decodeResponse(r)
			if err == nil && body.top != nil {
				resp, err = body.sessionResponse()
			}
			return err
		},
	})
	if refusal == nil && resp.session == nil {
		refusal = refuse(ReasonSessionNull)
	}
	return resp, refusal
}

// send sends a request and reads the response. It returns the refusal that the auth server has given, or the one for its
// failure.
func (c *client) send(ctx context.Context, r request) *Refusal {
	if wait := r.endpoint.pause(); wait > 0 {
		return unavailable(errPaused, wait)
	}
	if err := c.health.allow(ctx); err != nil {
		return unavailable(err, outageRest)
	}
	sent := time.Now()
	err := c.roundTrip(ctx, r, sent)
	c.hangs.record(err, r.retry)
	if failure := asUpstreamError(err); failure != nil {
		var refusal *Refusal
		if r.refusal != nil {
			refusal = r.refusal(failure)
		}
		if refusal == nil {
			return c.failureRefusal(ctx, err, sent)
		}
		c.health.recordSuccess()
		return refusal
	}
	c.health.recordSuccess()
	return nil
}

// roundTrip sends a request and reads the response. The error is an *upstreamError.
func (c *client) roundTrip(ctx context.Context, r request, sent time.Time) error {
	ctx, cancel := c.hangs.limit(ctx, sent)
	defer cancel()
	ctx, stop := c.probeIfSlow(ctx, sent)
	defer stop()
	return r.endpoint.readURL(ctx, r.endpoint.url+r.query, r.header, r.decode)
}

// probeIfSlow probes the auth server if the request is still in progress after slowThreshold, and cancels the request
// if the probe fails. An auth server that is down is therefore noticed before each waiting request has used up its
// timeout. It returns the request's context and a function to call after the request.
func (c *client) probeIfSlow(ctx context.Context, sent time.Time) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(slowThreshold, func() {
		if err := c.health.check(ctx, sent); err != nil {
			cancel(err)
		}
	})
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// failureRefusal returns the refusal for a failed request. If the auth server's limiter refused it or a probe fails
// too, the auth server is unavailable. Otherwise it fails for this session only.
func (c *client) failureRefusal(ctx context.Context, err error, sent time.Time) *Refusal {
	failure := asUpstreamError(err)
	if failure.rateLimited {
		return unavailable(failure.cause, failure.retryAfter)
	}
	// If there was a response, a success shortly before the request proves as well that the auth server works.
	since := sent
	if fresh := time.Now().Add(-freshSuccess); failure.status != 0 && fresh.Before(sent) {
		since = fresh
	}
	if c.health.check(ctx, since) != nil {
		return unavailable(failure.cause, failure.retryAfter)
	}
	return failure.sessionRefusal()
}

// sessionRefusal returns the refusal of the one session that the request was about, given that the auth server works.
// Better Auth answers 401 or 403 only if the auth server's own code has refused the session.
func (e *upstreamError) sessionRefusal() *Refusal {
	if e.body != nil && (e.status == http.StatusUnauthorized || e.status == http.StatusForbidden) {
		return refuse(ReasonSessionRefused).withCause(e)
	}
	return unusable(e, e.retryAfter)
}

// withoutRequest reports whether a refusal was made without a request to the auth server.
func (r *Refusal) withoutRequest() bool {
	return errors.Is(r.Err, errPaused) ||
		errors.Is(r.Err, gobreaker.ErrOpenState) || errors.Is(r.Err, gobreaker.ErrTooManyRequests)
}
