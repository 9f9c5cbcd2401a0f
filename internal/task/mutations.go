package task

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql/sqlgraph"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// CreateInput describes a new task. Nil is absent.
type CreateInput struct {
	// ID is a UUID of the client's choosing.
	ID             *string   `json:"id,omitempty"`
	Title          string    `json:"title"`
	Description    *string   `json:"description,omitempty"`
	Priority       *Priority `json:"priority,omitempty"`
	Due            *DueInput `json:"due,omitempty"`
	TagIDs         []string  `json:"tagIds,omitempty"`
	ParentID       *string   `json:"parentId,omitempty"`
	IdempotencyKey *string   `json:"-"`
}

// Optional is a field of a patch: absent, or set to a value, which may be a pointer's nil.
type Optional[T any] struct {
	Set   bool `json:"set"`
	Value T    `json:"value"`
}

// Patch is what one task or many may be given: what is absent stays, null clears. (A field that is left out must also be
// left out of the JSON: requests with an idempotency key are told apart by it, also across releases.)
type Patch struct {
	Priority     Optional[*Priority] `json:"priority,omitzero"`
	Due          Optional[*DueInput] `json:"due,omitzero"`
	AddTagIDs    Optional[[]string]  `json:"addTagIds,omitzero"`
	RemoveTagIDs Optional[[]string]  `json:"removeTagIds,omitzero"`
}

// UpdateInput is a patch of one task.
type UpdateInput struct {
	ID          string            `json:"id"`
	IfVersion   *int              `json:"ifVersion,omitempty"`
	Title       Optional[*string] `json:"title"`
	Description Optional[*string] `json:"description"`
	// TagIDs replaces all tags.
	TagIDs Optional[[]string] `json:"tagIds,omitzero"`
	Patch
	IdempotencyKey *string `json:"-"`
}

// TargetInput names a task or a tag to act on.
type TargetInput struct {
	ID             string  `json:"id"`
	IfVersion      *int    `json:"ifVersion,omitempty"`
	IdempotencyKey *string `json:"-"`
}

// Create makes a task at the end of its parent, or of the top level. It is refused with BLANK, TOO_LONG or INVALID where
// the input is not a task, with TAKEN where the id exists, with NOT_FOUND where a tag or the parent does not, and with
// LIMIT_EXCEEDED.
func (s *Service) Create(ctx context.Context, v viewer.Viewer, in CreateInput) (*Result, error) {
	var errs workspace.Violations
	title, description, id := checkTitle(&errs, in.Title), checkDescription(&errs, in.Description), errs.NewID(in.ID)
	priority, due := checkPriority(&errs, "priority", in.Priority), checkDue(&errs, "due", in.Due, v)
	tags := &tagList{field: "tagIds", asked: in.TagIDs}
	checkTagLists(&errs, s.limits, tags)
	newTask := func() *ent.Task {
		e := &ent.Task{ID: id}
		for _, edit := range []edit{setTexts(title, description), setPriority(priority), setDue(due)} {
			edit.after(e)
		}
		return e
	}
	create := workspace.Change[Result]{
		Name: "createTask", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: errs,
		Counter: workspace.Counter{Add: 1},
	}
	if in.ParentID == nil && len(tags.asked) == 0 {
		create.FastPath = func(ctx context.Context) (*Result, error) {
			e := newTask()
			done, err := s.insertFast(ctx, v, e)
			if in.ID != nil && sqlgraph.IsUniqueConstraintError(err) {
				return &Result{UserErrors: idTaken()}, nil
			}
			if !done || err != nil {
				return nil, err
			}
			return &Result{Task: e}, nil
		}
	}
	return write(ctx, s, v, create, func(ctx context.Context, t *tx) (*Result, error) {
		at, errs, err := t.newPlace(ctx, in.ParentID, tags)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return workspace.Refuse[Result](errs)
		}
		e := newTask()
		e.WorkspaceID, e.Version, e.CreatedAt, e.UpdatedAt = v.WorkspaceID, t.Version, t.Now, t.Now
		e.ParentID, e.Position = at.parent, at.position
		err = t.insert(ctx, e)
		if in.ID != nil && ent.IsConstraintError(err) {
			// Only the id can clash. Whether another workspace has it is not said.
			return workspace.Refuse[Result](idTaken())
		}
		if err != nil {
			return nil, fmt.Errorf("inserting the task: %w", err)
		}
		t.MarkChanged()
		return &Result{Task: e}, t.insertTags(ctx, map[uuid.UUID][]uuid.UUID{id: tags.ids})
	})
}

