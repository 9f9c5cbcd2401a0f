package server

import (
	"context"
	"fmt"
	"time"

	"taskql/graph"
	"taskql/internal/account"
	"taskql/internal/feed"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// services makes the services of the domain.
func (s *Server) services(cfg Config) (graph.Services, error) {
	db := workspace.NewDatabase(cfg.DB.Driver(), cfg.DB.QueryRaw)
	db.Now = cfg.Now
	accounts, err := account.New(account.Config{
		Client: db.Client, Provisioning: account.Provisioning(cfg.Config.UserProvisioning),
		Timeout: cfg.Config.LimitOperationTime, Now: cfg.Now, ZoneSet: s.live.hub.VerifyUser,
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up accounts: %w", err)
	}
	workspaces, err := workspace.New(workspace.Config{
		Database: db, Keys: cfg.Config.LimitIdempotencyKeys, KeyBytes: cfg.Config.LimitIdempotencyBytes, Committed: s.live.changed,
		FeedAge: time.Duration(cfg.Config.FeedDays) * 24 * time.Hour,
		Log:     cfg.Log,
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up workspaces: %w", err)
	}
	s.live.workspaces = workspaces
	tasks, err := task.New(task.Config{
		Workspaces: workspaces, Log: cfg.Log, Closed: accounts.Forget,
		Limits: task.Limits{
			Tasks: cfg.Config.LimitTasks, Tags: cfg.Config.LimitTags, TagsPerTask: cfg.Config.LimitTagsPerTask,
			Subtasks: cfg.Config.LimitSubtasks,
		},
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up tasks: %w", err)
	}
	for _, reason := range []feed.ResetReason{feed.ResetExpired, feed.ResetHistoryChanged} {
		cfg.Telemetry.FeedResets(string(reason), 0)
	}
	changes, err := feed.New(feed.Config{
		Workspaces: workspaces, Opened: cfg.DB.Opened, Log: cfg.Log,
		Reset: func(reason feed.ResetReason) { cfg.Telemetry.FeedResets(string(reason), 1) },
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up the feed of changes: %w", err)
	}
	s.cleanup = func(ctx context.Context) {
		workspaces.RunCleanup(ctx, workspace.Job{Name: "refreshing the keys of texts", Run: tasks.RefreshKeys})
	}
	s.removals = tasks.RunRemovals
	return graph.Services{Accounts: accounts, Tasks: tasks, Feed: changes}, nil
}
