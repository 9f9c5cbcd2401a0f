package task

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/internal/text"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// UpdateTagInput is a patch of a tag: what is absent stays.
type UpdateTagInput struct {
	ID        string            `json:"id"`
	IfVersion *int              `json:"ifVersion,omitempty"`
	Name      Optional[*string] `json:"name,omitzero"`
	// Color is the palette's if it is set to nil.
	Color          Optional[*string] `json:"color,omitzero"`
	IdempotencyKey *string           `json:"-"`
}

func (in CreateTagInput) canonical() CreateTagInput {
	in.ID = workspace.CanonicalIDPtr(in.ID)
	return in
}

func (in UpdateTagInput) canonical() UpdateTagInput {
	in.ID = workspace.CanonicalID(in.ID)
	return in
}

// palette are the colors of tags that nobody chose one for: told apart on white and on black.
var palette = []string{ //nolint:gochecknoglobals // A constant table.
	"#dc2626", "#ea580c", "#d97706", "#65a30d", "#16a34a", "#0d9488",
	"#0891b2", "#2563eb", "#4f46e5", "#7c3aed", "#c026d3", "#db2777",
}

// colorOf is the color of a tag that nobody chose one for. The same name has the same everywhere.
func colorOf(nameKey string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(nameKey)) // It never fails.
	return palette[int(h.Sum32())%len(palette)]
}

// CreateTag makes a tag. It is refused with BLANK, TOO_LONG or INVALID if the input is not a tag, with TAKEN if the
// name or the id is in use, and with LIMIT_EXCEEDED.
func (s *Service) CreateTag(ctx context.Context, v viewer.Viewer, in CreateTagInput) (*TagResult, error) {
	var errs workspace.Violations
	name, id := checkTagName(&errs, in.Name), errs.NewID(in.ID)
	folded := text.Fold(name)
	color := colorOf(folded)
	if in.Color != nil {
		color = *in.Color
	}
	change := workspace.Change[TagResult]{Name: "createTag", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: errs}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*TagResult, error) {
		errs, err := t.newTag(ctx, folded)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return workspace.Refuse[TagResult](errs)
		}
		tag, err := t.Tag.Create().
			SetID(id).SetWorkspaceID(v.WorkspaceID).SetVersion(t.Version).
			SetName(name).SetNameKey(text.NameKey(folded)).SetColor(color).
			SetCreatedAt(t.Now).SetUpdatedAt(t.Now).
			Save(ctx)
		if in.ID != nil && ent.IsConstraintError(err) {
			return workspace.Refuse[TagResult](idTaken()) // The name is free, and stays so under the lock.
		}
		if err != nil {
			return nil, fmt.Errorf("inserting the tag: %w", err)
		}
		t.MarkChanged()
		return &TagResult{Tag: tag}, nil
	})
}

// newTag says what keeps a tag of that folded name from being made.
func (t *tx) newTag(ctx context.Context, folded string) (workspace.Violations, error) {
	var errs workspace.Violations
	tags, err := t.tagNames(ctx)
	if err != nil {
		return nil, err
	}
	if len(tags) >= t.limits.Tags {
		errs.Add(workspace.CodeLimitExceeded, "", "A workspace has at most %d tags.", t.limits.Tags)
	}
	checkNameIsFree(&errs, tags, folded)
	return errs, nil
}

// tagNames reads the names of all of the workspace's tags, which are few.
func (t *tx) tagNames(ctx context.Context) ([]*ent.Tag, error) {
	tags, err := t.tags().Select(enttag.FieldName).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the names of tags: %w", err)
	}
	return tags, nil
}

// checkNameIsFree notes that one of the tags has the folded name. It compares names: a key may be the release before's.
func checkNameIsFree(errs *workspace.Violations, tags []*ent.Tag, folded string) {
	if slices.ContainsFunc(tags, func(tag *ent.Tag) bool { return text.Fold(tag.Name) == folded }) {
		errs.Add(workspace.CodeTaken, "name", "There is a tag of this name already.")
	}
}

