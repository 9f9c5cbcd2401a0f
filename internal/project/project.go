// Package project has the projects of workspaces and their sections: their rules, lists, and the mutations that change no task.
// What also changes tasks, such as archiving and deleting a project, is in internal/task, which calls this package. It knows nothing
// of tasks.
package project

import (
	"cmp"
	"errors"

	"taskql/ent"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/workspace"
)

// The limits of texts, in characters: see text.Length.
const (
	MaxName        = 100
	MaxDescription = 10_000
)

// Limits are the limits of every workspace. Zero values stand for the defaults.
type Limits struct {
	// Projects is how many projects a workspace can have, those that are archived or in the trash included. Default: 500.
	Projects int
	// Sections is how many sections a project can have. Default: 50.
	Sections int
}

// WithDefaults returns the limits without zero values.
func (l Limits) WithDefaults() Limits {
	return Limits{Projects: cmp.Or(l.Projects, 500), Sections: cmp.Or(l.Sections, 50)}
}

// Config configures a Service.
type Config struct {
	// Workspaces makes the changes, and has the database. It is required.
	Workspaces *workspace.Service
	Limits     Limits
}

// Service reads and writes projects and sections. It is safe for concurrent use.
type Service struct {
	workspaces *workspace.Service
	client     *ent.Client
	limits     Limits
}

// New returns a Service on the database of c.Workspaces, and adds projects and sections to its feed.
func New(c Config) (*Service, error) {
	if c.Workspaces == nil {
		return nil, errors.New("project: Config.Workspaces is missing")
	}
	s := &Service{workspaces: c.Workspaces, client: c.Workspaces.Client, limits: c.Limits.WithDefaults()}
	c.Workspaces.AddFeedKinds(s.feedKinds()...)
	return s, nil
}

// Count is the column of workspaces that counts projects, those that are archived or in the trash included.
const Count = entworkspace.FieldProjectCount

// Result is the result of a mutation of a project.
type Result struct {
	// Project is the project after the change; the current one if the change was refused as STALE; else nil.
	Project *ent.Project
	workspace.Outcome
}

// Remembered implements workspace.Result.
func (r *Result) Remembered() any { return r }

// SectionResult is the result of a mutation of a section.
type SectionResult struct {
	// Section is as Result.Project.
	Section *ent.Section
	workspace.Outcome
}

// Remembered implements workspace.Result.
func (r *SectionResult) Remembered() any { return r }
