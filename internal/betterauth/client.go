package betterauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// maxAnswer bounds a get-session answer, in bytes. Users' images are sometimes data URLs of whole photographs.
	maxAnswer = 8 << 20
	// maxRetryAfter bounds the pause that an auth server may ask for.
	maxRetryAfter = time.Hour
	// defaultPause is the pause after a 429 that names none.
	defaultPause = time.Second
	// breakerRest is how long an auth server that is down is left alone before one request tries it again.
	breakerRest = 2 * time.Second
	// breakerFailures in a row mean that the auth server is down. One time-out is enough: it costs too much to repeat.
	breakerFailures = 3
)

// errPaused stands for a call that was not made.
var errPaused = errors.New("the auth server asked to be left alone")

// trouble is an answer that says nothing about the session: an error, or not Better Auth's.
type trouble struct {
	cause      error
	retryAfter time.Duration
	// busy is true where the auth server is alive and asks to be left alone.
	busy bool
	// status is that of the answer, 0 where there was none.
	status int
}

// Error implements error.
func (t *trouble) Error() string { return t.cause.Error() }

// Unwrap returns the cause.
func (t *trouble) Unwrap() error { return t.cause }

// endpoint is an address of the auth server that answers GET with JSON.
type endpoint struct {
	url   string
	limit int
	http  *http.Client
	now   func() time.Time
	// paused is for how long the auth server asks not to be called, nil where it never did.
	paused atomic.Pointer[span]
}

// span is a time by now's clock. It does not hold before it began: where the clock is set back, nothing waits for that.
type span struct{ from, until time.Time }

func (s span) holds(now time.Time) bool { return now.Before(s.until) && !now.Before(s.from) }

func newHTTPClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = defaultTransport()
	}
	return &http.Client{
		Transport: transport,
		// A redirect is the answer of something that is not Better Auth, and the cookie is not for its target.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// defaultTransport keeps enough connections to its one host open, and reads no endless headers.
func defaultTransport() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	tuned := standard.Clone()
	tuned.MaxIdleConnsPerHost = 32
	tuned.MaxConnsPerHost = 128
	tuned.MaxResponseHeaderBytes = 64 << 10
	return tuned
}

// get asks and returns the body of a 200 in JSON. The error is a *trouble. Nothing of the client's request goes along
// but the headers given: an odd Host or X-Forwarded-Proto can end a Node process.
func (e *endpoint) get(ctx context.Context, header http.Header) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url, http.NoBody)
	if err != nil {
		return nil, &trouble{cause: fmt.Errorf("making the request: %w", err)}
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "taskql")
	res, err := e.http.Do(req)
	if err != nil {
		return nil, &trouble{cause: fmt.Errorf("asking the auth server: %w", err)}
	}
	defer res.Body.Close()
	// The body is read in any case: a connection with an unread answer can't be used again.
	body, err := readBody(res.Body, e.limit)
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, e.refused(res)
	case err != nil:
		return nil, &trouble{cause: fmt.Errorf("reading the auth server's answer: %w", err), status: res.StatusCode}
	case !isJSON(res.Header):
		return nil, &trouble{cause: errors.New("the auth server did not answer in JSON"), status: res.StatusCode}
	}
	return body, nil
}

// refused reads an answer that is not a success, and begins a pause where it asks for one.
func (e *endpoint) refused(res *http.Response) *trouble {
	t := &trouble{
		cause:      fmt.Errorf("the auth server answered %d", res.StatusCode),
		retryAfter: retryAfter(res.Header, e.now()),
		busy:       res.StatusCode == http.StatusTooManyRequests,
		status:     res.StatusCode,
	}
	if t.busy {
		if t.retryAfter == 0 {
			t.retryAfter = defaultPause
		}
		now := e.now()
		e.paused.Store(&span{now, now.Add(t.retryAfter)})
	}
	return t
}

