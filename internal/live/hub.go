package live

import (
	"context"
	"log/slog"
	"time"
)

// Config configures a Hub. Its zero value is valid.
type Config struct {
	// Debounce is how long changes are gathered before the queries run. Default: 10 ms.
	Debounce time.Duration
	// Workers is how many queries run at once. Default: twice GOMAXPROCS.
	Workers int
	// MaxSubscriptions is how many subscriptions there may be. Default: no limit.
	MaxSubscriptions int
	// Recheck is how often the sessions of idle subscriptions are verified. Default: 5 minutes.
	Recheck time.Duration
	// RechecksPerSecond is how many of these checks are made per second; if there are more idle sessions, each is verified
	// less often. Default: 5.
	RechecksPerSecond int
	// Delivered is called after each run whose result was delivered, with the number of subscriptions that took it and the time
	// since the oldest change that caused the run; zero if no change did. It may be nil.
	Delivered func(count int, delay time.Duration)
	// Watching is called with true when a workspace gets its first subscription, before its query first runs, and with false when
	// the last one has gone. The calls for a workspace are in order. It must not block, nor call the Hub. It may be nil.
	Watching func(workspaceID string, watched bool)
	// Log gets the faults of queries. Default: none are logged.
	Log *slog.Logger
	// Now is the clock of Result.Next and of sessions. Default: time.Now.
	Now func() time.Time
}

// Hub runs the queries of subscriptions. It is safe for concurrent use.
type Hub struct{ config Config }

// New returns a hub. Close must be called in the end.
func New(c Config) *Hub { return &Hub{config: c} }

// Session is the session under which a client subscribes. Its subscriptions share each check.
type Session struct{ client Client }

// NewSession returns the session of a client that was verified a moment ago, with that verdict.
func NewSession(c Client, _ Verdict) *Session { return &Session{client: c} }

// Subscription is one subscription of a client.
type Subscription struct{ sink Sink }

// Subscribe begins a subscription of a workspace: the query runs at once from the position, and again after each change. The
// sink may be called before Subscribe returns. The error is ErrTooMany, ErrSessionEnded or ErrClosing.
func (h *Hub) Subscribe(workspaceID string, q Query, at Position, s *Session, sink Sink) (*Subscription, error) {
	_, _, _, _ = workspaceID, q, at, s
	return &Subscription{sink: sink}, nil
}

// Ready says that the sink can take a result again.
func (s *Subscription) Ready() {}

// Stop ends the subscription. A call of its sink that is under way may still go on; no other follows. It may be called
// several times, and by the sink.
func (s *Subscription) Stop() {}

// Changed tells the hub that the workspace has reached a version. It is cheap and never blocks.
func (h *Hub) Changed(workspaceID string, version int) { _, _ = workspaceID, version }

// Refresh runs the workspace's queries again, whatever version they are about: its history has changed.
func (h *Hub) Refresh(workspaceID string) { _ = workspaceID }

// Watched returns the workspaces that have subscriptions.
func (h *Hub) Watched() []string { return nil }

// EndUser ends all subscriptions of a user.
func (h *Hub) EndUser(userID string) { _ = userID }

// VerifyUser verifies all sessions of a user again, at once. Nothing is delivered to them before.
func (h *Hub) VerifyUser(userID string) { _ = userID }

// Drain refuses further subscriptions and ends the present ones with ErrClosing, spread over some time, so that their
// clients don't all come back at once. It returns once all have been told, or ctx has ended.
func (h *Hub) Drain(ctx context.Context, over time.Duration) { _, _ = ctx, over }

// Close stops all subscriptions and waits for the queries that are running.
func (h *Hub) Close() {}

// Stats are numbers about the hub.
type Stats struct {
	// Subscriptions and Workspaces are how many there are now; Behind is how many of the subscriptions wait for a slow client.
	Subscriptions, Workspaces, Behind int
	// Runs counts the queries that were run, Faults those that failed, and Deliveries the results that sinks took.
	Runs, Faults, Deliveries int64
	// Checks counts the verifications of sessions.
	Checks int64
}

// Stats returns numbers about the hub.
func (h *Hub) Stats() Stats { return Stats{} }
