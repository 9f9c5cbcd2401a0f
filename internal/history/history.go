// Package history keeps what each change did to tasks: the activities of a workspace. A change writes them in its own
// transaction, one for each task that it changed, and they are removed when they are old. They say who made the change and
// through what, and they have the values before and after it, so that a change can be undone.
package history

import (
	"time"

	"github.com/google/uuid"
)

// Action is what a change did to a task, as an ActivityAction of the API.
type Action string

// The actions.
const (
	Created   Action = "CREATED"
	Changed   Action = "CHANGED"
	Completed Action = "COMPLETED"
	Reopened  Action = "REOPENED"
	Skipped   Action = "SKIPPED"
	Moved     Action = "MOVED"
	Deleted   Action = "DELETED"
	Restored  Action = "RESTORED"
	Undone    Action = "UNDONE"
)

// Via is what a change was made through, as an ActorKind of the API.
type Via string

// What changes are made through.
const (
	Session       Via = "SESSION"
	Impersonation Via = "IMPERSONATION"
	Import        Via = "IMPORT"
	Server        Via = "SERVER"
)

// Activity is what one change did to one task. Of a subtree that was deleted or restored, only its root has one.
type Activity struct {
	// ID, Version and At are set by Insert.
	ID uuid.UUID
	// Version is the workspace's, which the change took.
	Version int
	TaskID  uuid.UUID
	// ActorID is the user who made the change; nil if the server did.
	ActorID *string
	Via     Via
	Action  Action
	Changes Changes
	At      time.Time

	// size is how many bytes of Changes are stored, without the description.
	size int
}

// Actor is who made a change, and through what.
type Actor Activity

// Actor returns the activity's actor. It is the same pointer for each call.
func (a *Activity) Actor() *Actor { return (*Actor)(a) }

// Change is the value before a change and the value after it. It is stored as an array of two.
type Change[T any] [2]T

// From returns the value before the change.
func (c Change[T]) From() T { return c[0] }

// To returns the value after the change.
func (c Change[T]) To() T { return c[1] }

// Changes are what a change changed of a task. A field is nil if it was not changed. The activity of a new task has none, but Copied.
//
// They are stored as JSON, except Description.
type Changes struct {
	Title *Change[string] `json:"title,omitempty"`
	// Description is stored in columns of its own, and only the text before the change: see Description.
	Description *Description        `json:"-"`
	Due         *Change[*Due]       `json:"due,omitempty"`
	Priority    *Change[int]        `json:"priority,omitempty"`
	Tags        *Tags               `json:"tags,omitempty"`
	Parent      *Change[*uuid.UUID] `json:"parent,omitempty"`
	Project     *Change[*uuid.UUID] `json:"project,omitempty"`
	Section     *Change[*uuid.UUID] `json:"section,omitempty"`
	// Assignee has the ids of users.
	Assignee *Change[*string] `json:"assignee,omitempty"`
	// Place is set if the task was moved, within its parent or to another.
	Place *Place `json:"place,omitempty"`
	// CompletedAt is when the task was completed; nil if it was open. It is not stored if the action is Completed.
	CompletedAt *Change[*time.Time] `json:"completed,omitempty"`
	// Trash says whether and how the task was in the trash. It is not stored if the action is Deleted.
	Trash *Change[*Trash] `json:"trash,omitempty"`
	// Named are the tasks below this one that the change named as well, if they went to the trash, or came out of it, with this one.
	Named *[]uuid.UUID `json:"named,omitempty"`
	// Recurrence is the series that the task belongs to; nil if it belonged to none. The rule may be the same, if the change moved
	// the series on.
	Recurrence *Change[*Recurrence] `json:"recurrence,omitempty"`
	// NextID is the next occurrence that the change made, and RemovedNextID the one that it took back.
	NextID        *uuid.UUID `json:"next,omitempty"`
	RemovedNextID *uuid.UUID `json:"removedNext,omitempty"`
	// Copied says that the change created the task as the next occurrence of another one, or below it.
	Copied bool `json:"copied,omitempty"`
	// Skips says that the change skipped an occurrence, or undid that; the action says it if it is Skipped.
	Skips bool `json:"skips,omitempty"`
	// Undoes is the version of the change that this change undoes; 0 if it undoes none.
	Undoes int `json:"undoes,omitempty"`
	// Final says that the change can't be undone, because something was deleted for good with it: a tag, or the parent.
	Final bool `json:"final,omitempty"`
}

// Due is when a task is due: a day, or a moment in a time zone.
type Due struct {
	// Date is the day, as midnight UTC; of a moment, its day in TimeZone.
	Date     time.Time  `json:"date"`
	At       *time.Time `json:"at,omitempty"`
	TimeZone *string    `json:"zone,omitempty"`
}

// Description is a change of a task's description. To is not stored: it is the From of the task's next change of its
// description, or the task's own description.
type Description struct {
	// From is nil if the task had no description, or if the text is not kept any longer.
	From *string
	// To is set by those who write an activity. Read sets it if it is known.
	To *string
	// Forgotten says that From is not kept any longer.
	Forgotten bool
}

// Tags are the tags that a change added to a task, and removed from it.
type Tags struct {
	Added   []Tag `json:"added,omitempty"`
	Removed []Tag `json:"removed,omitempty"`
}

// Tag is a tag with the name that it had then.
type Tag struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
}

// Place is the place of a task in the manual order, before and after a move.
type Place struct {
	// Position is the task's key among its siblings.
	Position Change[[]byte] `json:"position"`
	// After and Before are the neighbours that the task had before the move, without those in the trash; nil at an end, and if
	// they were not looked up.
	After  *uuid.UUID `json:"after,omitempty"`
	Before *uuid.UUID `json:"before,omitempty"`
}

// Trash is how a task is in the trash.
type Trash struct {
	At time.Time `json:"at"`
	// With is the task with which it was deleted: itself, or one above. It is nil if an old release deleted it.
	With *uuid.UUID `json:"with,omitempty"`
}

// Recurrence is the state of a series, and the occurrence that the task is.
type Recurrence struct {
	ID      uuid.UUID `json:"id"`
	Rule    string    `json:"rule"`
	Mode    string    `json:"mode"`
	CatchUp string    `json:"catchUp"`
	Start   Due       `json:"start"`
	// FirstNumber and LastNumber are the series', Number is the task's occurrence.
	FirstNumber int        `json:"first"`
	LastNumber  int        `json:"last"`
	Number      int        `json:"number"`
	EndedAt     *time.Time `json:"ended,omitempty"`
	// Open is where the rule has put the open occurrence, whose number is LastNumber; nil if none is open.
	Open *Due `json:"open,omitempty"`
}
