// Package live keeps subscriptions up to date. A Hub is told which workspaces have changed, runs the queries of the
// subscriptions that watch them, and gives the results to the clients' connections. Subscriptions that ask for the same at
// the same position share one run and its result.
//
// Nothing is queued for a client. A subscription that can't be served now, because its client is slow, its session could
// not be verified or its budget is spent, stays at its position, and its query is run from there once it can be: the client
// gets fewer and newer results, and misses nothing.
//
// The package knows neither GraphQL nor HTTP nor what a workspace contains.
package live

import (
	"context"
	"errors"
	"time"
)

// Query is what a subscription asks for.
type Query interface {
	// Key identifies the query, whatever its position. Queries with equal keys give equal results at equal positions, so
	// whatever a result depends on is part of the key: the viewer too, if another one could get another result. It may only
	// change when the session is verified, with Verdict.Changed.
	Key() Key
	// Name says what the query is about, as one of few words that statistics count it by.
	Name() string
	// Run reads and encodes what comes after a position. It is called by one goroutine at a time for each subscription.
	// The context ends if the hub is closed.
	Run(ctx context.Context, at Position) Result
}

// Key identifies a Query, such as a part of a cryptographic hash of what its results depend on.
type Key [16]byte

// Position is how far a subscription has got: a value that can be compared by ==. Subscriptions of one key share results if
// their positions are equal.
type Position any

// Result is the outcome of one run of a Query.
type Result struct {
	// Data is what is sent. If it is nil, nothing is sent. Nobody may change it.
	Data []byte
	// Position is the subscription's position after Data.
	Position Position
	// Version is the workspace's version that the result is about. The query is not run again for changes up to it. Zero: it is
	// about those that the hub had been told of when the run began.
	Version int
	// More makes the query run again at once, from Position.
	More bool
	// Next is when the query runs again even if nothing changes; zero for never. AsOf is what Config.Now showed when the query found
	// Next. If the clock is set back to before that, the query runs again.
	Next, AsOf time.Time
	// Cost is taken from the client's budget if Data is delivered.
	Cost int
	// RunCost is taken from the budget of the client for whom the query was run, whether or not there is Data. It keeps queries
	// from being cheap to ask and dear to run again and again.
	RunCost int
	// End ends the subscription. The sink gets it, and nothing else of the result counts. It is ErrComplete if there is no error.
	End error
	// Fault says that the query could not be run now. It is run again after a while, and nothing else of the result counts.
	Fault error
}

// Sink is a client's end of a subscription. Its methods must not block. No two of them are called at once.
type Sink interface {
	// Next sends data, and reports whether the connection took it. If it didn't, because what was sent before is still
	// waiting, it calls Subscription.Ready once it can take more, and the subscription sends what is right then. Data may not be
	// changed, nor kept after Next returns.
	Next(data []byte) bool
	// End is the last call. The subscription has ended by itself: because of ErrComplete, ErrSessionEnded, ErrClosing or the
	// query's own error.
	End(err error)
}

// Why subscriptions end, beside the errors of their queries.
var (
	// ErrComplete ends a subscription without an error.
	ErrComplete = errors.New("complete")
	// ErrSessionEnded ends the subscriptions of a session that has ended: its user signed out, was banned or erased, or it
	// has expired.
	ErrSessionEnded = errors.New("the session has ended")
	// ErrClosing ends subscriptions because the server is shutting down. Clients should subscribe again, at another server.
	ErrClosing = errors.New("the server is shutting down")
	// ErrTooMany refuses a subscription because there are too many.
	ErrTooMany = errors.New("too many subscriptions")
)

// Client is what a Session needs to know of whoever is signed in. It is called by several goroutines.
type Client interface {
	// UserID returns the user's id.
	UserID() string
	// Verify checks the session again. The context has a deadline.
	Verify(ctx context.Context) Verdict
	// Spend takes cost from the user's budget, even if too little is left, and returns how long the user then has to wait:
	// zero unless the user is in debt.
	Spend(cost int) time.Duration
}

// Verdict is the result of checking a session.
type Verdict struct {
	// State is whether the session is valid.
	State State
	// Until is until when results may be delivered without another check, if the session is valid.
	Until time.Time
	// Expires is when the session ends unless it is extended; zero if that is not known. It is checked again then.
	Expires time.Time
	// Changed says that the results of the session's subscriptions may have changed with it: their queries run again.
	Changed bool
	// RetryAfter is how long to wait before the next check, if the session's state is unknown; zero if nothing is known.
	RetryAfter time.Duration
}

// State is whether a session is valid.
type State int

// The states of a session.
const (
	// Unknown: the session can't be checked now. Results wait, and no subscription ends.
	Unknown State = iota
	// Valid: results may be delivered.
	Valid
	// Ended: the subscriptions of the session end.
	Ended
)

type sessionKey struct{}

// WithSession returns a context for subscriptions of the session.
func WithSession(ctx context.Context, s *Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

// SessionOf returns the context's session; nil if it has none.
func SessionOf(ctx context.Context) *Session {
	s, _ := ctx.Value(sessionKey{}).(*Session)
	return s
}
