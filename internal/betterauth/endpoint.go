package betterauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxSmallResponse is the maximum length of a response that contains no session, in bytes.
	maxSmallResponse = 64 << 10
	// maxResponseHeader is the maximum length of a response's headers, in bytes. The jwt plugin repeats the user in one
	// of them, with the image.
	maxResponseHeader = 1 << 20
	// maxRetryAfter is the longest pause that the auth server can ask for.
	maxRetryAfter = time.Hour
	// defaultPause is the pause after a 429 that names none.
	defaultPause = time.Second
	// maxErrorCode and errorCodeCharacters are the format of Better Auth's error codes.
	maxErrorCode        = 64
	errorCodeCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
)

// errPaused reports that no request was sent, because the auth server has asked for a pause.
var errPaused = errors.New("the auth server asked for a pause")

// upstreamError is a failed request to the auth server: no response, an error, or a response that is not Better Auth's.
type upstreamError struct {
	cause      error
	retryAfter time.Duration
	// rateLimited is true if the auth server's own limiter refused the request. It then asks all clients for a pause.
	rateLimited bool
	// status is the response's status, 0 if there was no response.
	status int
	// body is the body of an error response, nil if it is not JSON.
	body *errorBody
}

// errorBody is the body of Better Auth's error responses.
type errorBody struct {
	// Code is empty in the responses of Better Auth's own limiter, and set in a 429 about an API key.
	Code string `json:"code"`
	// Details are set in errors about API keys.
	Details json.RawMessage `json:"details"`
}

// Error implements error.
func (e *upstreamError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *upstreamError) Unwrap() error { return e.cause }

// asUpstreamError returns the upstreamError in err's chain, or nil if there is none.
func asUpstreamError(err error) *upstreamError {
	var e *upstreamError
	errors.As(err, &e)
	return e
}

// endpoint is an address of the auth server that answers GET requests with JSON.
type endpoint struct {
	url   string
	limit int // the maximum length of a response that get returns, in bytes
	http  *http.Client
	now   func() time.Time
	// paused is the pause that the auth server last asked for, nil if it never did.
	paused atomic.Pointer[period]
}

// period is a period of time by the clock Config.Now.
type period struct{ from, until time.Time }

// contains reports whether now is in the period. If the clock is set back, the times before from are not in it, so that
// nothing waits longer than the period's length.
func (p period) contains(now time.Time) bool { return now.Before(p.until) && !now.Before(p.from) }

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
		// Any other redirect comes from something that is not Better Auth, and its target must not receive the cookie.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// defaultTransport returns a transport that keeps enough connections to its one host open, and bounds headers.
func defaultTransport() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	tuned := standard.Clone()
	tuned.MaxIdleConnsPerHost = 32
	tuned.MaxConnsPerHost = 128
	tuned.MaxResponseHeaderBytes = maxResponseHeader
	return tuned
}

// get sends a request without headers and returns the response's body. The error is an *upstreamError.
func (e *endpoint) get(ctx context.Context) ([]byte, error) {
	var body []byte
	err := e.read(ctx, nil, func(r io.Reader) error {
		var err error
		body, err = readBody(r, e.limit)
		return err
	})
	return body, err
}

// read sends a request and calls decode with the body of the response, if that is a 200 with JSON. The error is an
// *upstreamError.
//
// Only the given headers of the client's request are forwarded: an unusual Host or X-Forwarded-Proto can end a Node
// process.
func (e *endpoint) read(ctx context.Context, header http.Header, decode func(io.Reader) error) error {
	return e.readURL(ctx, e.url, header, decode)
}

// readURL is like read, for the endpoint's URL with a query.
func (e *endpoint) readURL(ctx context.Context, url string, header http.Header, decode func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return &upstreamError{cause: fmt.Errorf("making the request: %w", err)}
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "taskql")
	res, err := e.http.Do(req)
	if err != nil {
		return &upstreamError{cause: fmt.Errorf("asking the auth server: %w", err)}
	}
	defer res.Body.Close()
	// A connection is reused only if the response has been read to its end.
	defer func() { _, _ = io.CopyN(io.Discard, res.Body, maxSmallResponse) }()
	switch {
	case res.StatusCode != http.StatusOK:
		return e.errorResponse(res)
	case !isJSON(res.Header):
		return &upstreamError{cause: errors.New("the auth server did not answer in JSON"), status: res.StatusCode}
	}
	if err := decode(res.Body); err != nil {
		return &upstreamError{cause: fmt.Errorf("reading the auth server's answer: %w", err), status: res.StatusCode}
	}
	return nil
}

// errorResponse reads a response with an error status. It begins a pause if the auth server's limiter asks for one.
func (e *endpoint) errorResponse(res *http.Response) *upstreamError {
	failure := &upstreamError{
		cause:      statusError(res),
		retryAfter: retryAfter(res.Header, e.now()),
		status:     res.StatusCode,
		body:       readErrorBody(res),
	}
	if failure.body != nil && failure.body.Code != "" {
		failure.cause = fmt.Errorf("the auth server answered %d %s", res.StatusCode, failure.body.Code)
	}
	// A 429 with a code is not the limiter's. It is about the credentials, such as an API key that is used up.
	failure.rateLimited = res.StatusCode == http.StatusTooManyRequests && (failure.body == nil || failure.body.Code == "")
	if failure.rateLimited {
		if failure.retryAfter == 0 {
			failure.retryAfter = defaultPause
		}
		now := e.now()
		e.paused.Store(&period{now, now.Add(failure.retryAfter)})
	}
	return failure
}

// readErrorBody reads the body of an error response. It returns nil if that is not JSON. A code that doesn't have the
// format of Better Auth's is replaced, so that it doesn't appear in logs.
func readErrorBody(res *http.Response) *errorBody {
	if !isJSON(res.Header) {
		return nil
	}
	var decoded errorBody
	body, err := readBody(res.Body, maxSmallResponse)
	if err != nil || len(body) > 0 && json.Unmarshal(body, &decoded) != nil {
		return nil
	}
	if len(decoded.Code) > maxErrorCode || strings.Trim(decoded.Code, errorCodeCharacters) != "" {
		decoded.Code = "with a code of its own"
	}
	return &decoded
}

// pause returns how much longer the auth server must not be asked, because it has asked for a pause.
func (e *endpoint) pause() time.Duration {
	now, paused := e.now(), e.paused.Load()
	if paused == nil || !paused.contains(now) {
		return 0
	}
	return paused.until.Sub(now)
}

// readBody reads at most limit bytes. A longer body is an error.
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

// retryAfter returns how long a response asks to wait, at most maxRetryAfter. Better Auth's limiter sends X-Retry-After
// in seconds, proxies send Retry-After in seconds or as a date (RFC 9110, section 10.2.3).
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
