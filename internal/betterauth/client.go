package betterauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// maxSmallAnswer bounds an answer that is no session's, in bytes.
	maxSmallAnswer = 64 << 10
	// maxAnswerHeader bounds an answer's headers, in bytes. The jwt plugin repeats the user in one of them, image and all.
	maxAnswerHeader = 1 << 20
	// maxRetryAfter bounds the pause that an auth server may ask for.
	maxRetryAfter = time.Hour
	// defaultPause is the pause after a 429 that names none.
	defaultPause = time.Second
	// maxCode and codeCharacters are what a code of Better Auth's looks like.
	maxCode        = 64
	codeCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
	// lateInARow sessions without an answer in time, and none with one, mean that the auth server may hang. Then questions
	// may take only patience, except for one in each trialRest: it may be just slow. So many are hardly one user's.
	lateInARow = 20
	trialRest  = 10 * time.Second
)

// errPaused stands for a call that was not made.
var errPaused = errors.New("the auth server asked to be left alone")

// trouble is a failed question: no answer, an error, or an answer that is not Better Auth's.
type trouble struct {
	cause      error
	retryAfter time.Duration
	// busy is true if the auth server's own limiter asks everybody to leave it alone.
	busy bool
	// status is that of the answer, 0 if there was none.
	status int
	// said is what an error answer says in JSON, nil if it is not JSON.
	said *apiError
}

// apiError is the body of Better Auth's errors.
type apiError struct {
	// Code is "" in the answers of Better Auth's own limiter, and set in an API key's 429.
	Code string `json:"code"`
	// Details are an API key's.
	Details json.RawMessage `json:"details"`
}

// Error implements error.
func (t *trouble) Error() string { return t.cause.Error() }

// Unwrap returns the cause.
func (t *trouble) Unwrap() error { return t.cause }

// troubleOf returns the trouble in an error, nil if there is none.
func troubleOf(err error) *trouble {
	var t *trouble
	errors.As(err, &t)
	return t
}

// refusal refuses the one session that the question was about, when the auth server is known to work. Better Auth answers
// 401 and 403 about a session only if the auth server's own code has refused it.
func (t *trouble) refusal() *Refusal {
	if t.said != nil && (t.status == http.StatusUnauthorized || t.status == http.StatusForbidden) {
		return refuse(ReasonSessionRefused).because(t)
	}
	return unusable(t, t.retryAfter)
}

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

// newHTTPClient returns a client with connections of its own, unless Config.Transport is set.
func (cfg *Config) newHTTPClient() *http.Client {
	transport := cfg.Transport
	if transport == nil {
		transport = defaultTransport()
	}
	if cfg.WrapTransport != nil {
		transport = cfg.WrapTransport(transport)
	}
	return &http.Client{
		Transport: &slashRedirects{next: transport},
		// Any redirect that slashRedirects doesn't follow is the answer of something that is not Better Auth, and the
		// cookie is not for its target.
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
	tuned.MaxResponseHeaderBytes = maxAnswerHeader
	return tuned
}

// get asks and returns the body of a 200 in JSON. The error is a *trouble.
func (e *endpoint) get(ctx context.Context) ([]byte, error) {
	var body []byte
	err := e.read(ctx, nil, func(r io.Reader) error {
		var err error
		body, err = readBody(r, e.limit)
		return err
	})
	return body, err
}

// read asks and hands over the body of a 200 in JSON. The error is a *trouble. Nothing of the client's request goes along
// but the headers given: an odd Host or X-Forwarded-Proto can end a Node process.
func (e *endpoint) read(ctx context.Context, header http.Header, body func(io.Reader) error) error {
	return e.readAt(ctx, e.url, header, body)
}

// readAt is read for the endpoint's address with a query.
func (e *endpoint) readAt(ctx context.Context, address string, header http.Header, body func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return &trouble{cause: fmt.Errorf("making the request: %w", err)}
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "taskql")
	res, err := e.http.Do(req)
	if err != nil {
		return &trouble{cause: fmt.Errorf("asking the auth server: %w", err)}
	}
	defer res.Body.Close()
	// A connection with a little of an answer unread would not be used again.
	defer func() { _, _ = io.CopyN(io.Discard, res.Body, maxSmallAnswer) }()
	switch {
	case res.StatusCode != http.StatusOK:
		return e.refused(res)
	case !isJSON(res.Header):
		return &trouble{cause: errors.New("the auth server did not answer in JSON"), status: res.StatusCode}
	}
	if err := body(res.Body); err != nil {
		return &trouble{cause: fmt.Errorf("reading the auth server's answer: %w", err), status: res.StatusCode}
	}
	return nil
}

