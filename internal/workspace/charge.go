package workspace

import (
	"fmt"
	"time"
)

// The price of an operation is known before it is executed, but not all that a change stores: completing a task that repeats copies
// what is below it, and the history has what was there before. The change charges for that while it is made, and the client pays once it
// is. No client has to have the points: it is in debt then. But while it is, changes that charge are refused, so that many of them at
// once don't store more than the first of them.

// Budget is where clients have their points.
type Budget interface {
	// Debt returns how long the user is in debt for; 0 if the user is not.
	Debt(userID string) time.Duration
	// Owe takes points from the user, even if too few are left.
	Owe(userID string, points int)
}

// DebtError is the error of a change that is refused because the user is in debt. Nothing has changed.
type DebtError struct {
	// RetryAfter is when the user is out of debt.
	RetryAfter time.Duration
}

func (e *DebtError) Error() string { return fmt.Sprintf("the user is in debt for %s", e.RetryAfter) }

// BytesPerPoint is how many bytes of what a change stores cost 1, as many as of a request.
const BytesPerPoint = 1024

// Charge adds points to what the viewer pays for this change. The error is a *DebtError if the viewer is in debt already. Changes that
// nobody has asked for are free.
func (t *Tx) Charge(points int) error {
	if t.budget == nil || points <= 0 {
		return nil
	}
	if t.points == 0 {
		if wait := t.budget.Debt(t.Viewer.UserID); wait > 0 {
			return &DebtError{wait}
		}
	}
	t.points += points
	return nil
}

// pay takes what was charged from the viewer's budget. The next change of the workspace waits for its lock until then.
func (t *Tx) pay() {
	if t.points > 0 {
		t.budget.Owe(t.Viewer.UserID, t.points)
	}
}
