package server

import (
	"context"
	"fmt"
	"io"
	"time"

	"taskql/internal/database"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Erasure configures EraseUser.
type Erasure struct {
	// DB is the server's migrated database.
	DB     *database.DB
	UserID string
	// Confirmed makes EraseUser erase. Otherwise it only reports what it would erase.
	Confirmed bool
	// Out receives the report, and Progress a line after each batch.
	Out, Progress io.Writer
}

// eraseWait is how long a batch waits for other writers of the workspace.
const eraseWait = time.Minute

// EraseUser erases a user who was deleted at the auth server, or reports what would be erased. After an error, calling it
// again continues the erasure, and so does a running server.
func EraseUser(ctx context.Context, e Erasure) error {
	ctx = viewer.AsSystem(ctx)
	db := workspace.NewDatabase(e.DB.Driver(), e.DB.QueryRaw)
	if _, err := db.Client.UserRemoval.Query().Exist(ctx); err != nil {
		return fmt.Errorf("looking at %s, which `server migrate` makes ready: %w", e.DB, err)
	}
	workspaces, err := workspace.New(workspace.Config{Database: db, LockWait: eraseWait})
	if err != nil {
		return fmt.Errorf("setting up workspaces: %w", err)
	}
	tasks, err := task.New(task.Config{Workspaces: workspaces})
	if err != nil {
		return fmt.Errorf("setting up tasks: %w", err)
	}
	present, err := tasks.CountUser(ctx, e.UserID)
	if err != nil {
		return err
	}
	if present == (task.Erased{}) && !e.Confirmed {
		_, err := fmt.Fprintf(e.Out, "There is nothing of user %q here. --user takes the id that the auth server gave, not the e-mail address.\n", e.UserID)
		return err
	}
	if !e.Confirmed {
		_, err := fmt.Fprintf(e.Out, "User %q has %s\nNothing was changed. The same command with --yes erases this for good.\n", e.UserID, describe(present))
		return err
	}
	last := task.Erased{}
	erased, err := tasks.EraseUser(ctx, e.UserID, func(total task.Erased) {
		if total.Tasks > last.Tasks {
			_, _ = fmt.Fprintf(e.Progress, "%d of %d tasks erased\n", total.Tasks, present.Tasks)
		}
		last = total
	})
	if err != nil {
		return fmt.Errorf("%w\nwhat was erased is gone; give the same command again to go on", err)
	}
	_, err = fmt.Fprintf(e.Out, "Of user %q were erased: %s\n", e.UserID, describe(erased))
	return err
}

// describe lists how many rows there are of each kind.
func describe(n task.Erased) string {
	return fmt.Sprintf("%d users, %d tasks, %d tags, %d idempotency keys.\n"+
		"In workspaces of organizations, which keep their tasks: %d memberships, %d assignments, %d tasks made by the user, %d changes by or for the user, %d reminders.",
		n.Users, n.Tasks, n.Tags, n.IdempotencyKeys, n.Memberships, n.Assignments, n.CreatedTasks, n.Activities, n.Reminders)
}
