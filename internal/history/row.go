package history

import (
	"encoding/json"
	"fmt"
	"time"

	"taskql/ent"
)

// An activity's row has what its action does not say: a task that was completed was open, and is completed at the activity's time.

// encodeChanges returns the column changes; nil if the action says it all.
func (a *Activity) encodeChanges() (*string, error) {
	c := a.Changes
	c.Description = nil // It has columns of its own.
	switch {
	case a.Action == Completed && a.saysCompletion(c.CompletedAt):
		c.CompletedAt = nil
	case a.Action == Deleted && a.saysDeletion(c.Trash):
		c.Trash = nil
	}
	if c == (Changes{}) {
		return nil, nil //nolint:nilnil // The column is null.
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding an activity: %w", err)
	}
	text := string(encoded)
	return &text, nil
}

// saysCompletion reports whether the action Completed says this change.
func (a *Activity) saysCompletion(c *Change[*time.Time]) bool {
	return c != nil && c.From() == nil && c.To() != nil && c.To().Equal(a.At)
}

// saysDeletion reports whether the action Deleted says this change.
func (a *Activity) saysDeletion(c *Change[*Trash]) bool {
	if c == nil || c.From() != nil || c.To() == nil {
		return false
	}
	to := c.To()
	return to.At.Equal(a.At) && to.With != nil && *to.With == a.TaskID
}

// FromRow returns the activity of a row.
func FromRow(row *ent.Activity) (*Activity, error) {
	a := &Activity{
		ID: row.ID, Version: row.Version, TaskID: row.TaskID, ActorID: row.ActorID, Via: Via(row.Via), Action: Action(row.Action), At: row.At,
	}
	c := &a.Changes
	if row.Changes != nil {
		if err := json.Unmarshal([]byte(*row.Changes), c); err != nil {
			return nil, fmt.Errorf("decoding activity %s: %w", row.ID, err)
		}
	}
	if row.Describes {
		c.Description = descriptionOf(row.OldDescription)
	}
	switch {
	case a.Action == Completed && c.CompletedAt == nil:
		c.CompletedAt = &Change[*time.Time]{nil, &a.At}
	case a.Action == Deleted && c.Trash == nil:
		c.Trash = &Change[*Trash]{nil, {At: a.At, With: &a.TaskID}}
	}
	return a, nil
}

// noDescription is stored if a task had no description: null stands for a text that is not kept any longer. A description is never
// empty.
const noDescription = ""

// stored returns the column old_description; nil if the description was not changed.
func (d *Description) stored() *string {
	if d == nil {
		return nil
	}
	text := noDescription
	if d.From != nil {
		text = *d.From
	}
	return &text
}

func descriptionOf(stored *string) *Description {
	switch {
	case stored == nil:
		return &Description{Forgotten: true}
	case *stored == noDescription:
		return &Description{}
	default:
		return &Description{From: stored}
	}
}
