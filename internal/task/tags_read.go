package task

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttag "taskql/ent/tag"
	"taskql/internal/keyset"
	"taskql/internal/text"
	"taskql/internal/viewer"
)

// visibleTags bounds a query by what v may see, as visible does for tasks.
func visibleTags(q *ent.TagQuery, v viewer.Viewer) *ent.TagQuery {
	return q.Where(enttag.WorkspaceID(v.WorkspaceID))
}

// Tag returns the tag with that id; else ErrNotFound. Only those columns are read, all where there are none.
func (s *Service) Tag(ctx context.Context, v viewer.Viewer, id string, columns ...string) (*ent.Tag, error) {
	found, err := s.Tags(ctx, v, []string{id}, columns...)
	if err != nil {
		return nil, err
	}
	if t, ok := found[id]; ok {
		return t, nil
	}
	return nil, ErrNotFound
}

// Tags is GetMany for tags.
func (s *Service) Tags(ctx context.Context, v viewer.Viewer, ids []string, columns ...string) (map[string]*ent.Tag, error) {
	return many(ids, func(ids []uuid.UUID) (map[uuid.UUID]*ent.Tag, error) {
		found := make(map[uuid.UUID]*ent.Tag, len(ids))
		if len(ids) == 0 {
			return found, nil
		}
		q := visibleTags(s.client.Tag.Query(), v).Where(func(s *sql.Selector) { s.Where(among(s, s.C(enttag.FieldID), ids)) })
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

// ListTags returns a page of the viewer's tags, by name. The error is an *InputError where in does not make a page.
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
	query := func() *ent.TagQuery { return visibleTags(s.client.Tag.Query(), v).Where(where...) }
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

// named selects the tags whose folded name contains the text. Names are kept as bytes, in which LIKE does not search on
// every database.
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
