package server

import (
	"context"
	"fmt"
	"time"

	"taskql/graph"
	"taskql/internal/access"
	"taskql/internal/account"
	"taskql/internal/feed"
	"taskql/internal/history"
	"taskql/internal/project"
	"taskql/internal/recurrence"
	"taskql/internal/reminder"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// services makes the services of the domain.
func (s *Server) services(cfg Config, clients *budgets) (graph.Services, error) {
	db := workspace.NewDatabase(cfg.DB.Driver(), cfg.DB.QueryRaw)
	db.Now = cfg.Now
	var reminders *reminder.Service // It needs workspaces, which need no accounts.
	accounts, err := account.New(account.Config{
		Client: db.Client, Provisioning: account.Provisioning(cfg.Config.UserProvisioning),
		Timeout: cfg.Config.LimitOperationTime, Now: cfg.Now,
		ZoneSet: func(userID string) {
			s.live.hub.VerifyUser(userID)
			reminders.ZoneSet()
		},
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up accounts: %w", err)
	}
	workspaces, err := workspace.New(workspace.Config{
		Database: db, Keys: cfg.Config.LimitIdempotencyKeys, KeyBytes: cfg.Config.LimitIdempotencyBytes, Committed: s.live.changed,
		Budget:  clients.ofUsers(),
		FeedAge: time.Duration(cfg.Config.FeedDays) * 24 * time.Hour,
		Log:     cfg.Log,
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up workspaces: %w", err)
	}
	s.live.workspaces = workspaces
	reminders, err = reminder.New(reminder.Config{
		Workspaces: workspaces, Log: cfg.Log, Fired: cfg.Telemetry.ReminderFired, Expired: cfg.Telemetry.RemindersExpired,
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up reminders: %w", err)
	}
	cfg.Telemetry.RemindersExpired(0)
	members, err := access.New(access.Config{Workspaces: workspaces})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up the access to workspaces: %w", err)
	}
	tasks, err := task.New(task.Config{
		Workspaces: workspaces, Reminders: reminders, Log: cfg.Log, Closed: accounts.Forget,
		Limits: task.Limits{
			Tasks: cfg.Config.LimitTasks, Tags: cfg.Config.LimitTags, TagsPerTask: cfg.Config.LimitTagsPerTask,
			Subtasks: cfg.Config.LimitSubtasks, HistoryBytes: cfg.Config.LimitHistoryBytes, Projects: cfg.Config.LimitProjects,
		},
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up tasks: %w", err)
	}
	projects, err := project.New(project.Config{
		Workspaces: workspaces, Limits: project.Limits{Projects: cfg.Config.LimitProjects, Sections: cfg.Config.LimitSections},
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up projects: %w", err)
	}
	recurrences, err := recurrence.New(recurrence.Config{
		Workspaces: workspaces, UnusedAge: time.Duration(cfg.Config.HistoryDays) * 24 * time.Hour,
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up recurrences: %w", err)
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
	activities, err := history.New(history.Config{
		Workspaces: workspaces, Age: time.Duration(cfg.Config.HistoryDays) * 24 * time.Hour, Log: cfg.Log,
	})
	if err != nil {
		return graph.Services{}, fmt.Errorf("setting up the history of tasks: %w", err)
	}
	s.cleanup = func(ctx context.Context) {
		workspaces.RunCleanup(ctx,
			workspace.Job{Name: "refreshing the keys of texts", Run: tasks.RefreshKeys},
			workspace.Job{Name: "removing old activities", Run: activities.Clean},
			workspace.Job{Name: "removing unused series", Run: recurrences.RemoveUnused})
	}
	s.removals = tasks.RunRemovals
	s.reminders = reminders.Run
	return graph.Services{Access: members, Accounts: accounts, Tasks: tasks, Recurrences: recurrences, History: activities, Feed: changes, Reminders: reminders, Projects: projects}, nil
}
