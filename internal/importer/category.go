package importer

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"taskql/internal/task"
	"taskql/internal/text"
	"taskql/internal/viewer"
)

// sourceCategory is a row of the table of categories as text, or a name in the table of tasks.
type sourceCategory struct {
	// id is invalid if the category is a name in the table of tasks.
	id, name, color, description, created sql.NullString
	// shared reports that the category is no user's own: several users can have tasks in it.
	shared bool
}

// key is what tasks find the category by. A category that is only a name is the same in capitals.
func (c sourceCategory) key() string {
	if c.id.Valid {
		return "id " + canonicalID(c.id.String)
	}
	return "name " + text.Fold(strings.TrimSpace(c.name.String))
}

// label is what the report calls the category.
func (c sourceCategory) label() string {
	if c.id.Valid {
		return c.id.String
	}
	return c.name.String
}

// projectID returns the id here of an owner's category. Each user has a project for a category that is shared, so it can't keep its id.
func (c sourceCategory) projectID(owner string) uuid.UUID {
	if c.shared || !c.id.Valid {
		return derivedID("category", owner, c.key())
	}
	return importID("category", owner, c.id.String)
}

// categoriesOf returns the owner's categories, then the shared ones that the owner's tasks are in, and then those that are only names.
func (s *source) categoriesOf(ctx context.Context, o owner) ([]sourceCategory, error) {
	var categories []sourceCategory
	if s.categoryUser != "" {
		where, argument := s.categories.among(s.categoryUser, o.ids)
		var err error
		if categories, err = s.readCategories(ctx, where, argument); err != nil {
			return nil, err
		}
	}
	if s.taskCategoryID != "" {
		used, err := s.valuesOf(ctx, o, s.taskCategoryID, "")
		if err != nil {
			return nil, err
		}
		where, argument := s.categories.among("id", used)
		if s.categoryUser != "" {
			where += " AND " + pq.QuoteIdentifier(s.categoryUser) + " IS NULL"
		}
		shared, err := s.readCategories(ctx, where, argument)
		if err != nil {
			return nil, err
		}
		for i := range shared {
			shared[i].shared = true
		}
		categories = append(categories, shared...)
	}
	if s.taskCategory != "" {
		only := ""
		if s.taskCategoryID != "" {
			only = " AND " + pq.QuoteIdentifier(s.taskCategoryID) + " IS NULL"
		}
		names, err := s.valuesOf(ctx, o, s.taskCategory, only)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.TrimSpace(name) != "" {
				categories = append(categories, sourceCategory{name: sql.NullString{String: name, Valid: true}})
			}
		}
	}
	return categories, nil
}

// valuesOf returns the values of a column of the owner's tasks, each once, sorted.
func (s *source) valuesOf(ctx context.Context, o owner, column, only string) ([]string, error) {
	where, argument := s.tasks.among(s.taskUser, o.ids)
	var values []string
	err := s.query(ctx, "the categories of the tasks", func(scan scanner) error {
		var value sql.NullString
		err := scan(&value)
		if value.Valid {
			values = append(values, value.String)
		}
		return err
	}, "SELECT DISTINCT "+s.tasks.text(column)+" FROM "+pq.QuoteIdentifier(s.tasks.name)+" WHERE "+where+only, argument)
	slices.Sort(values)
	return values, err
}

func (s *source) readCategories(ctx context.Context, where string, argument any) ([]sourceCategory, error) {
	t := s.categories
	columns := []string{t.text("id"), t.text(s.categoryName), t.text(s.categoryColor), t.text(s.categoryText), t.moment(s.categoryCreated)}
	order := "id"
	for _, column := range []string{s.categoryCreated, s.categoryOrder} {
		if column != "" {
			order = pq.QuoteIdentifier(column) + ", " + order
		}
	}
	var categories []sourceCategory
	err := s.query(ctx, "the categories", func(scan scanner) error {
		var c sourceCategory
		err := scan(&c.id, &c.name, &c.color, &c.description, &c.created)
		categories = append(categories, c)
		return err
	}, "SELECT "+strings.Join(columns, ", ")+" FROM "+pq.QuoteIdentifier(t.name)+" WHERE "+where+" ORDER BY "+order, argument)
	return categories, err
}

// category converts a category to a project.
func (s *source) category(row sourceCategory, owner string) (task.ImportedProject, notes) {
	var n notes
	p := task.ImportedProject{
		ID: row.projectID(owner), Name: oneLine(&n, "name", row.name.String), Color: n.color(row.color),
		CreatedAt: n.time("the time it was made", s.categoryCreated, row.created),
	}
	if row.description.Valid {
		p.Description = &row.description.String
	}
	return p, n
}

// project returns the project of a task, by the keys of categories; nil if the task has no category, or its category can't be used.
func (n *notes) project(row sourceTask, projects map[string]uuid.UUID) *uuid.UUID {
	category := sourceCategory{id: row.categoryID, name: row.category}
	if !row.categoryID.Valid && strings.TrimSpace(row.category.String) == "" {
		return nil
	}
	id, ok := projects[category.key()]
	if !ok {
		n.add("its category does not exist, or is another user's, or was not taken, or its project is in the trash here: it goes without")
		return nil
	}
	return &id
}

// copyCategories imports the owner's categories as projects. It returns the ids of those that tasks can be put into, by the categories'
// keys.
func (r *run) copyCategories(ctx context.Context, v viewer.Viewer, o owner) (map[string]uuid.UUID, error) {
	rows, err := r.source.categoriesOf(ctx, o)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var projects []task.ImportedProject
	var noted []notes
	var from []sourceCategory
	seen := map[string]bool{}
	for _, row := range rows {
		if seen[row.key()] {
			continue // It is the name of another one in capitals.
		}
		seen[row.key()] = true
		name := r.source.categoryName
		if !row.id.Valid {
			name = r.source.taskCategory
		}
		if reason := encodingProblem(columnText{name, row.name.String}, columnText{r.source.categoryText, row.description.String}); reason != "" {
			r.report.refuse("category", row.label(), reason)
			continue
		}
		p, n := r.source.category(row, v.UserID)
		projects, noted, from = append(projects, p), append(noted, n), append(from, row)
	}
	outcomes, err := r.tasks.ImportProjects(ctx, v, projects, task.ImportOptions{DryRun: r.DryRun})
	if err != nil {
		return nil, err
	}
	ids := make(map[string]uuid.UUID, len(rows))
	for i, outcome := range outcomes {
		r.report.add("category", from[i].label(), outcome, noted[i])
		if len(outcome.Problems) == 0 && !outcome.InTrash {
			ids[from[i].key()] = outcome.ID
		}
	}
	return ids, nil
}
