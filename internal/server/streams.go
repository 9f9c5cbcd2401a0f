package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/graph"
	"taskql/internal/graphqlhttp"
	"taskql/internal/live"
	"taskql/internal/streamconn"
	"taskql/internal/telemetry"
	"taskql/internal/viewer"
)

const (
	// streamMessage is the message of the log's line at the end of a stream.
	streamMessage = "stream ended"
	// streamsFullRetry is when a client should try again if the server has as many streams as it may.
	streamsFullRetry = 5 * time.Second
)

// streams are the connections that outlive the handler of their request: event streams and WebSockets. It bounds how many
// there are, and logs when they end.
type streams struct {
	registry streamconn.Registry
	// perUser and total are how many may be open: of one user, or of one address if nobody is signed in, and in all.
	perUser, total int
	log            *slog.Logger
	telemetry      *telemetry.Telemetry
	now            func() time.Time

	mu     sync.Mutex
	open   int
	byUser map[string]int
}

func newStreams(cfg Config) *streams {
	return &streams{
		perUser: cfg.Config.LimitStreams, total: cfg.Config.LimitStreamsTotal,
		log: cfg.Log, telemetry: cfg.Telemetry, now: cfg.Now, byUser: map[string]int{},
	}
}

// streamContext is the context of a stream. It has nothing of the request but what the stream's results, its limits and its
// line in the log depend on, because it stays in memory as long as the stream.
type streamContext struct {
	context.Context //nolint:containedctx // It is a context, with the viewer, or why there is none, and the session.

	info requestInfo
	// start is when the stream was opened; zero if it is not yet.
	start time.Time
	// moved is a context with the viewer in another time zone than when the stream was opened; nil if it is the same.
	moved atomic.Pointer[context.Context]
}

// Value implements context.Context.
func (c *streamContext) Value(key any) any {
	if key == (requestInfoKey{}) {
		return &c.info
	}
	if viewer.IsMembershipsKey(key) {
		return c.memberships()
	}
	if moved := c.moved.Load(); moved != nil {
		return (*moved).Value(key)
	}
	return c.Context.Value(key)
}

// memberships returns the viewer.Memberships of whoever opened the stream, nil if there are none.
func (c *streamContext) memberships() any {
	session := live.SessionOf(c.Context)
	if session == nil {
		return nil
	}
	client, ok := session.Client().(*streamClient)
	if !ok || client.users.organizations == nil {
		return nil
	}
	return streamMemberships{client}
}

// setZone gives the stream's viewer the time zone of v, which is otherwise the same viewer. It reports whether it is another one.
func (c *streamContext) setZone(v viewer.Viewer) bool {
	if is, err := viewer.FromContext(c); err != nil || is.Location.String() == v.Location.String() {
		return false
	}
	moved := viewer.NewContext(c.Context, v)
	c.moved.Store(&moved)
	return true
}

// context returns the context of a stream that is opened by a request or over a connection. All subscriptions of a connection
// have the same one, unless the viewer has changed.
func (s *streams) context(ctx context.Context) context.Context {
	v, err := viewer.FromContext(ctx)
	session := live.SessionOf(ctx)
	if session != nil && err == nil {
		if client, ok := session.Client().(*streamClient); ok && sameViewer(client.viewer(), v) {
			stream := client.context
			if stream.start.IsZero() {
				stream.info, stream.start = *infoOf(ctx), s.now()
			}
			return stream
		}
	}
	identity := context.Background()
	var refusal *viewer.Refusal
	switch {
	case err == nil:
		identity = viewer.NewContext(identity, v)
	case errors.As(err, &refusal):
		identity = viewer.WithRefusal(identity, refusal)
	}
	if session != nil {
		identity = live.WithSession(identity, session)
	}
	return &streamContext{Context: identity, info: *infoOf(ctx), start: s.now()}
}

// streamOwner returns who a stream counts for: a user, or an address.
func streamOwner(ctx context.Context) string {
	if v, err := viewer.FromContext(ctx); err == nil {
		return "user " + v.UserID
	}
	return "address " + infoOf(ctx).address
}

// admit counts a stream, or returns why there may not be another one. former is the context of the stream whose place it takes, which
// is counted until it has ended; nil if it takes none.
func (s *streams) admit(ctx, former context.Context, transport graphqlhttp.Transport) *gqlerror.Error {
	owner := streamOwner(ctx)
	perUser, total := s.perUser, s.total
	if former != nil {
		total++
		if streamOwner(former) == owner {
			perUser++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.byUser[owner] >= perUser:
		err := gqlerror.Errorf("You have %d streams open, as many as one user may (LIMIT_STREAMS): close one that nobody looks at.", s.perUser)
		err.Extensions = map[string]any{"code": graphqlhttp.CodeTooManyStreams}
		return err
	case s.open >= total:
		err := gqlerror.Errorf("The server has as many streams open as it may (LIMIT_STREAMS_TOTAL): try again in a moment.")
		err.Extensions = map[string]any{"code": graph.CodeServiceUnavailable, "retryAfter": int(streamsFullRetry.Seconds())}
		return err
	}
	s.byUser[owner]++
	s.open++
	s.telemetry.StreamOpened(string(transport))
	return nil
}

// ended forgets a stream that admit has counted, and logs its end, unless it was not opened or goes on as another user's. If the
// stream was the response of a handler that waited for it, the access log has the line.
func (s *streams) ended(ctx context.Context, sum graphqlhttp.StreamSummary) {
	owner := streamOwner(ctx)
	s.mu.Lock()
	if s.byUser[owner]--; s.byUser[owner] <= 0 {
		delete(s.byUser, owner)
	}
	s.open--
	s.mu.Unlock()
	s.telemetry.StreamEnded(string(sum.Transport), streamEndLabel(sum))
	if !sum.Detached || !s.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	info := *infoOf(ctx) // A copy, since results may still be on their way.
	for _, code := range sum.Codes {
		info.addErrorCode(code)
	}
	now := s.now()
	var start time.Time
	if stream, ok := ctx.(*streamContext); ok {
		start = stream.start
	}
	line := slog.NewRecord(now, slog.LevelInfo, streamMessage, 0)
	line.AddAttrs(slog.String("transport", string(sum.Transport)), slog.String("reason", sum.Reason), slog.Int("results", sum.Results),
		slog.Int64("bytes", sum.Bytes), durationAttr(now.Sub(start)), slog.String("request_id", info.requestID))
	if sum.Transport == graphqlhttp.TransportWebSocket {
		line.AddAttrs(slog.Int("operations", sum.Operations))
	}
	line.AddAttrs(info.appendAttrs(nil)...)
	_ = s.log.Handler().Handle(ctx, line) // slog.Logger ignores the error too.
}

// socketStatuses are the statuses of WebSockets that metrics tell apart: clients may close with any of some thousands.
var socketStatuses = []string{ //nolint:gochecknoglobals // A constant, if Go had constant slices.
	"1000", "1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1011", "1012", "1013",
	"4400", "4401", "4403", "4406", "4408", "4409", "4429",
}

// streamEndLabel returns the reason why a stream has ended as one of few labels.
func streamEndLabel(sum graphqlhttp.StreamSummary) string {
	if sum.Transport == graphqlhttp.TransportWebSocket && sum.Reason != "" && !slices.Contains(socketStatuses, sum.Reason) {
		return "other"
	}
	return sum.Reason
}