// UpdateTag changes what the patch sets. It is refused with NOT_FOUND, STALE, BLANK, TOO_LONG, INVALID or TAKEN.
func (s *Service) UpdateTag(ctx context.Context, v viewer.Viewer, in UpdateTagInput) (*TagResult, error) {
	var errs workspace.Violations
	var name string
	if in.Name.Set {
		if in.Name.Value == nil {
			errs.Add(workspace.CodeBlank, "name", "A tag always has a name: leave it out to keep the one it has.")
		} else {
			name = checkTagName(&errs, *in.Name.Value)
		}
	}
	change := workspace.Change[TagResult]{Name: "updateTag", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: errs}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*TagResult, error) {
		tag, errs, err := t.targetTag(ctx, in.ID, in.IfVersion)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return &TagResult{Tag: tag, UserErrors: errs}, workspace.ErrRefused
		}
		after := *tag
		if in.Name.Set {
			after.Name = name
		}
		folded := text.Fold(after.Name)
		switch {
		case in.Color.Set && in.Color.Value == nil:
			after.Color = colorOf(folded)
		case in.Color.Set:
			after.Color = *in.Color.Value
		}
		if after.Name == tag.Name && after.Color == tag.Color {
			return &TagResult{Tag: tag}, nil
		}
		if folded != text.Fold(tag.Name) {
			tags, err := t.tagNames(ctx)
			if err != nil {
				return nil, err
			}
			if checkNameIsFree(&errs, tags, folded); len(errs) > 0 {
				return workspace.Refuse[TagResult](errs)
			}
			after.NameKey = text.NameKey(folded)
		}
		after.Version, after.UpdatedAt = t.Version, t.Now
		t.MarkChanged()
		err = t.Tag.Update().Where(workspace.Scope(v), enttag.ID(tag.ID)).
			SetName(after.Name).SetNameKey(after.NameKey).SetColor(after.Color).
			SetVersion(t.Version).SetUpdatedAt(t.Now).
			Exec(ctx)
		if err != nil {
			return nil, fmt.Errorf("updating the tag: %w", err)
		}
		return &TagResult{Tag: &after}, nil
	})
}

// DeleteTag deletes a tag for good. The tasks that carried it have changed with it. It is refused with NOT_FOUND or STALE.
func (s *Service) DeleteTag(ctx context.Context, v viewer.Viewer, in TargetInput) (*DeleteTagResult, error) {
	change := workspace.Change[DeleteTagResult]{Name: "deleteTag", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*DeleteTagResult, error) {
		tag, errs, err := t.targetTag(ctx, in.ID, in.IfVersion)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return workspace.Refuse[DeleteTagResult](errs)
		}
		if err := t.update().Where(enttask.HasTaskTagsWith(tasktag.TagID(tag.ID))).Exec(ctx); err != nil {
			return nil, fmt.Errorf("stamping the tag's tasks: %w", err)
		}
		if _, err := t.Tag.Delete().Where(workspace.Scope(v), enttag.ID(tag.ID)).Exec(ctx); err != nil {
			return nil, fmt.Errorf("deleting the tag: %w", err)
		}
		id := tag.ID.String()
		return &DeleteTagResult{DeletedTagID: &id}, nil
	})
}

// tags selects the tags that this change may see.
func (t *tx) tags() *ent.TagQuery { return t.Tag.Query().Where(workspace.Scope(t.Viewer)) }

// targetTag reads the tag to act on, with a violation if it is not at the version that the client expects.
func (t *tx) targetTag(ctx context.Context, id string, ifVersion *int) (*ent.Tag, workspace.Violations, error) {
	var errs workspace.Violations
	var tag *ent.Tag
	if u, ok := workspace.ParseID(id); ok {
		var err error
		if tag, err = t.tags().Where(enttag.ID(u)).Only(ctx); err != nil && !ent.IsNotFound(err) {
			return nil, nil, fmt.Errorf("reading a tag: %w", err)
		}
	}
	if tag == nil {
		errs.Add(workspace.CodeNotFound, "id", "There is no such tag.")
		return nil, errs, nil
	}
	errs.IfVersion("tag", ifVersion, tag.Version)
	return tag, errs, nil
}

// tagList is a list of tags in an input: the ids as asked at a field, and those that they come to, each once.
type tagList struct {
	field string
	asked []string
	ids   []uuid.UUID
}

// checkTagLists refuses lists that are longer than a workspace has tags: each element that names none would get a problem of its
// own, and a request of a megabyte an answer of twenty.
func checkTagLists(errs *workspace.Violations, limits Limits, lists ...*tagList) {
	for _, l := range lists {
		if n := len(l.asked); n > limits.Tags {
			errs.Add(workspace.CodeLimitExceeded, l.field, "A workspace has at most %d tags; these are %d.", limits.Tags, n)
		}
	}
}

