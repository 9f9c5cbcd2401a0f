package graph

import (
	"context"
	"reflect"

	"taskql/graph/model"
	"taskql/internal/access"
	"taskql/internal/account"
	"taskql/internal/feed"
	"taskql/internal/history"
	"taskql/internal/project"
	"taskql/internal/recurrence"
	"taskql/internal/reminder"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// Services are what resolvers call. All are required.
type Services struct {
	Access      *access.Service
	Accounts    *account.Service
	Tasks       *task.Service
	Recurrences *recurrence.Service
	History     *history.Service
	Feed        *feed.Service
	Reminders   *reminder.Service
	Projects    *project.Service
}

// allSet reports whether no service is missing.
func (s Services) allSet() bool {
	for _, service := range reflect.ValueOf(s).Fields() {
		if service.IsNil() {
			return false
		}
	}
	return true
}

// entity is a type that implements Node, with the types that come with it. What it is made of is in the file of its name.
type entity struct {
	name string
	// find returns the viewer's objects of the type that have one of the ids, with those columns. It leaves out what
	// doesn't exist.
	find func(ctx context.Context, r *rootField, ids, columns []string) (map[string]model.Node, error)
	// types returns the table entries of the type itself, its connection and its payloads.
	types func() []objectType
}

// tables are those of the entities whose ids are looked up in the workspaces of organizations.
var tables = []string{ //nolint:gochecknoglobals // A constant, if Go had constant slices.
	workspace.TableTasks, workspace.TableTags, workspace.TableRecurrences, workspace.TableReminders, workspace.TableProjects, workspace.TableSections,
}

// entities are all of the schema, in the order in which an id is looked up.
var entities = []entity{ //nolint:gochecknoglobals // A constant, if Go had constant slices.
	{"Task", findTasks, taskTypes},
	{"Tag", findTags, tagTypes},
	{"Recurrence", findRecurrences, recurrenceTypes},
	{"Reminder", findReminders, reminderTypes},
	{"Project", findProjects, projectTypes},
	{"Section", findSections, sectionTypes},
	{workspaceType, findWorkspaces, workspaceTypes},
	{"User", findUser, userTypes},
	{"Person", findPeople, personTypes},
}
