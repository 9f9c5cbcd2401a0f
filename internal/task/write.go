package task

import (
	"context"

	"github.com/google/uuid"

	"taskql/ent"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/history"
	"taskql/internal/reminder"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// taskCount is the column of workspaces that counts tasks, those in the trash included.
const taskCount = entworkspace.FieldTaskCount

var tasksCounter = workspace.Counter{Column: taskCount} //nolint:gochecknoglobals // A constant, if Go had constant structs.

// Result is the result of a mutation of one task.
type Result struct {
	// Task is the task after the change; the current one if the change was refused as STALE; else nil.
	Task *ent.Task
	Repetition
	workspace.Outcome
}

// Remembered implements workspace.Result. The task is stored, and beside its fields what the change did to its series.
func (r *Result) Remembered() any { return (*remembered)(r) }

// Remembered implements workspace.Result.
func (r *PurgeResult) Remembered() any { return r }

// Remembered implements workspace.Result.
func (r *EmptyTrashResult) Remembered() any { return r }

// Remembered implements workspace.Result.
func (r *BulkResult) Remembered() any { return r }

// Remembered implements workspace.Result.
func (r *TagResult) Remembered() any { return r }

// Remembered implements workspace.Result.
func (r *DeleteTagResult) Remembered() any { return r }

// tx is the transaction of a change of tasks or tags. Its Count is the number of tasks.
type tx struct {
	*workspace.Tx

	service   *Service
	limits    Limits
	reminders *reminder.Service
	// lastEnd is the last position at the end of the manual order that this change has used; nil if it has used none.
	lastEnd []byte
	// knownTags are the names of tags that the change has read.
	knownTags map[uuid.UUID]string
	// repetitions are what the change has done to the series of tasks, by the tasks' ids.
	repetitions map[uuid.UUID]Repetition
	// recorder collects what the change does to tasks.
	recorder recorder
}

// tx returns the transaction of a change that is made through via.
func (s *Service) tx(t *workspace.Tx, via history.Via) *tx {
	return &tx{Tx: t, service: s, limits: s.limits, reminders: s.reminders, recorder: recorder{via: via}}
}

// write makes a change with apply, which is called as workspace.Change.Apply is.
func write[R any, P workspace.Result[R]](
	ctx context.Context, s *Service, v viewer.Viewer, c workspace.Change[R], apply func(context.Context, *tx) (*R, error),
) (*R, error) {
	c.Counter.Column = taskCount
	c.Apply = func(ctx context.Context, w *workspace.Tx) (*R, error) {
		t := s.tx(w, viaOf(v))
		r, err := apply(ctx, t)
		if err != nil {
			return r, err
		}
		return r, t.flush(ctx)
	}
	return workspace.Write[R, P](ctx, s.workspaces, v, c) //nolint:wrapcheck // It names the mutation.
}

// applyChange makes a change that no client has asked for.
func (s *Service) applyChange(ctx context.Context, v viewer.Viewer, via history.Via, apply func(*tx) error) error {
	return s.workspaces.Apply(ctx, v, tasksCounter, func(w *workspace.Tx) error { //nolint:wrapcheck // The caller says what it changed.
		t := s.tx(w, via)
		if err := apply(t); err != nil {
			return err
		}
		return t.flush(ctx)
	})
}

// viaOf returns what a viewer makes changes through.
func viaOf(v viewer.Viewer) history.Via {
	if v.ImpersonatorID != "" {
		return history.Impersonation
	}
	return history.Session
}

// tasks selects the tasks that this change may see.
func (t *tx) tasks() *ent.TaskQuery { return t.Task.Query().Where(workspace.Scope(t.Viewer)) }

// update updates tasks of the workspace. The caller says which and what; update sets their version and time.
func (t *tx) update() *ent.TaskUpdate {
	t.MarkChanged()
	return t.Task.Update().Where(workspace.Scope(t.Viewer)).SetVersion(t.Version).SetUpdatedAt(t.Now)
}

// stamp sets in memory what update sets in the database.
func (t *tx) stamp(e *ent.Task) { e.Version, e.UpdatedAt = t.Version, t.Now }
