package task

import (
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/keyset"
	"taskql/internal/workspace"
)

// Priority is how much a task matters. It is stored as a number, so that it sorts.
type Priority = int

// The priorities, the lowest first.
const (
	PriorityNone Priority = iota
	PriorityLow
	PriorityMedium
	PriorityHigh
	PriorityUrgent
)

// Due is when a task is due: a day, or a time.
type Due struct {
	// Date is the day, as midnight UTC. If At is set, it is the day of At in TimeZone.
	Date time.Time
	// At is nil if the task is due on a day.
	At *time.Time
	// TimeZone is the zone that At was set in.
	TimeZone *string
}

// DueWindow is a span of days in the viewer's time zone.
type DueWindow string

// The windows of a due filter.
const (
	WindowOverdue   DueWindow = "OVERDUE"
	WindowToday     DueWindow = "TODAY"
	WindowTomorrow  DueWindow = "TOMORROW"
	WindowNext7Days DueWindow = "NEXT_7_DAYS"
)

// Progress is how many of a task's subtasks are completed.
type Progress struct{ Done, Total int }

// PriorityCount is how many tasks have a priority.
type PriorityCount struct {
	Priority Priority
	Count    int
}

// TagCount is how many tasks carry a tag.
type TagCount struct {
	Tag   *ent.Tag
	Count int
}

// AssigneeCount is how many tasks a user is to do; nobody if UserID is nil.
type AssigneeCount struct {
	UserID *string
	Count  int
}

// ProjectCount is how many tasks are in a project; in none if ProjectID is nil.
type ProjectCount struct {
	ProjectID *uuid.UUID
	Count     int
}

// BulkPolicy says what a bulk mutation does if it is refused for some of the tasks.
type BulkPolicy string

// The policies of bulk mutations.
const (
	AllOrNothing BulkPolicy = "ALL_OR_NOTHING"
	SkipFailed   BulkPolicy = "SKIP_FAILED"
)

// Facets are how many tasks of a list each further filter would select.
type Facets struct {
	Open, Completed, Overdue, DueToday, DueNext7Days, NoDue int
	ByPriority                                              []*PriorityCount
	ByTag                                                   []*TagCount
	ByAssignee                                              []*AssigneeCount
	ByProject                                               []*ProjectCount
}

// TagPage is one page of a list of tags.
type TagPage = keyset.Page[*ent.Tag]

// TagEdge is a tag and its cursor.
type TagEdge = keyset.Edge[*ent.Tag]

// DueInput sets when a task is due: exactly one field.
type DueInput struct {
	Date *time.Time   `json:"date,omitempty"`
	At   *MomentInput `json:"at,omitempty"`
}

// MomentInput is a time and the zone that it is set in. If TimeZone is nil, it is the viewer's.
type MomentInput struct {
	At       time.Time `json:"at"`
	TimeZone *string   `json:"timeZone,omitempty"`
}

// BulkInput names the tasks that a bulk mutation acts on.
type BulkInput struct {
	IDs            []string   `json:"ids"`
	ErrorPolicy    BulkPolicy `json:"errorPolicy"`
	IdempotencyKey *string    `json:"-"`
}

// CreateTagInput describes a new tag. Nil is absent.
type CreateTagInput struct {
	ID             *string `json:"id,omitempty"`
	WorkspaceID    *string `json:"workspaceId,omitempty"`
	Name           string  `json:"name"`
	Color          *string `json:"color,omitempty"`
	IdempotencyKey *string `json:"-"`
}

// PurgeResult is the result of a purge.
type PurgeResult struct {
	PurgedTaskID *string
	workspace.Outcome
}

// EmptyTrashInput is the input of EmptyTrash.
type EmptyTrashInput struct {
	WorkspaceID    *string `json:"workspaceId,omitempty"`
	IdempotencyKey *string `json:"-"`
}

// EmptyTrashResult is the result of emptying the trash.
type EmptyTrashResult struct {
	// PurgedCount is how many tasks were deleted, and RemainingCount how many are still in the trash.
	PurgedCount, RemainingCount int
	workspace.Outcome
}

// BulkResult is the result of a bulk mutation: a result for each id, in the order of the input, or none if the input is invalid.
type BulkResult struct {
	Results      []*ItemResult
	ChangedCount int
	// If only some tasks were refused, their results say why, and not the Outcome.
	workspace.Outcome
}

// ItemResult is the result of a bulk mutation for one task.
type ItemResult struct {
	ID         string
	Task       *ent.Task
	UserErrors []*workspace.UserError
	Repetition
}

// TagResult is the result of a mutation of a tag.
type TagResult struct {
	Tag *ent.Tag
	workspace.Outcome
}

// DeleteTagResult is the result of deleting a tag.
type DeleteTagResult struct {
	DeletedTagID *string
	workspace.Outcome
}
