package importer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"
)

// source is the database to import from: a snapshot of it, in a read-only transaction.
type source struct {
	tx *sql.Tx

	users, tasks, tags, links, categories table
	// The names of the columns in this source; "" if it lacks the column.
	userID, userName, userEmail, userImage, userCreated                   string
	taskUser, title, description, priority, due, taskCreated, taskUpdated string
	isComplete, completed, status, completedAt, isDeleted, deletedAt      string
	recurrence, recurring, recurrenceInterval, recurrenceEnd              string
	tagUser, tagName, tagColor, tagCreated                                string
	linkTask, linkTag                                                     string
	taskCategoryID, taskCategory                                          string
	categoryUser, categoryName, categoryColor, categoryText               string
	categoryOrder, categoryCreated                                        string
}

// table is a table of the source and its columns' types, by name. If the source lacks the table, the name is empty.
type table struct {
	name    string
	columns map[string]string
}

// column returns the first of the names that is a column of the table; "" if none is.
func (t table) column(names ...string) string {
	for _, name := range names {
		if _, ok := t.columns[name]; ok {
			return name
		}
	}
	return ""
}

// openSource begins a transaction and finds the source's tables and columns. The caller must end the transaction.
func openSource(ctx context.Context, db *sql.DB) (*source, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return nil, fmt.Errorf("beginning to read the source: %w", err)
	}
	s := &source{tx: tx}
	err = s.allowAnyEncoding(ctx)
	if err == nil {
		err = s.findTables(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return s, nil
}

func (s *source) findTables(ctx context.Context) error {
	for _, t := range []struct {
		table *table
		names []string
	}{
		{&s.users, []string{"user", "users"}},
		{&s.tasks, []string{"tasks", "task"}},
		{&s.tags, []string{"tags", "tag"}},
		{&s.links, []string{"task_tags", "task_tag", "tasks_tags", "tasktag"}},
		{&s.categories, []string{"categories", "category", "task_categories", "task_category"}},
	} {
		found, err := s.findTable(ctx, t.names)
		if err != nil {
			return err
		}
		*t.table = found
	}
	if s.tasks.column("workspace_id") != "" {
		return errors.New("the source is a database of this server, not of the original back end: give the original's address")
	}
	s.nameColumns()
	return s.checkRequired()
}

func (s *source) nameColumns() {
	s.userID, s.userName, s.userEmail = s.users.column("id"), s.users.column("name"), s.users.column("email")
	s.userImage, s.userCreated = s.users.column("image"), s.users.column("createdAt", "created_at")

	s.taskUser, s.title = s.tasks.column("user_id", "userId", "owner_id"), s.tasks.column("title")
	s.description, s.priority, s.due = s.tasks.column("description"), s.tasks.column("priority"), s.tasks.column("due_date", "due_at", "dueDate")
	s.taskCreated, s.taskUpdated = s.tasks.column("created_at", "createdAt"), s.tasks.column("updated_at", "updatedAt")
	s.isComplete, s.completed = s.tasks.column("is_complete", "is_completed"), s.tasks.column("completed")
	s.status, s.completedAt = s.tasks.column("status"), s.tasks.column("completed_at")
	s.isDeleted, s.deletedAt = s.tasks.column("is_deleted", "deleted"), s.tasks.column("deleted_at")

	s.recurrence = s.tasks.column("recurrence_pattern", "recurrence_rule", "recurrence_type", "recurrence", "repeat_pattern", "repeat_type", "repeat",
		"recurring_pattern", "recurring")
	s.recurring, s.recurrenceInterval = s.tasks.column("is_recurring", "recurring"), s.tasks.column("recurrence_interval", "repeat_interval")
	s.recurrenceEnd = s.tasks.column("recurrence_end_date", "recurrence_end", "recurrence_until", "repeat_until")
	if s.recurring == s.recurrence {
		s.recurring = ""
	}

	s.tagUser, s.tagName = s.tags.column("user_id", "userId", "owner_id"), s.tags.column("name")
	s.tagColor, s.tagCreated = s.tags.column("color", "colour"), s.tags.column("created_at", "createdAt")
	s.linkTask, s.linkTag = s.links.column("task_id", "taskId"), s.links.column("tag_id", "tagId")

	s.taskCategory = s.tasks.column("category", "category_name")
	if c := s.categories; c.column("id") != "" && c.column("name") != "" {
		s.taskCategoryID = s.tasks.column("category_id", "categoryId")
		s.categoryUser, s.categoryName = c.column("user_id", "userId", "owner_id"), c.column("name")
		s.categoryColor, s.categoryText = c.column("color", "colour"), c.column("description")
		s.categoryOrder, s.categoryCreated = c.column("sort_order", "position", "display_order"), c.column("created_at", "createdAt")
	} else {
		s.categories = table{columns: map[string]string{}} // Without them it is another table.
	}
}

// checkRequired returns an error if a required table or column is missing.
func (s *source) checkRequired() error {
	if s.tasks.name == "" {
		return errors.New("the source has no table tasks: is it the right database? " +
			"If the tables are in another schema, add ?search_path=its_name to the address")
	}
	for _, need := range []struct {
		table         table
		column, named string
	}{
		{s.tasks, s.tasks.column("id"), "id"},
		{s.tasks, s.taskUser, "user_id"},
		{s.tasks, s.title, "title"},
		{s.users, s.userID, "id"},
		{s.tags, s.tags.column("id"), "id"},
		{s.tags, s.tagUser, "user_id"},
		{s.tags, s.tagName, "name"},
		{s.links, s.linkTask, "task_id"},
		{s.links, s.linkTag, "tag_id"},
	} {
		if need.table.name != "" && need.column == "" {
			return fmt.Errorf("the source's table %s has no column %s", need.table.name, need.named)
		}
	}
	return nil
}

// findTable returns the first of the tables that exists in the search path.
func (s *source) findTable(ctx context.Context, names []string) (table, error) {
	for _, name := range names {
		found := table{name: name, columns: map[string]string{}}
		err := s.query(ctx, "the columns of "+name, func(scan scanner) error {
			var column, kind string
			if err := scan(&column, &kind); err != nil {
				return err
			}
			found.columns[column] = kind
			return nil
		}, `SELECT a.attname, CASE WHEN t.typtype = 'e' THEN 'text' ELSE t.typname END
			FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
			WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`, pq.QuoteIdentifier(name))
		if err != nil {
			return table{}, err
		}
		if len(found.columns) > 0 {
			return found, nil
		}
	}
	return table{columns: map[string]string{}}, nil
}

// scanner reads the columns of a row, as sql.Rows.Scan does.
type scanner func(columns ...any) error

// query runs a query and calls row for each row. The error names what was read.
func (s *source) query(ctx context.Context, what string, row func(scanner) error, query string, arguments ...any) error {
	if err := s.eachRow(ctx, row, query, arguments); err != nil {
		return fmt.Errorf("reading %s of the source: %w", what, err)
	}
	return nil
}

func (s *source) eachRow(ctx context.Context, row func(scanner) error, query string, arguments []any) error {
	rows, err := s.tx.QueryContext(ctx, query, arguments...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// text is the expression for a column as text; null if the table lacks the column.
func (t table) text(column string) string {
	if column == "" {
		return "NULL::text"
	}
	return pq.QuoteIdentifier(column) + "::text"
}

// microseconds is the prefix of a time that table.moment returns in microseconds since 1970.
const microseconds = "us:"

// moment is the expression for a column of times as text: microseconds since 1970, or the text if the column is not a time in
// the years 1 to 9999. A time without a zone is taken as UTC. (The last years that PostgreSQL knows overflow in microseconds,
// and the statement would fail.)
func (t table) moment(column string) string {
	name := pq.QuoteIdentifier(column)
	switch t.columns[column] {
	case "timestamptz", "timestamp", "date":
		return "CASE WHEN " + name + " >= '0001-01-01' AND " + name + " < '10000-01-01' THEN '" + microseconds + "' || round(extract(epoch FROM " + name + ")::numeric * 1000000)::bigint::text ELSE " + name + "::text END"
	default:
		return t.text(column)
	}
}

// among returns a condition that the column is one of the values, and the values as its first argument. It can use an index on
// the column.
func (t table) among(column string, values []string) (string, any) {
	name := pq.QuoteIdentifier(column)
	switch t.columns[column] {
	case "uuid":
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { _, err := uuid.Parse(v); return err != nil })
		return name + " = ANY($1::uuid[])", pq.Array(values)
	case "text", "varchar":
		return name + " = ANY($1::text[])", pq.Array(values)
	default:
		return name + "::text = ANY($1::text[])", pq.Array(values)
	}
}

// owner is a user who has tasks, tags or categories in the source.
type owner struct {
	// ids are the owner's id as the tables have it: a UUID can be written in several ways.
	ids []string
	// user is the row in the table of users; nil if there is none.
	user *sourceUser
}

// id returns the auth server's id of the user: the one in the table of users if there is one.
func (o owner) id() string {
	if o.user != nil {
		return o.user.id
	}
	return o.ids[0]
}

type sourceUser struct {
	id, name, email string
	image           *string
	created         sql.NullString
}

// owners returns all users who have tasks, tags or categories, sorted by id.
func (s *source) owners(ctx context.Context) ([]owner, error) {
	query := "SELECT DISTINCT " + s.tasks.text(s.taskUser) + " AS id FROM " + pq.QuoteIdentifier(s.tasks.name)
	if s.tags.name != "" {
		query += " UNION SELECT " + s.tags.text(s.tagUser) + " FROM " + pq.QuoteIdentifier(s.tags.name)
	}
	if s.categoryUser != "" {
		query += " UNION SELECT " + s.categories.text(s.categoryUser) + " FROM " + pq.QuoteIdentifier(s.categories.name)
	}
	byID := map[string]int{}
	var owners []owner
	err := s.query(ctx, "whose the tasks are", func(scan scanner) error {
		var id string
		if err := scan(&id); err != nil {
			return err
		}
		key := canonicalID(id)
		if i, ok := byID[key]; ok {
			owners[i].ids = append(owners[i].ids, id)
			return nil
		}
		byID[key] = len(owners)
		owners = append(owners, owner{ids: []string{id}})
		return nil
	}, "SELECT id FROM ("+query+") owners WHERE id IS NOT NULL ORDER BY id")
	if err != nil {
		return nil, err
	}
	return owners, s.addUsers(ctx, owners, byID)
}

// addUsers sets the owners' rows of the table of users.
func (s *source) addUsers(ctx context.Context, owners []owner, byID map[string]int) error {
	if s.users.name == "" {
		return nil
	}
	u := s.users
	columns := []string{
		u.text(s.userID), "coalesce(" + u.text(s.userName) + ", '')", "coalesce(" + u.text(s.userEmail) + ", '')",
		u.text(s.userImage), u.moment(s.userCreated),
	}
	return s.query(ctx, "the users", func(scan scanner) error {
		var user sourceUser
		if err := scan(&user.id, &user.name, &user.email, &user.image, &user.created); err != nil {
			return err
		}
		if i, ok := byID[canonicalID(user.id)]; ok {
			owners[i].user = &user
		}
		return nil
	}, "SELECT "+strings.Join(columns, ", ")+" FROM "+pq.QuoteIdentifier(u.name))
}

// canonicalID returns the form of an id for comparisons: UUIDs are equal in any spelling.
func canonicalID(id string) string {
	if u, err := uuid.Parse(id); err == nil {
		return u.String()
	}
	return id
}

// sourceTag is a row of the table of tags, as text.
type sourceTag struct{ id, name, color, created sql.NullString }

func (s *source) tagsOf(ctx context.Context, o owner) ([]sourceTag, error) {
	if s.tags.name == "" {
		return nil, nil
	}
	t := s.tags
	where, argument := t.among(s.tagUser, o.ids)
	columns := []string{t.text("id"), t.text(s.tagName), t.text(s.tagColor), t.moment(s.tagCreated)}
	var tags []sourceTag
	err := s.query(ctx, "the tags", func(scan scanner) error {
		var tag sourceTag
		err := scan(&tag.id, &tag.name, &tag.color, &tag.created)
		tags = append(tags, tag)
		return err
	}, "SELECT "+strings.Join(columns, ", ")+" FROM "+pq.QuoteIdentifier(t.name)+" WHERE "+where+" ORDER BY id", argument)
	return tags, err
}

// sourceTask is a row of the table of tasks, as text.
type sourceTask struct {
	id, title, description, priority, due, created, updated          sql.NullString
	isComplete, completed, status, completedAt, isDeleted, deletedAt sql.NullString
	recurrence, recurring, recurrenceInterval, recurrenceEnd         sql.NullString
	categoryID, category                                             sql.NullString
	// tags are the ids of the task's tags.
	tags []string
}

// tasksOf reads the owner's tasks in batches, oldest first.
func (s *source) tasksOf(ctx context.Context, o owner, size int, batch func([]sourceTask) error) error {
	t := s.tasks
	where, argument := t.among(s.taskUser, o.ids)
	order := "id"
	if s.taskCreated != "" {
		order = pq.QuoteIdentifier(s.taskCreated) + " NULLS FIRST, id"
	}
	columns := []string{
		t.text("id"), t.text(s.title), t.text(s.description), t.text(s.priority), t.moment(s.due), t.moment(s.taskCreated), t.moment(s.taskUpdated),
		t.text(s.isComplete), t.text(s.completed), t.text(s.status), t.moment(s.completedAt), t.text(s.isDeleted), t.moment(s.deletedAt),
		t.text(s.recurrence), t.text(s.recurring), t.text(s.recurrenceInterval), t.moment(s.recurrenceEnd),
		t.text(s.taskCategoryID), t.text(s.taskCategory),
	}
	//nolint:gosec // The names are quoted, and what is looked for is an argument.
	query := "DECLARE import_tasks NO SCROLL CURSOR FOR SELECT " + strings.Join(columns, ", ") +
		" FROM " + pq.QuoteIdentifier(t.name) + " WHERE " + where + " ORDER BY " + order
	if _, err := s.tx.ExecContext(ctx, query, argument); err != nil {
		return fmt.Errorf("reading the tasks of the source: %w", err)
	}
	for {
		tasks, err := s.fetch(ctx, size)
		if err != nil {
			return err
		}
		if len(tasks) == 0 {
			break
		}
		if err := s.addTags(ctx, tasks); err != nil {
			return err
		}
		if err := batch(tasks); err != nil {
			return err
		}
	}
	if _, err := s.tx.ExecContext(ctx, "CLOSE import_tasks"); err != nil {
		return fmt.Errorf("reading the tasks: %w", err)
	}
	return nil
}

func (s *source) fetch(ctx context.Context, size int) ([]sourceTask, error) {
	var tasks []sourceTask
	err := s.query(ctx, "the tasks", func(scan scanner) error {
		var t sourceTask
		err := scan(&t.id, &t.title, &t.description, &t.priority, &t.due, &t.created, &t.updated,
			&t.isComplete, &t.completed, &t.status, &t.completedAt, &t.isDeleted, &t.deletedAt,
			&t.recurrence, &t.recurring, &t.recurrenceInterval, &t.recurrenceEnd, &t.categoryID, &t.category)
		tasks = append(tasks, t)
		return err
	}, fmt.Sprintf("FETCH %d FROM import_tasks", size))
	return tasks, err
}

// addTags sets the ids of the tasks' tags.
func (s *source) addTags(ctx context.Context, tasks []sourceTask) error {
	if s.links.name == "" {
		return nil
	}
	byID := make(map[string]int, len(tasks))
	ids := make([]string, len(tasks))
	for i, t := range tasks {
		byID[canonicalID(t.id.String)], ids[i] = i, t.id.String
	}
	l := s.links
	where, argument := l.among(s.linkTask, ids)
	return s.query(ctx, "the tags of tasks", func(scan scanner) error {
		var task string
		var tag sql.NullString
		if err := scan(&task, &tag); err != nil {
			return err
		}
		if i, ok := byID[canonicalID(task)]; ok {
			tasks[i].tags = append(tasks[i].tags, tag.String)
		}
		return nil
	}, "SELECT "+l.text(s.linkTask)+", "+l.text(s.linkTag)+" FROM "+pq.QuoteIdentifier(l.name)+" WHERE "+where+" ORDER BY 1, 2", argument)
}

// countTasks returns how many tasks these users have; all tasks if there are no users.
func (s *source) countTasks(ctx context.Context, users []string) (int, error) {
	query, arguments := "SELECT count(*) FROM "+pq.QuoteIdentifier(s.tasks.name), []any(nil)
	if len(users) > 0 {
		where, argument := s.tasks.among(s.taskUser, users)
		query, arguments = query+" WHERE "+where, []any{argument}
	}
	var n int
	if err := s.tx.QueryRowContext(ctx, query, arguments...).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting the tasks: %w", err)
	}
	return n, nil
}

// orphans counts the rows without an owner: tasks and tags without a user, and tags of tasks that don't exist.
func (s *source) orphans(ctx context.Context) (map[string]int, error) {
	queries := map[string]string{
		"tasks without a user": "SELECT count(*) FROM " + pq.QuoteIdentifier(s.tasks.name) + " WHERE " + pq.QuoteIdentifier(s.taskUser) + " IS NULL",
	}
	if s.tags.name != "" {
		queries["tags without a user"] = "SELECT count(*) FROM " + pq.QuoteIdentifier(s.tags.name) + " WHERE " + pq.QuoteIdentifier(s.tagUser) + " IS NULL"
	}
	if s.links.name != "" {
		queries["tags of tasks that don't exist"] = "SELECT count(*) FROM " + pq.QuoteIdentifier(s.links.name) + " l WHERE NOT EXISTS (SELECT FROM " +
			pq.QuoteIdentifier(s.tasks.name) + " t WHERE t.id::text = l." + pq.QuoteIdentifier(s.linkTask) + "::text)"
	}
	strays := map[string]int{}
	for name, query := range queries {
		var n int
		if err := s.tx.QueryRowContext(ctx, query).Scan(&n); err != nil {
			return nil, fmt.Errorf("counting %s: %w", name, err)
		}
		if n > 0 {
			strays[name] = n
		}
	}
	return strays, nil
}