// newPlace finds where a new task goes, and what keeps it from being made.
func (t *tx) newPlace(ctx context.Context, parentID *string, tags *tagList) (treePosition, workspace.Violations, error) {
	var errs workspace.Violations
	if t.Count > t.limits.Tasks {
		errs.Add(workspace.CodeLimitExceeded, "", "A workspace has at most %d tasks, those in the trash included.", t.limits.Tasks)
	}
	if err := t.resolve(ctx, &errs, tags); err != nil {
		return treePosition{}, nil, err
	}
	if len(tags.ids) > t.limits.TagsPerTask {
		errs.Add(workspace.CodeLimitExceeded, tags.field, "A task carries at most %d tags; these are %d.", t.limits.TagsPerTask, len(tags.ids))
	}
	var at treePosition
	if parentID != nil {
		up, err := t.parent(ctx, &errs, *parentID, 1)
		if err != nil {
			return treePosition{}, nil, err
		}
		at.parent = up.id()
	}
	if len(errs) > 0 {
		return treePosition{}, errs, nil
	}
	var err error
	at.position, err = t.end()
	return at, nil, err
}

// idTaken is the violation of a new object whose id is in use.
func idTaken() workspace.Violations {
	var errs workspace.Violations
	errs.IDTaken()
	return errs
}

// checkPriority checks a priority; nil is none.
func checkPriority(errs *workspace.Violations, field string, asked *Priority) Priority {
	switch {
	case asked == nil:
		return PriorityNone
	case *asked < PriorityNone || *asked > PriorityUrgent:
		errs.Add(workspace.CodeInvalid, field, "There is no such priority.")
	}
	return *asked
}

// Update changes what the patch sets. It is refused with NOT_FOUND, STALE, BLANK, TOO_LONG, INVALID or LIMIT_EXCEEDED.
func (s *Service) Update(ctx context.Context, v viewer.Viewer, in UpdateInput) (*Result, error) {
	var errs workspace.Violations
	patch := checkPatch(&errs, "", in.Patch, v)
	patch.texts = checkTexts(&errs, in)
	if in.TagIDs.Set {
		if in.AddTagIDs.Value != nil || in.RemoveTagIDs.Value != nil {
			errs.Add(workspace.CodeInvalid, "tagIds", "tagIds replaces all tags: it can't go together with addTagIds or removeTagIds.")
		}
		patch.replace, patch.add = true, &tagList{field: "tagIds", asked: in.TagIDs.Value}
	}
	checkTagLists(&errs, s.limits, patch.add, patch.remove)
	target := TargetInput{ID: in.ID, IfVersion: in.IfVersion, IdempotencyKey: in.IdempotencyKey}
	return s.one(ctx, v, target, workspace.Change[Result]{Name: "updateTask", Input: in.canonical(), Violations: errs}, patch)
}

// checkTexts checks title and description and returns what they make of a task; nil where neither is set.
func checkTexts(errs *workspace.Violations, in UpdateInput) func(*ent.Task) edit {
	if !in.Title.Set && !in.Description.Set {
		return nil
	}
	var title string
	if in.Title.Set {
		if in.Title.Value == nil {
			errs.Add(workspace.CodeBlank, "title", "A task always has a title: leave it out to keep the one it has.")
		} else {
			title = checkTitle(errs, *in.Title.Value)
		}
	}
	var description *string
	if in.Description.Set {
		description = checkDescription(errs, in.Description.Value)
	}
	return func(e *ent.Task) edit {
		newTitle, newDescription := e.Title, e.Description
		if in.Title.Set {
			newTitle = title
		}
		if in.Description.Set {
			newDescription = description
		}
		return setTexts(newTitle, newDescription)
	}
}

// Complete completes a task; one that is completed already stays as it is. It is refused with NOT_FOUND or STALE.
func (s *Service) Complete(ctx context.Context, v viewer.Viewer, in TargetInput) (*Result, error) {
	return s.one(ctx, v, in, workspace.Change[Result]{Name: "completeTask", Input: in.canonical()}, completing{})
}

