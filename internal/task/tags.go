package task

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/internal/keyset"
	"taskql/internal/text"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Tag returns the tag with that id, or workspace.ErrNotFound. It reads the columns, or all if there are none.
func (s *Service) Tag(ctx context.Context, v viewer.Viewer, id string, columns ...string) (*ent.Tag, error) {
	found, err := s.Tags(ctx, v, []string{id}, columns...)
	if err != nil {
		return nil, err
	}
	if t, ok := found[id]; ok {
		return t, nil
	}
	return nil, workspace.ErrNotFound
}

// Tags is Tag for many ids, in one statement. Tags that don't exist or aren't the viewer's are missing from the map.
func (s *Service) Tags(ctx context.Context, v viewer.Viewer, ids []string, columns ...string) (map[string]*ent.Tag, error) {
	return workspace.ByID(ids, func(ids []uuid.UUID) (map[uuid.UUID]*ent.Tag, error) {
		found := make(map[uuid.UUID]*ent.Tag, len(ids))
		q := s.client.Tag.Query().Where(workspace.Scope(v), func(s *sql.Selector) { s.Where(among(s, s.C(enttag.FieldID), ids)) })
		if len(columns) > 0 {
			q.Select(columns...)
		}
		tags, err := q.All(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading tags: %w", err)
		}
		for _, t := range tags {
			found[t.ID] = t
		}
		return found, nil
	})
}

// TagListInput says which page of the list of tags is wanted, and what of it.
type TagListInput struct {
	First, Last   *int
	After, Before *string
	// Search is what the names contain.
	Search *string
	Selection
}

// ListTags returns a page of the viewer's tags, by name. The error is an *InputError if the input is invalid.
func (s *Service) ListTags(ctx context.Context, v viewer.Viewer, in TagListInput) (*TagPage, error) {
	o := tagOrder()
	w, err := keyset.NewWindow(o, keyset.Args{First: in.First, Last: in.Last, After: in.After, Before: in.Before})
	if err != nil {
		return nil, err
	}
	var where []predicate.Tag
	if in.Search != nil {
		if n := text.Length(*in.Search); n > MaxSearch {
			return nil, inputError("search", "must have at most %d characters, not %d: shorten it", MaxSearch, n)
		}
		folded := text.FoldAccents(*in.Search)
		if matchesNothing(*in.Search, folded) {
			where = append(where, func(s *sql.Selector) { s.Where(sql.False()) })
		} else {
			where = append(where, named(folded))
		}
	}
	query := func() *ent.TagQuery { return s.client.Tag.Query().Where(workspace.Scope(v)).Where(where...) }
	list := keyset.List[*ent.Tag]{
		Order: o,
		Read: func(ctx context.Context, segment keyset.Segment, limit int, columns []string) ([]*ent.Tag, error) {
			q := query().Where(segment.Where).Order(segment.Sort).Limit(limit)
			if len(columns) > 0 {
				q.Select(columns...)
			}
			return q.All(ctx)
		},
		Count: func(ctx context.Context) (int, error) {
			n, err := query().Count(ctx)
			if err != nil {
				return 0, fmt.Errorf("counting tags: %w", err)
			}
			return n, nil
		},
	}
	if in.CountsOnly {
		return list.EmptyPage(), nil
	}
	page, err := list.Page(ctx, w, in.Columns)
	if err != nil {
		return nil, fmt.Errorf("listing tags: %w", err)
	}
	return page, nil
}

// named selects the tags whose folded name contains the text. Folded names are bytes, in which not every database can search
// with LIKE.
func named(folded string) predicate.Tag {
	return func(s *sql.Selector) {
		s.Where(sql.P(func(b *sql.Builder) {
			if s.Dialect() == dialect.Postgres {
				b.WriteString("POSITION(").Arg([]byte(folded)).WriteString("::bytea IN ").Ident(s.C(enttag.FieldNameKey)).WriteString(") > 0")
			} else {
				b.WriteString("INSTR(").Ident(s.C(enttag.FieldNameKey)).WriteString(", ").Arg([]byte(folded)).WriteString(") > 0")
			}
		}))
	}
}

// TagsOf returns the tags of each task, by name. A tag of several tasks is one value.
func (s *Service) TagsOf(ctx context.Context, v viewer.Viewer, tasks []uuid.UUID, columns []string) (map[uuid.UUID][]*ent.Tag, error) {
	of := make(map[uuid.UUID][]*ent.Tag, len(tasks))
	if len(tasks) == 0 {
		return of, nil
	}
	read := s.queryTagsOf
	if s.usesRowReader(ctx) {
		read = s.scanTagsOf
	}
	err := read(ctx, v, tasks, columns, func(task uuid.UUID, tag *ent.Tag) { of[task] = append(of[task], tag) })
	if err != nil {
		return nil, fmt.Errorf("reading tags of tasks: %w", err)
	}
	return of, nil
}

