package task

import (
	"time"

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

// Due is when a task is due: a day, or a moment.
type Due struct {
	// Date is the day, midnight UTC; for a moment, the day it falls on in TimeZone.
	Date time.Time
	// At is the moment; nil where only the day is set.
	At *time.Time
	// TimeZone is the zone that the moment was set in.
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

// Progress is how far something of several parts is.
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

// BulkPolicy says what becomes of a bulk mutation in which some tasks fail.
type BulkPolicy string

// The policies of bulk mutations.
const (
	AllOrNothing BulkPolicy = "ALL_OR_NOTHING"
	SkipFailed   BulkPolicy = "SKIP_FAILED"
)

// Facets counts the tasks of a list that each further filter would leave.
type Facets struct {
	Open, Completed, Overdue, DueToday, DueNext7Days, NoDue int
	ByPriority                                              []*PriorityCount
	ByTag                                                   []*TagCount
}

// TagPage is one page of a list of tags, TagEdge a tag and its cursor.
type (
	TagPage = keyset.Page[*ent.Tag]
	TagEdge = keyset.Edge[*ent.Tag]
)

// DueInput sets when a task is due: exactly one field.
type DueInput struct {
	Date *time.Time   `json:"date,omitempty"`
	At   *MomentInput `json:"at,omitempty"`
}

// MomentInput is a moment and the zone it is set in; the viewer's where TimeZone is nil.
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
	Name           string  `json:"name"`
	Color          *string `json:"color,omitempty"`
	IdempotencyKey *string `json:"-"`
}

// PurgeResult is what a purge answers.
type PurgeResult struct {
	PurgedTaskID *string
	UserErrors   []*workspace.UserError
}

// BulkResult is what a bulk mutation answers: one result an id, in the order asked; none if the input is at fault.
type BulkResult struct {
	Results      []*ItemResult
	ChangedCount int
	// UserErrors say why nothing was changed. If some were changed and others not, the results alone say so.
	UserErrors []*workspace.UserError
}

// ItemResult is what became of one task of a bulk mutation.
type ItemResult struct {
	ID         string
	Task       *ent.Task
	UserErrors []*workspace.UserError
}

// TagResult is what a mutation of a tag answers.
type TagResult struct {
	Tag        *ent.Tag
	UserErrors []*workspace.UserError
}

// DeleteTagResult is what deleting a tag answers.
type DeleteTagResult struct {
	DeletedTagID *string
	UserErrors   []*workspace.UserError
}
