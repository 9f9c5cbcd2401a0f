package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

// Task is one thing to do. Its rules live in internal/task, never in hooks here.
type Task struct{ ent.Schema }

// Mixin of the Task.
func (Task) Mixin() []ent.Mixin {
	return []ent.Mixin{versioned{constraint: "tasks_workspaces_tasks"}}
}

// Fields of the Task.
func (Task) Fields() []ent.Field {
	return []ent.Field{
		field.String("title").SchemaType(text),
		field.String("description").SchemaType(text).Optional().Nillable(),
		field.Bool("completed").Default(false).Annotations(entsql.Default("false")),
		field.Time("completed_at").Optional().Nillable(),
		field.Int("priority").Default(0).Range(0, 4).SchemaType(map[string]string{dialect.Postgres: "smallint"}).
			Annotations(entsql.Default("0")).
			Comment("0 none, 1 low, 2 medium, 3 high, 4 urgent: a number, so that it sorts."),
		field.Time("due_date").Optional().Nillable().SchemaType(map[string]string{dialect.Postgres: "date"}).
			Comment("The day it is due, midnight UTC in Go; of a moment, its day in due_time_zone."),
		field.Time("due_at").Optional().Nillable().
			Comment("The moment it is due; null if only the day is set."),
		field.String("due_time_zone").Optional().Nillable().SchemaType(text).
			Comment("The time zone in which the moment was set."),
		field.Time("due_sort").Optional().Nillable().StructTag(`json:"-"`).
			Comment("Sorts tasks that are due on one day: the year 1 if only the day is set, else due_at. Null if due_date is."),
		field.UUID("parent_id", uuid.UUID{}).Optional().Nillable(),
		field.Bytes("position").DefaultFunc(noBytes).Annotations(noBytesDefault()).
			Comment("The manual order within the parent: a fractional index, compared byte by byte."),
		field.Bytes("title_key").DefaultFunc(noBytes).Annotations(noBytesDefault()).StructTag(`json:"-"`).
			Comment("Sorts by title on every database in the same way: case and accents do not matter, and numbers count by their value."),
		field.String("search_text").Default("").SchemaType(text).Annotations(entsql.Default("")).StructTag(`json:"-"`).
			Comment("The title and description without case and accents, for search."),
		field.Time("deleted_at").Optional().Nillable().
			Comment("When it was put into the trash; null if it is not there."),
		field.UUID("trashed_with", uuid.UUID{}).Optional().Nillable().StructTag(`json:"-"`).
			Comment("The task with which it was put into the trash: itself, or one above. Restoring that task restores all that has its id here."),
		field.UUID("recurrence_id", uuid.UUID{}).Optional().Nillable().
			Comment("The series of which it is an occurrence; null if it does not repeat. No foreign key: a series is deleted when it has no task left."),
		field.Int("occurrence_number").Optional().Nillable().
			Comment("Its number in the series; null if it does not repeat."),
		field.UUID("project_id", uuid.UUID{}).Optional().Nillable().
			Comment("Its project, which subtasks have from their parent; null if it is in none. No foreign key: the write path keeps it."),
		field.UUID("section_id", uuid.UUID{}).Optional().Nillable().
			Comment("Its section of the project, which subtasks have from their parent; null if it is in none."),
		field.Time("hidden_at").Optional().Nillable().StructTag(`json:"-"`).
			Comment("When its project was archived; null if it is in no archived one. It has no version: clients see the project's."),
		field.String("assignee_id").SchemaType(text).Optional().Nillable().
			Comment("The user who is to do it; null if nobody is named."),
		field.String("created_by").SchemaType(text).Optional().Nillable().
			Comment("The user who made it. Null in a personal workspace, whose user it was; in others, if that user was erased."),
		field.Bool("has_reminders").Default(false).Annotations(entsql.Default("false")).StructTag(`json:"-"`).
			Comment("Whether somebody may have reminders of it, so that changes of other tasks need not look. It has no version: setting it changes nothing that clients see."),
	}
}