// refused reads an answer that is not a success, and begins a pause if it asks everybody for one.
func (e *endpoint) refused(res *http.Response) *trouble {
	t := &trouble{
		cause:      statusError(res),
		retryAfter: retryAfter(res.Header, e.now()),
		status:     res.StatusCode,
		said:       readAPIError(res),
	}
	if t.said != nil && t.said.Code != "" {
		t.cause = fmt.Errorf("the auth server answered %d %s", res.StatusCode, t.said.Code)
	}
	// With a code, it is not the limiter's but about what was asked, such as an API key that is used up.
	t.busy = res.StatusCode == http.StatusTooManyRequests && (t.said == nil || t.said.Code == "")
	if t.busy {
		if t.retryAfter == 0 {
			t.retryAfter = defaultPause
		}
		now := e.now()
		e.paused.Store(&span{now, now.Add(t.retryAfter)})
	}
	return t
}

// readAPIError reads an error's body, nil if it is not Better Auth's. A code that is not one goes into no log.
func readAPIError(res *http.Response) *apiError {
	if !isJSON(res.Header) {
		return nil
	}
	var said apiError
	body, err := readBody(res.Body, maxSmallAnswer)
	if err != nil || len(body) > 0 && json.Unmarshal(body, &said) != nil {
		return nil
	}
	if len(said.Code) > maxCode || strings.Trim(said.Code, codeCharacters) != "" {
		said.Code = "with a code of its own"
	}
	return &said
}

// pause is how much longer the auth server is to be left alone.
func (e *endpoint) pause() time.Duration {
	now, paused := e.now(), e.paused.Load()
	if paused == nil || !paused.holds(now) {
		return 0
	}
	return paused.until.Sub(now)
}

// client asks whose session it is.
type client struct {
	endpoint *endpoint
	// ok and nobody are what a probe asks. They have connections of their own: questions that hang may occupy all others, and
	// a probe that waited for them would fail.
	ok, nobody *endpoint
	health     *health
	late       atomic.Int32              // sessions in a row without an answer in time
	trial      atomic.Pointer[time.Time] // when a question last was allowed the whole time although many were late
}

func newClient(endpoint, ok, nobody *endpoint, timeout time.Duration, log *slog.Logger) *client {
	c := &client{endpoint: endpoint, ok: ok, nobody: nobody}
	// A probe begins when a question has waited for patience, and ends when that question does.
	c.health = newHealth(c.probe, max(timeout-patience, timeout/2), log)
	return c
}

// getSession returns what the auth server says of the session that the header carries. If there is no session or the auth
// server does not say, it returns why. An auth server that works, but fails for this session, is the session's fault. It
// is asked again if it failed for the session the last time.
func (c *client) getSession(ctx context.Context, header http.Header, again bool) (statement, *Refusal) {
	if wait := c.endpoint.pause(); wait > 0 {
		return statement{}, unavailable(errPaused, wait)
	}
	if err := c.health.admit(ctx); err != nil {
		return statement{}, unavailable(err, outageRest)
	}
	asked := time.Now()
	st, refusal, err := c.ask(ctx, header, asked)
	switch {
	case !errors.Is(err, context.DeadlineExceeded):
		c.late.Store(0)
	case !again:
		c.late.Add(1)
	}
	t := troubleOf(err)
	switch {
	case err == nil:
		c.health.answered()
		return st, refusal
	case t.busy:
		return statement{}, unavailable(t.cause, t.retryAfter)
	}
	since := asked
	if fresh := time.Now().Add(-freshAnswer); t.status != 0 && fresh.Before(asked) {
		since = fresh
	}
	if c.health.check(ctx, since) != nil {
		return statement{}, unavailable(t.cause, t.retryAfter)
	}
	return statement{}, t.refusal()
}

// ask asks about a session. The error is a *trouble.
func (c *client) ask(ctx context.Context, header http.Header, asked time.Time) (statement, *Refusal, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if c.late.Load() >= lateInARow && !c.mayTakeLong(asked) {
		var stop func()
		ctx, stop = context.WithTimeout(ctx, patience)
		defer stop()
	}
	// A dead auth server is found out before each of the questions that wait for it has used up its time.
	watch := time.AfterFunc(patience, func() {
		if err := c.health.check(ctx, asked); err != nil {
			cancel(err)
		}
	})
	defer watch.Stop()
	var a answer
	err := c.endpoint.read(ctx, header, func(body io.Reader) error {
		var err error
		a, err = readAnswer(body)
		return err
	})
	switch {
	case err != nil:
		return statement{}, nil, err
	case a.top == nil:
		return statement{}, refuse(ReasonSessionNull), nil
	}
	st, err := a.statement()
	if err != nil {
		err = &trouble{cause: fmt.Errorf("reading the auth server's answer: %w", err), status: http.StatusOK}
	}
	return st, nil, err
}

// mayTakeLong reports whether a question may take its whole time although the auth server seems to hang.
func (c *client) mayTakeLong(now time.Time) bool {
	last := c.trial.Load()
	return (last == nil || now.Sub(*last) >= trialRest) && c.trial.CompareAndSwap(last, &now)
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