// joinTasks limits a statement on tags to those of the tasks, sorted by name, and returns the table with the tasks' ids.
func joinTasks(s *sql.Selector, tasks []uuid.UUID) *sql.SelectTable {
	tagged := sql.Dialect(s.Dialect()).Table(tasktag.Table).As("tagged")
	s.Join(tagged).On(s.C(enttag.FieldID), tagged.C(tasktag.FieldTagID)).
		Where(among(s, tagged.C(tasktag.FieldTaskID), tasks)).
		OrderBy(s.C(enttag.FieldNameKey))
	return tagged
}

// queryTagsOf calls add with every tag of every task.
func (s *Service) queryTagsOf(ctx context.Context, v viewer.Viewer, tasks []uuid.UUID, columns []string, add func(uuid.UUID, *ent.Tag)) error {
	q := s.client.Tag.Query().Where(workspace.Scope(v))
	if len(columns) > 0 {
		q.Select(columns...)
	}
	rows, err := q.Modify(func(s *sql.Selector) {
		tagged := joinTasks(s, tasks)
		s.AppendSelect(tagged.C(tasktag.FieldTaskID))
	}).All(ctx)
	if err != nil {
		return err
	}
	first := map[uuid.UUID]*ent.Tag{}
	for _, tag := range rows {
		task, err := idValue(tag, tasktag.FieldTaskID)
		if err != nil {
			return err
		}
		if first[tag.ID] == nil {
			first[tag.ID] = tag
		}
		add(task, first[tag.ID])
	}
	return nil
}

// scanTagsOf is queryTagsOf for PostgreSQL. There is one row for each tag, with the ids of its tasks: a row for each task as
// well would have the same tags again and again.
func (s *Service) scanTagsOf(ctx context.Context, v viewer.Viewer, tasks []uuid.UUID, columns []string, add func(uuid.UUID, *ent.Tag)) error {
	r, err := tagColumns.newReader(columns)
	if err != nil {
		return err
	}
	statement, args := s.sql.query(s.keyOfIDs("tags of a task", "tags of tasks", tasks), columns, v.WorkspaceID, func() (string, []any) {
		q := r.selectFrom(sql.Dialect(s.dialect).Table(enttag.Table))
		workspace.Scope(v)(q)
		tagged := joinTasks(q, tasks)
		q.AppendSelectExpr(sql.Raw("string_agg(uuid_send(" + tagged.C(tasktag.FieldTaskID) + "), '')")).GroupBy(q.C(enttag.FieldID))
		return q.Query()
	})
	return s.queryRaw(ctx, statement, args, func(row []driver.Value) error {
		tag, err := r.read(row[:len(row)-1])
		if err != nil {
			return err
		}
		ids := decodeAs[[]byte](&r.decoder, row[len(row)-1])
		for id := range slices.Chunk(ids, len(uuid.UUID{})) {
			add(r.uuid(id), tag)
		}
		return r.err()
	})
}

// valuer is one of ent's entities, with what was selected in addition to its columns.
type valuer interface {
	Value(name string) (ent.Value, error)
}

// idValue returns an id that was selected in addition to the entity's columns.
func idValue(row valuer, column string) (uuid.UUID, error) {
	v, err := row.Value(column)
	if err != nil {
		return uuid.Nil, fmt.Errorf("reading %s: %w", column, err)
	}
	var id uuid.UUID
	if err := id.Scan(v); err != nil {
		return uuid.Nil, fmt.Errorf("reading %s: %w", column, err)
	}
	return id, nil
}

// OpenTaskCounts returns for each tag how many tasks have it that are neither completed nor in the trash. Tags without such
// tasks are not in the map.
func (s *Service) OpenTaskCounts(ctx context.Context, v viewer.Viewer, tags []uuid.UUID) (map[uuid.UUID]int, error) {
	if len(tags) == 0 {
		return map[uuid.UUID]int{}, nil
	}
	var rows []struct {
		TagID uuid.UUID `sql:"tag_id"`
		Count int       `sql:"count"`
	}
	err := s.client.Task.Query().Where(workspace.Scope(v), ScopeActive.predicate()).Modify(func(s *sql.Selector) {
		tagged := sql.Table(tasktag.Table).As("tagged")
		s.Join(tagged).On(s.C(enttask.FieldID), tagged.C(tasktag.FieldTaskID)).
			Where(allOf(among(s, tagged.C(tasktag.FieldTagID), tags), isTrue(enttask.FieldCompleted, false)(s))).
			Select(tagged.C(tasktag.FieldTagID), sql.As(sql.Count("*"), "count")).
			GroupBy(tagged.C(tasktag.FieldTagID))
	}).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("counting open tasks: %w", err)
	}
	counts := make(map[uuid.UUID]int, len(rows))
	for _, r := range rows {
		counts[r.TagID] = r.Count
	}
	return counts, nil
}