// Edges of the Task.
func (Task) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("subtasks", Task.Type).From("parent").Field("parent_id").Unique().
			Annotations(entsql.OnDelete(entsql.SetNull)),
		edge.To("tags", Tag.Type).Through("task_tags", TaskTag.Type),
	}
}

// Indexes of the Task. An insert pays for each of them, so an index needs a list or a foreign key that would be slow without it
// at 100,000 tasks in a workspace; TestExplain shows which index serves what. Lists of the trash read all of its tasks and sort
// them, and so do lists of archived tasks. The index for search is made by a migration, if the extension pg_trgm can be had.
func (Task) Indexes() []ent.Index {
	return []ent.Index{
		// One for each order of a list. A new order needs a line here.
		listedBy("created_at"),
		listedBy("updated_at"),
		listedBy("completed_at"),
		listedBy("due_date", "due_sort"),
		listedBy("priority"),
		listedBy("title_key"),
		listedBy("position"),
		// Open tasks in the default order, however few are open.
		index.Fields("workspace_id", "created_at", "id").StorageKey("tasks_listed_open_by_created_at").
			Annotations(entsql.IndexWhere("deleted_at IS NULL AND hidden_at IS NULL AND NOT completed")),
		// The tasks of a project, and how many are open.
		index.Fields("workspace_id", "project_id", "completed", "position", "id").StorageKey("tasks_by_project").
			Annotations(entsql.IndexWhere("project_id IS NOT NULL AND deleted_at IS NULL")),
		// The tasks of archived projects.
		index.Fields("workspace_id", "hidden_at", "id").StorageKey("tasks_archived").
			Annotations(entsql.IndexWhere("hidden_at IS NOT NULL AND deleted_at IS NULL")),
		// The tasks of an assignee.
		index.Fields("workspace_id", "assignee_id", "id").StorageKey("tasks_by_assignee").
			Annotations(entsql.IndexWhere("assignee_id IS NOT NULL AND deleted_at IS NULL")),
		// Subtasks, and the neighbours of a moved task: those in the trash count, too.
		index.Fields("workspace_id", "parent_id", "position", "id").StorageKey("tasks_by_parent"),
		// The foreign key: deleting a task clears parent_id of its subtasks, by parent_id alone.
		index.Fields("parent_id").StorageKey("tasks_parent_id").Annotations(entsql.IndexWhere("parent_id IS NOT NULL")),
		// The tasks of a series.
		index.Fields("workspace_id", "recurrence_id", "occurrence_number").StorageKey("tasks_by_recurrence").
			Annotations(entsql.IndexWhere("recurrence_id IS NOT NULL")),
		// The trash.
		index.Fields("workspace_id", "deleted_at", "id").StorageKey("tasks_in_trash").
			Annotations(entsql.IndexWhere("deleted_at IS NOT NULL")),
	}
}

// listedBy returns the index for lists of active tasks in an order: the workspace, the order's columns, and the id. The tasks of
// archived projects are not in it.
func listedBy(order ...string) ent.Index {
	fields := append(append([]string{"workspace_id"}, order...), "id")
	return index.Fields(fields...).StorageKey("tasks_listed_by_" + order[0]).
		Annotations(entsql.IndexWhere("deleted_at IS NULL AND hidden_at IS NULL"))
}

// noBytes returns the default of a key that an older release does not set.
func noBytes() []byte { return []byte{} }

func noBytesDefault() schema.Annotation {
	return entsql.DefaultExprs(map[string]string{dialect.Postgres: "''", dialect.SQLite: "x''"})
}

// Annotations of the Task.
func (Task) Annotations() []schema.Annotation {
	return []schema.Annotation{
		entsql.Checks(map[string]string{"tasks_completed": "completed = (completed_at IS NOT NULL)"}),
	}
}
