package server

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"taskql/internal/config"
	"taskql/internal/live"
	"taskql/internal/telemetry"
	"taskql/internal/workspace"
)

const (
	// subscriptionsPerStream is how many subscriptions there may be for each stream that there may be. A page has a few; this only
	// keeps clients that have many on each from taking all memory.
	subscriptionsPerStream = 4
	// lateDelivery is how long after a change its result may be sent before a line in the log says so, and lateInterval is the least
	// time between two such lines.
	lateDelivery = 2 * time.Second
	lateInterval = 10 * time.Second
	lateMessage  = "a change was sent late"
)

// liveUpdates are what tells subscriptions of changes: the hub of this process, and what connects it to other processes.
type liveUpdates struct {
	hub   *live.Hub
	hints *live.Hints
	// workspaces is set after New, because its Config needs changed.
	workspaces *workspace.Service

	log       *slog.Logger
	telemetry *telemetry.Telemetry
	late      rate.Sometimes
}

func newLiveUpdates(cfg Config) *liveUpdates {
	l := &liveUpdates{log: cfg.Log, telemetry: cfg.Telemetry, late: rate.Sometimes{First: 1, Interval: lateInterval}}
	hints := live.HintsConfig{Log: cfg.Log, Versions: func(ctx context.Context, ids []string) (map[string]int, error) {
		return l.workspaces.Versions(ctx, ids)
	}}
	if cfg.DB.Notifications() {
		hints.Notifications = cfg.DB
	}
	l.hints = live.NewHints(hints)
	hub := live.Config{
		Recheck: cfg.Config.StreamRecheck, MaxSubscriptions: maxSubscriptions(cfg.Config),
		Watching: l.hints.Watch, Delivered: l.delivered, Log: cfg.Log, Now: cfg.Now,
	}
	if cfg.Telemetry != nil {
		hub.StartRun = cfg.Telemetry.SubscriptionRun
	}
	l.hub = live.New(hub)
	return l
}

// maxSubscriptions returns how many subscriptions there may be.
func maxSubscriptions(cfg config.Config) int { return subscriptionsPerStream * cfg.LimitStreamsTotal }

// delivered measures a result that was sent, and logs it if it was late: then the database, this process or a client's connection
// is slow.
func (l *liveUpdates) delivered(d live.Delivery) {
	l.telemetry.Delivered(d.Name, d.Count, d.Bytes, d.Delay)
	if d.Delay < lateDelivery {
		return
	}
	l.late.Do(func() {
		l.log.LogAttrs(context.Background(), slog.LevelWarn, lateMessage, slog.String("subscription", d.Name),
			slog.Float64("delay_ms", float64(d.Delay.Microseconds())/1000), slog.Int("clients", d.Count))
	})
}

// stats returns what is measured whenever metrics are read.
func (l *liveUpdates) stats(cfg config.Config, all *streams) telemetry.LiveStats {
	hub, hints := l.hub.Stats(), l.hints.Stats()
	return telemetry.LiveStats{
		StreamsLimit: cfg.LimitStreamsTotal, SubscriptionsLimit: maxSubscriptions(cfg),
		Subscriptions: l.hub.Subscriptions(), Behind: hub.Behind, Timeouts: all.registry.Stats().TimedOut,
		Checks: map[string]int64{"valid": hub.Checks[live.Valid], "ended": hub.Checks[live.Ended], "unknown": hub.Checks[live.Unknown]},
		Hints: map[string]int64{
			"sent": hints.Sent, "unsent": hints.Unsent, "dropped": hints.Dropped,
			"received": hints.Received, "invalid": hints.Invalid, "found": hints.Found, "missed": hints.Missed,
		},
		Sweeps: hints.Sweeps, Unread: hints.Unread, Listening: hints.Listening,
	}
}

// changed tells all replicas that a workspace has reached a version.
func (l *liveUpdates) changed(workspaceID string, version int) {
	l.hub.Changed(workspaceID, version)
	l.hints.Announce(workspaceID, version)
}

// run finds the changes of other replicas, and tells them of this one's, until ctx ends. Then no subscription is served any more.
func (l *liveUpdates) run(ctx context.Context) {
	l.hints.Run(ctx, l.hub)
	l.hub.Close()
}