// resolve reads lists of tags with one statement, and notes at each element that there is no such tag.
func (t *tx) resolve(ctx context.Context, errs *workspace.Violations, lists ...*tagList) error {
	var asked []uuid.UUID
	for _, l := range lists {
		ids, _ := uniqueIDs(l.asked)
		asked, l.ids = append(asked, ids...), nil // A change may be called again.
	}
	exists := map[uuid.UUID]bool{}
	if len(asked) > 0 {
		ids, err := t.tags().Where(enttag.IDIn(asked...)).IDs(ctx)
		if err != nil {
			return fmt.Errorf("looking up tags: %w", err)
		}
		for _, id := range ids {
			exists[id] = true
		}
	}
	listed := map[uuid.UUID]*tagList{}
	for _, l := range lists {
		for i, id := range l.asked {
			u, ok := workspace.ParseID(id)
			switch {
			case !ok || !exists[u]:
				errs.Add(workspace.CodeNotFound, workspace.Element(l.field, i), "There is no such tag.")
			case listed[u] == nil:
				listed[u], l.ids = l, append(l.ids, u)
			case listed[u] != l:
				errs.Add(workspace.CodeInvalid, workspace.Element(l.field, i), "This tag is to be added and removed at once.")
			}
		}
	}
	return nil
}

// tagIDsOf reads the ids of each task's tags.
func (t *tx) tagIDsOf(ctx context.Context, tasks []*ent.Task) (map[uuid.UUID][]uuid.UUID, error) {
	rows, err := t.TaskTag.Query().
		Where(workspace.Scope(t.Viewer), tasktag.TaskIDIn(idsOf(tasks)...)).
		All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the tags of tasks: %w", err)
	}
	carried := make(map[uuid.UUID][]uuid.UUID, len(tasks))
	for _, row := range rows {
		carried[row.TaskID] = append(carried[row.TaskID], row.TagID)
	}
	return carried, nil
}

// difference returns what is in all and not in some.
func difference(all, some []uuid.UUID) []uuid.UUID {
	return slices.DeleteFunc(slices.Clone(all), func(id uuid.UUID) bool { return slices.Contains(some, id) })
}

// tagPlan is which tags are to be added to tasks and taken off them.
type tagPlan struct{ add, remove map[uuid.UUID][]uuid.UUID }

func (p tagPlan) set(task uuid.UUID, add, remove []uuid.UUID) {
	if len(add) > 0 {
		p.add[task] = add
	}
	if len(remove) > 0 {
		p.remove[task] = remove
	}
}

// apply does to the tasks what is planned for them, with one statement for each kind, and returns those that changed.
func (p tagPlan) apply(ctx context.Context, t *tx, tasks []*ent.Task) (map[uuid.UUID]bool, error) {
	changed := map[uuid.UUID]bool{}
	added := map[uuid.UUID][]uuid.UUID{}
	var from, removed []uuid.UUID
	for _, e := range tasks {
		if tags := p.add[e.ID]; len(tags) > 0 {
			added[e.ID], changed[e.ID] = tags, true
		}
		if tags := p.remove[e.ID]; len(tags) > 0 {
			from, changed[e.ID] = append(from, e.ID), true
			removed = append(removed, difference(tags, removed)...)
		}
	}
	if len(from) > 0 {
		// A tag that is removed from one of these tasks is removed from all that have it.
		_, err := t.TaskTag.Delete().
			Where(workspace.Scope(t.Viewer), tasktag.TaskIDIn(from...), tasktag.TagIDIn(removed...)).
			Exec(ctx)
		if err != nil {
			return nil, fmt.Errorf("taking tags off tasks: %w", err)
		}
	}
	return changed, t.insertTags(ctx, added)
}

// insertTags adds tags to tasks, with one statement.
func (t *tx) insertTags(ctx context.Context, tags map[uuid.UUID][]uuid.UUID) error {
	var rows []*ent.TaskTagCreate
	for task, ids := range tags {
		for _, id := range ids {
			rows = append(rows, t.TaskTag.Create().SetTaskID(task).SetTagID(id).SetWorkspaceID(t.Viewer.WorkspaceID))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := t.TaskTag.CreateBulk(rows...).Exec(ctx); err != nil {
		return fmt.Errorf("adding tags to tasks: %w", err)
	}
	return nil
}
