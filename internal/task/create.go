package task

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql/sqlgraph"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/recurrence"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// CreateInput describes a new task. Nil is absent.
type CreateInput struct {
	// ID is a UUID of the client's choosing.
	ID *string `json:"id,omitempty"`
	// WorkspaceID is the workspace in which the viewer acts, as the client has named it.
	WorkspaceID *string   `json:"workspaceId,omitempty"`
	Title       string    `json:"title"`
	Description *string   `json:"description,omitempty"`
	Priority    *Priority `json:"priority,omitempty"`
	Due         *DueInput `json:"due,omitempty"`
	TagIDs      []string  `json:"tagIds,omitempty"`
	ParentID    *string   `json:"parentId,omitempty"`
	// AssigneeID is a person's id.
	AssigneeID *string `json:"assigneeId,omitempty"`
	ProjectID  *string `json:"projectId,omitempty"`
	// SectionID implies its project.
	SectionID *string `json:"sectionId,omitempty"`
	// Recurrence makes the task the first occurrence of a series.
	Recurrence     *recurrence.Input `json:"recurrence,omitempty"`
	IdempotencyKey *string           `json:"-"`
}

// canonical returns the input as it is hashed for an idempotency key: with its ids in canonical form, so that a request with an
// id in capitals is the same request. So do the canonical methods of the other inputs.
func (in CreateInput) canonical() CreateInput {
	in.ID, in.ParentID, in.TagIDs = workspace.CanonicalIDPtr(in.ID), workspace.CanonicalIDPtr(in.ParentID), workspace.CanonicalIDs(in.TagIDs)
	in.ProjectID, in.SectionID = workspace.CanonicalIDPtr(in.ProjectID), workspace.CanonicalIDPtr(in.SectionID)
	return in
}

// Create makes a task at the end of its parent, or of the top level. It is refused with BLANK, TOO_LONG or INVALID if
// the input is not a task, with TAKEN if the id exists, with NOT_FOUND if a tag, the parent, the project or the section does not, and
// with LIMIT_EXCEEDED.
func (s *Service) Create(ctx context.Context, v viewer.Viewer, in CreateInput) (*Result, error) {
	var errs workspace.Violations
	title, description, id := checkTitle(&errs, in.Title), checkDescription(&errs, in.Description), errs.NewID(in.ID)
	edits := make([]edit, 0, 1+len(patchFields))
	edits = append(edits, textsEdit(title, description))
	for _, f := range patchFields {
		edits = append(edits, f.ofCreate(&errs, &in, v))
	}
	definition := recurrence.Check(&errs, "recurrence", in.Recurrence)
	tags := &tagList{field: "tagIds", input: in.TagIDs}
	checkTagLists(&errs, s.limits, tags)
	newTask := func() *ent.Task {
		e := &ent.Task{ID: id, CreatedBy: creator(v)}
		for _, edit := range edits {
			edit.set(e)
		}
		return e
	}
	if definition != nil && len(errs) == 0 {
		checkStart(&errs, definition, newTask())
	}
	assignee, err := s.newAssignee(ctx, v, "assigneeId", in.AssigneeID)
	if err != nil {
		return nil, err
	}
	create := workspace.Change[Result]{
		Name: "createTask", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: errs,
		Counter: workspace.Counter{Add: 1},
	}
	into := destination{
		project: workspace.Optional[*string]{Set: in.ProjectID != nil, Value: in.ProjectID},
		section: workspace.Optional[*string]{Set: in.SectionID != nil, Value: in.SectionID},
	}
	if in.ParentID == nil && !into.isSet() && len(tags.input) == 0 && in.Recurrence == nil && assignee == nil {
		create.FastPath = func(ctx context.Context) (*Result, int, error) {
			e := newTask()
			done, err := s.insertFast(ctx, v, e)
			if in.ID != nil && sqlgraph.IsUniqueConstraintError(err) {
				return &Result{Outcome: workspace.Outcome{UserErrors: workspace.IDTaken()}}, 0, nil
			}
			if !done || err != nil {
				return nil, 0, err
			}
			return &Result{Task: e}, e.Version, nil
		}
	}
	return write(ctx, s, v, create, func(ctx context.Context, t *tx) (*Result, error) {
		at, errs, err := t.checkNewTask(ctx, in.ParentID, &into, tags, definition != nil)
		if err != nil {
			return nil, err
		}
		if err := assignee.validate(ctx, t, &errs); err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return workspace.RefuseNew[Result](ctx, errs, t.tasks().Where(enttask.ID(id)).Exist)
		}
		e := newTask()
		e.WorkspaceID, e.Version, e.CreatedAt, e.UpdatedAt = v.WorkspaceID, t.Version, t.Now, t.Now
		e.ParentID, e.Position = at.parent, at.position
		at.placement.set(e)
		if definition != nil {
			if err := t.startSeries(ctx, e, definition); err != nil {
				return nil, err
			}
		}
		err = t.insert(ctx, e)
		if in.ID != nil && ent.IsConstraintError(err) {
			// Only the id can clash. Whether another workspace has it is not said.
			return workspace.Refuse[Result](workspace.IDTaken())
		}
		if err != nil {
			return nil, fmt.Errorf("inserting the task: %w", err)
		}
		t.MarkChanged()
		return &Result{Task: e}, t.insertTags(ctx, map[uuid.UUID][]uuid.UUID{id: tags.ids})
	})
}

// checkNewTask checks a new task against the limits, looks up its tags, parent and project, and returns its position. It sets the ids
// of the tags.
func (t *tx) checkNewTask(ctx context.Context, parentID *string, into *destination, tags *tagList, repeats bool) (treePosition, workspace.Violations, error) {
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
	if err := into.resolve(ctx, t, &errs); err != nil {
		return treePosition{}, nil, err
	}
	at := treePosition{placement: into.of(&ent.Task{})}
	if parentID != nil {
		up, err := t.parent(ctx, &errs, *parentID, subtree{levels: 1, tasks: 1, repeats: repeats})
		if err != nil {
			return treePosition{}, nil, err
		}
		if at.parent, at.placement = up.id(), up.placement; len(errs) == 0 && !into.allows(up.placement) {
			into.refuseSubtask(&errs)
		}
	}
	if len(errs) > 0 {
		return treePosition{}, errs, nil
	}
	var err error
	at.position, err = t.endPosition()
	return at, nil, err
}

// checkPriority checks a priority; nil is none.
func checkPriority(errs *workspace.Violations, field string, p *Priority) Priority {
	switch {
	case p == nil:
		return PriorityNone
	case *p < PriorityNone || *p > PriorityUrgent:
		errs.Add(workspace.CodeInvalid, field, "There is no such priority.")
	}
	return *p
}
