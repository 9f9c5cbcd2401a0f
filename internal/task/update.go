package task

import (
	"context"

	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/recurrence"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Patch is a change of one task or many: an absent field stays as it is, and null clears it. An absent field must also be absent
// from the JSON, which identifies a request with an idempotency key, also after an upgrade.
type Patch struct {
	Priority     workspace.Optional[*Priority] `json:"priority,omitzero"`
	Due          workspace.Optional[*DueInput] `json:"due,omitzero"`
	AddTagIDs    workspace.Optional[[]string]  `json:"addTagIds,omitzero"`
	RemoveTagIDs workspace.Optional[[]string]  `json:"removeTagIds,omitzero"`
	// AssigneeID is a person's id.
	AssigneeID workspace.Optional[*string] `json:"assigneeId,omitzero"`
	// ProjectID is the new project; nil is none. SectionID implies its project.
	ProjectID workspace.Optional[*string] `json:"projectId,omitzero"`
	SectionID workspace.Optional[*string] `json:"sectionId,omitzero"`
}

func (p Patch) canonical() Patch {
	p.AddTagIDs.Value, p.RemoveTagIDs.Value = workspace.CanonicalIDs(p.AddTagIDs.Value), workspace.CanonicalIDs(p.RemoveTagIDs.Value)
	p.ProjectID.Value, p.SectionID.Value = workspace.CanonicalIDPtr(p.ProjectID.Value), workspace.CanonicalIDPtr(p.SectionID.Value)
	return p
}

// patchFields are the fields that a Patch and a CreateInput have in common, one entry for each.
var patchFields = []patchField{ //nolint:gochecknoglobals // A table.
	newPatchField("priority", []string{enttask.FieldPriority}, nil,
		func(in *CreateInput) *Priority { return in.Priority },
		func(p *Patch) workspace.Optional[*Priority] { return p.Priority },
		func(errs *workspace.Violations, field string, input *Priority, _ viewer.Viewer) func(*ent.Task) {
			priority := checkPriority(errs, field, input)
			return func(e *ent.Task) { e.Priority = priority }
		}),
	newPatchField("due", []string{enttask.FieldDueDate, enttask.FieldDueAt, enttask.FieldDueTimeZone}, []string{enttask.FieldDueSort},
		func(in *CreateInput) *DueInput { return in.Due },
		func(p *Patch) workspace.Optional[*DueInput] { return p.Due },
		func(errs *workspace.Violations, field string, input *DueInput, v viewer.Viewer) func(*ent.Task) {
			return checkDue(errs, field, input, v).set
		}),
	newPatchField("assigneeId", []string{enttask.FieldAssigneeID}, nil,
		func(in *CreateInput) *string { return in.AssigneeID },
		func(p *Patch) workspace.Optional[*string] { return p.AssigneeID },
		// Whether it is a member's is checked by newAssignee.
		func(_ *workspace.Violations, _ string, input *string, _ viewer.Viewer) func(*ent.Task) {
			user := userOfPerson(input)
			return func(e *ent.Task) { e.AssigneeID = user }
		}),
}

// patchField is one entry of patchFields.
type patchField struct {
	// ofCreate returns the edit that gives a new task the field's value.
	ofCreate func(errs *workspace.Violations, in *CreateInput, v viewer.Viewer) edit
	// ofPatch returns the edit of the field, and false if the field is absent. Prefix stands before its name in errors.
	ofPatch func(errs *workspace.Violations, prefix string, p *Patch, v viewer.Viewer) (edit, bool)
}

// newPatchField returns the entry of a field. Columns and derived are those of its edit. Check checks a value, which is nil
// for none, and returns the edit's set.
func newPatchField[T any](
	name string, columns, derived []string, inCreate func(*CreateInput) *T, inPatch func(*Patch) workspace.Optional[*T],
	check func(errs *workspace.Violations, field string, input *T, v viewer.Viewer) func(*ent.Task),
) patchField {
	return patchField{
		ofCreate: func(errs *workspace.Violations, in *CreateInput, v viewer.Viewer) edit {
			return edit{columns: columns, derived: derived, set: check(errs, name, inCreate(in), v)}
		},
		ofPatch: func(errs *workspace.Violations, prefix string, p *Patch, v viewer.Viewer) (edit, bool) {
			value := inPatch(p)
			if !value.Set {
				return edit{}, false
			}
			return edit{columns: columns, derived: derived, set: check(errs, prefix+name, value.Value, v)}, true
		},
	}
}

// UpdateInput is a patch of one task.
type UpdateInput struct {
	ID        string `json:"id"`
	IfVersion *int   `json:"ifVersion,omitempty"`
	// Absent texts are in the JSON: they were in that of the first release.
	Title       workspace.Optional[*string] `json:"title"`
	Description workspace.Optional[*string] `json:"description"`
	// TagIDs replaces all tags.
	TagIDs workspace.Optional[[]string] `json:"tagIds,omitzero"`
	// Recurrence is the rule of a series that starts at the task's due after the update. Nil ends the series.
	Recurrence workspace.Optional[*recurrence.Input] `json:"recurrence,omitzero"`
	Patch
	IdempotencyKey *string `json:"-"`
}

func (in UpdateInput) canonical() UpdateInput {
	in.ID, in.TagIDs.Value, in.Patch = workspace.CanonicalID(in.ID), workspace.CanonicalIDs(in.TagIDs.Value), in.Patch.canonical()
	return in
}

// UpdateManyInput is one patch for many tasks.
type UpdateManyInput struct {
	BulkInput
	Patch Patch `json:"patch"`
}

func (in UpdateManyInput) canonical() UpdateManyInput {
	in.BulkInput, in.Patch = in.BulkInput.canonical(), in.Patch.canonical()
	return in
}

// Update changes what the patch sets. It is refused with NOT_FOUND, STALE, BLANK, TOO_LONG, INVALID or LIMIT_EXCEEDED.
func (s *Service) Update(ctx context.Context, v viewer.Viewer, in UpdateInput) (*Result, error) {
	var errs workspace.Violations
	patch, err := s.checkPatch(ctx, &errs, "", in.Patch, v)
	if err != nil {
		return nil, err
	}
	patch.texts = checkTexts(&errs, in)
	if in.TagIDs.Set {
		if in.AddTagIDs.Value != nil || in.RemoveTagIDs.Value != nil {
			errs.Add(workspace.CodeInvalid, "tagIds", "tagIds replaces all tags: it can't go together with addTagIds or removeTagIds.")
		}
		patch.replace, patch.add = true, &tagList{field: "tagIds", input: in.TagIDs.Value}
	}
	checkTagLists(&errs, s.limits, patch.add, patch.remove)
	if in.Recurrence.Set {
		patch.rule = &ruleChange{definition: recurrence.Check(&errs, "recurrence", in.Recurrence.Value)}
	}
	target := workspace.TargetInput{ID: in.ID, IfVersion: in.IfVersion, IdempotencyKey: in.IdempotencyKey}
	return s.one(ctx, v, target, workspace.Change[Result]{Name: "updateTask", Input: in.canonical(), Violations: errs}, patch)
}

// UpdateMany changes what the patch sets. See BulkResult for what becomes of the tasks that can't be changed: they are
// answered with NOT_FOUND or LIMIT_EXCEEDED. The input as a whole is refused with INVALID or NOT_FOUND.
func (s *Service) UpdateMany(ctx context.Context, v viewer.Viewer, in UpdateManyInput) (*BulkResult, error) {
	var errs workspace.Violations
	patch, err := s.checkPatch(ctx, &errs, "patch.", in.Patch, v)
	if err != nil {
		return nil, err
	}
	checkTagLists(&errs, s.limits, patch.add, patch.remove)
	return s.many(ctx, v, in.BulkInput, workspace.Change[BulkResult]{Name: "updateTasks", Input: in.canonical(), Violations: errs}, patch)
}

// checkTexts checks title and description and returns the edit of a task that sets them; nil if neither is set.
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
		return textsEdit(newTitle, newDescription)
	}
}

