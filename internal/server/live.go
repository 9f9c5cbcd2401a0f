package server

import (
	"context"

	"taskql/internal/live"
	"taskql/internal/workspace"
)

// liveUpdates are what tells subscriptions of changes: the hub of this process, and what connects it to other processes.
type liveUpdates struct {
	hub   *live.Hub
	hints *live.Hints
	// workspaces is set after New, because its Config needs changed.
	workspaces *workspace.Service
}

func newLiveUpdates(cfg Config) *liveUpdates {
	l := &liveUpdates{}
	hints := live.HintsConfig{Log: cfg.Log, Versions: func(ctx context.Context, ids []string) (map[string]int, error) {
		return l.workspaces.Versions(ctx, ids)
	}}
	if cfg.DB.Notifications() {
		hints.Notifications = cfg.DB
	}
	l.hints = live.NewHints(hints)
	l.hub = live.New(live.Config{Recheck: cfg.Config.StreamRecheck, Watching: l.hints.Watch, Log: cfg.Log, Now: cfg.Now})
	return l
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