// Reopen opens a completed task; an open one stays as it is. It is refused with NOT_FOUND or STALE.
func (s *Service) Reopen(ctx context.Context, v viewer.Viewer, in TargetInput) (*Result, error) {
	return s.one(ctx, v, in, workspace.Change[Result]{Name: "reopenTask", Input: in.canonical()}, reopening{})
}

// Delete puts a task into the trash, and what is below it; one that is there already stays as it is. It is refused with
// NOT_FOUND or STALE.
func (s *Service) Delete(ctx context.Context, v viewer.Viewer, in TargetInput) (*Result, error) {
	return s.one(ctx, v, in, workspace.Change[Result]{Name: "deleteTask", Input: in.canonical()}, trashing{})
}

// Restore takes a task out of the trash, with what went in with it; one that is not there stays as it is. Where its
// parent is gone or in the trash, it goes to the end of the top level. It is refused with NOT_FOUND or LIMIT_EXCEEDED.
func (s *Service) Restore(ctx context.Context, v viewer.Viewer, in TargetInput) (*Result, error) {
	return s.one(ctx, v, in, workspace.Change[Result]{Name: "restoreTask", Input: in.canonical()}, restoring{})
}

// operation is what a mutation does to tasks, be it one or many. It acts on what is loaded and leaves it as it is then
// in the database.
type operation interface {
	// validate returns why the operation can't be applied; nothing if it can.
	validate(ctx context.Context, t *tx, tasks []*ent.Task) (validation, error)
	// apply does it, with one statement for each kind of change. What is as it should be stays untouched.
	apply(ctx context.Context, t *tx, tasks []*ent.Task) error
}

// validation is why an operation can't be applied: workspace.Violations of the input as a whole, and of single tasks. The latter
// are at the task's id where they have no field.
type validation struct {
	input workspace.Violations
	tasks map[uuid.UUID]workspace.Violations
}

func (v *validation) refuse(e *ent.Task, errs workspace.Violations) {
	if v.tasks == nil {
		v.tasks = map[uuid.UUID]workspace.Violations{}
	}
	v.tasks[e.ID] = append(v.tasks[e.ID], errs...)
}

// at returns a task's problems, with its id's field where they have none.
func (v *validation) at(e *ent.Task, field string) workspace.Violations {
	errs := v.tasks[e.ID]
	for _, problem := range errs {
		if problem.Field == nil {
			problem.Field = workspace.FieldPath(field)
		}
	}
	return errs
}

// one applies an operation to one task.
func (s *Service) one(
	ctx context.Context, v viewer.Viewer, target TargetInput, c workspace.Change[Result], op operation,
) (*Result, error) {
	c.IdempotencyKey = target.IdempotencyKey
	return write(ctx, s, v, c, func(ctx context.Context, t *tx) (*Result, error) {
		e, errs, err := t.target(ctx, target)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return &Result{Task: e, UserErrors: errs}, workspace.ErrRefused
		}
		found, err := op.validate(ctx, t, []*ent.Task{e})
		if err != nil {
			return nil, err
		}
		if errs := append(found.input, found.at(e, "id")...); len(errs) > 0 {
			return workspace.Refuse[Result](errs)
		}
		return &Result{Task: e}, op.apply(ctx, t, []*ent.Task{e})
	})
}

// target loads the task to act on. Where it is not at the version asked for, it comes with that problem.
func (t *tx) target(ctx context.Context, target TargetInput) (*ent.Task, workspace.Violations, error) {
	var errs workspace.Violations
	e, err := t.find(ctx, target.ID)
	switch {
	case err != nil:
		return nil, nil, err
	case e == nil:
		errs.Add(workspace.CodeNotFound, "id", "There is no such task.")
	default:
		errs.IfVersion("task", target.IfVersion, e.Version)
	}
	return e, errs, nil
}

// find returns a task, also where it is in the trash; nil where there is none.
func (t *tx) find(ctx context.Context, id string) (*ent.Task, error) {
	u, ok := workspace.ParseID(id)
	if !ok {
		return nil, nil //nolint:nilnil // None is no error.
	}
	e, err := t.tasks().Where(enttask.ID(u)).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil //nolint:nilnil // As above.
	}
	if err != nil {
		return nil, fmt.Errorf("reading a task: %w", err)
	}
	return e, nil
}