// patchOp makes the edits and changes the tags of tasks.
type patchOp struct {
	edits []edit
	// texts returns the edit of the one task's title and description; nil if neither changes.
	texts func(*ent.Task) edit
	// rule is the one task's new rule; nil if that stays.
	rule *ruleChange
	// add are the tags to add, or all tags if replace is set. remove are the tags to remove.
	add, remove *tagList
	replace     bool
	// tags are the changes that validate prepared for apply.
	tags tagChanges
	// assignee is who gets the tasks; nil if nobody gets them.
	assignee *assignee
	// into is the new project and section.
	into placeOp
}

// checkPatch checks a patch. Prefix stands before the names of the fields in errors. The error is that of newAssignee.
func (s *Service) checkPatch(ctx context.Context, errs *workspace.Violations, prefix string, in Patch, v viewer.Viewer) (*patchOp, error) {
	patch := &patchOp{
		add:    &tagList{field: prefix + "addTagIds", input: in.AddTagIDs.Value},
		remove: &tagList{field: prefix + "removeTagIds", input: in.RemoveTagIDs.Value},
		into:   placeOp{destination: destination{prefix: prefix, project: in.ProjectID, section: in.SectionID}},
	}
	for _, f := range patchFields {
		if edit, ok := f.ofPatch(errs, prefix, &in, v); ok {
			patch.edits = append(patch.edits, edit)
		}
	}
	var err error
	patch.assignee, err = s.newAssignee(ctx, v, prefix+"assigneeId", in.AssigneeID.Value)
	return patch, err
}