// pause is how much longer the auth server is to be left alone.
func (e *endpoint) pause() time.Duration {
	now, paused := e.now(), e.paused.Load()
	if paused == nil || !paused.holds(now) {
		return 0
	}
	return paused.until.Sub(now)
}

// client asks whose session it is. A breaker stands before it: while the auth server is down, most requests learn so at
// once, and only one in a while finds out whether it is back.
type client struct {
	endpoint *endpoint
	breaker  *gobreaker.CircuitBreaker[[]byte]
}

func newClient(e *endpoint, log *slog.Logger) *client {
	slow := false // Only touched under the breaker's lock: it judges an error and decides on it in one go.
	return &client{endpoint: e, breaker: gobreaker.NewCircuitBreaker[[]byte](gobreaker.Settings{
		Name:    "auth server",
		Timeout: breakerRest,
		IsSuccessful: func(err error) bool {
			var t *trouble
			busy := errors.As(err, &t) && t.busy
			slow = errors.Is(err, context.DeadlineExceeded)
			return err == nil || busy
		},
		ReadyToTrip: func(counts gobreaker.Counts) bool {
			return slow || counts.ConsecutiveFailures >= breakerFailures
		},
		OnStateChange: func(_ string, from, to gobreaker.State) {
			log.LogAttrs(context.Background(), slog.LevelWarn, "auth server breaker",
				slog.String("from", from.String()), slog.String("to", to.String()))
		},
	})}
}

// getSession returns what the auth server says of the session that the header carries. Where nobody knows, or there is
// no session, it returns why.
func (c *client) getSession(ctx context.Context, header http.Header) (statement, *Refusal) {
	if wait := c.endpoint.pause(); wait > 0 {
		return statement{}, unavailable(errPaused, wait)
	}
	body, err := c.breaker.Execute(func() ([]byte, error) { return c.endpoint.get(ctx, header) })
	if err != nil {
		return statement{}, troubled(err)
	}
	return parseAnswer(body)
}

// troubled turns an error of the endpoint or the breaker into a refusal.
func troubled(err error) *Refusal {
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return unavailable(err, breakerRest)
	}
	var t *trouble
	if errors.As(err, &t) {
		return unavailable(t.cause, t.retryAfter)
	}
	return unavailable(err, 0)
}

// spared reports whether a refusal came without a call to the auth server.
func (r *Refusal) spared() bool {
	return errors.Is(r.Err, errPaused) ||
		errors.Is(r.Err, gobreaker.ErrOpenState) || errors.Is(r.Err, gobreaker.ErrTooManyRequests)
}

func readBody(r io.Reader, limit int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(body) > limit {
		return nil, fmt.Errorf("it is longer than %d bytes", limit)
	}
	return body, err
}

func isJSON(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && media == "application/json"
}

// retryAfter reads how long to wait: Better Auth's limiter says X-Retry-After in seconds, proxies say Retry-After in
// seconds or as a date (RFC 9110, section 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	var wait time.Duration
	for _, name := range [...]string{"X-Retry-After", "Retry-After"} {
		value := h.Get(name)
		if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
			wait = time.Duration(seconds) * time.Second
			break
		}
		if date, err := http.ParseTime(value); err == nil {
			wait = date.Sub(now)
			break
		}
	}
	return min(max(wait, 0), maxRetryAfter)
}

// parseAnswer reads the body of get-session. Only "null" means that there is no session; anything else that is not a
// whole session is a fault of the auth server's.
func parseAnswer(body []byte) (statement, *Refusal) {
	answer, err := parseObject(body)
	if err != nil {
		return statement{}, unavailable(fmt.Errorf("parsing the auth server's answer: %w", err), 0)
	}
	if answer == nil {
		return statement{}, refuse(ReasonSessionNull)
	}
	st, err := readStatement(answer)
	if err != nil {
		return statement{}, unavailable(fmt.Errorf("parsing the auth server's answer: %w", err), 0)
	}
	return st, nil
}