func (o *patchOp) validate(ctx context.Context, t *tx, tasks []*ent.Task) (validation, error) {
	var found validation
	if err := o.assignee.validate(ctx, t, &found.input); err != nil || len(found.input) > 0 {
		return found, err
	}
	if o.rule != nil {
		after := *tasks[0]
		for _, edit := range o.edits {
			edit.set(&after)
		}
		if err := o.rule.validate(ctx, t, &found.input, &after); err != nil || len(found.input) > 0 {
			return found, err
		}
	}
	if err := o.validateTags(ctx, t, tasks, &found); err != nil {
		return found, err
	}
	return found, o.into.validate(ctx, t, tasks, &found)
}

// validateTags prepares the changes of tags.
func (o *patchOp) validateTags(ctx context.Context, t *tx, tasks []*ent.Task, found *validation) error {
	if !o.replace && len(o.add.input)+len(o.remove.input) == 0 {
		return nil
	}
	if err := t.resolve(ctx, &found.input, o.add, o.remove); err != nil || len(found.input) > 0 {
		return err
	}
	carried, err := t.tagIDsOf(ctx, tasks)
	if err != nil {
		return err
	}
	o.tags = tagChanges{add: map[uuid.UUID][]uuid.UUID{}, remove: map[uuid.UUID][]uuid.UUID{}}
	for _, e := range tasks {
		removed := o.remove.ids
		if o.replace {
			removed = difference(carried[e.ID], o.add.ids)
		}
		removed = intersection(removed, carried[e.ID])
		added := difference(o.add.ids, carried[e.ID])
		if n := len(carried[e.ID]) + len(added) - len(removed); len(added) > 0 && n > t.limits.TagsPerTask {
			var errs workspace.Violations
			errs.Add(workspace.CodeLimitExceeded, o.add.field, "A task carries at most %d tags; this would be %d.", t.limits.TagsPerTask, n)
			found.refuse(e, errs)
		}
		o.tags.set(e.ID, added, removed)
	}
	return nil
}

func (o *patchOp) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	if err := o.into.apply(ctx, t, tasks); err != nil {
		return err
	}
	changed, err := o.tags.apply(ctx, t, tasks)
	if err != nil {
		return err
	}
	edits := o.edits
	if o.texts != nil {
		edits = append(edits, o.texts(tasks[0]))
	}
	if o.rule != nil {
		return o.rule.apply(ctx, t, tasks[0], changed, edits)
	}
	return t.applyEdits(ctx, tasks, changed, edits...)
}
