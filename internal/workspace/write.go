package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"taskql/internal/viewer"
)

// Change is one mutation, as Write runs it. R is its result.
type Change[R any] struct {
	// Name is the mutation's, such as "createTask".
	Name string
	// Input is encoded as JSON. Name and Input are what an idempotency key stands for: requests that mean the same have the same
	// Input, ids in canonical form, and that must not change between releases.
	Input any
	// IdempotencyKey is nil if the client sent none.
	IdempotencyKey *string
	// Needs is the weakest role that may make the change. The zero value is viewer.RoleWrite.
	Needs viewer.Role
	// Violations are what is wrong with the input. If there are any, Write only returns them.
	Violations []*UserError
	// Counter counts the rows that the change inserts.
	Counter Counter
	// FastPath, if set, makes the change with a statement that is a transaction of its own. It is tried first in the viewer's own
	// workspace, if there is no idempotency key and no other change waits. It returns the version that it took, 0 if the change was
	// refused. The result is nil if it has done nothing, and Apply must be run.
	FastPath func(ctx context.Context) (*R, int, error)
	// Apply makes the change. It must call tx.MarkChanged if it has changed a row, and set the version of that row to tx.Version.
	// If it returns ErrNoCommit, its result is returned and nothing is committed. PostgreSQL may roll the transaction back: then
	// Apply is called again in a new one, so it must keep no state between calls.
	Apply func(ctx context.Context, tx *Tx) (*R, error)
}

// Result is the result of a change: a pointer to R, which embeds Outcome.
type Result[R any] interface {
	*R
	outcome() *Outcome
	// Remembered returns a pointer to what of the result is stored under an idempotency key, as JSON.
	Remembered() any
}

// Outcome is what the results of all changes have in common.
type Outcome struct {
	// UserErrors are why nothing was changed. They are empty if the change was not refused.
	UserErrors []*UserError

	version int
	settled bool
}

// Refuse sets the violations of a result that has changed nothing.
func (o *Outcome) Refuse(errs []*UserError) { o.UserErrors = errs }

// Version returns the version of the workspace that the change has taken, or its current version if nothing was changed. It is nil
// if the change was refused.
func (o *Outcome) Version() *int {
	if !o.settled {
		return nil
	}
	return &o.version
}

func (o *Outcome) outcome() *Outcome { return o } //nolint:unused // It is of the interface Result.

// settle sets the version, unless the change was refused.
func (o *Outcome) settle(version int) {
	if len(o.UserErrors) == 0 {
		o.version, o.settled = version, true
	}
}

// ErrNoCommit is returned by Apply, with a result, if there is nothing to commit: the change was refused, or changes nothing.
var ErrNoCommit = errors.New("nothing to commit")

// ElsewhereError is returned for a request that was carried out before, with the same idempotency key, in another workspace of the viewer's.
// Write returns the first result if it is called there: what the request names may not exist any more, so that only the key says where.
type ElsewhereError struct{ WorkspaceID string }

// Error implements error.
func (e *ElsewhereError) Error() string {
	return fmt.Sprintf("the request was carried out before in workspace %q", e.WorkspaceID)
}

// Refuse returns a result with those violations, and ErrNoCommit. It is what Apply returns if it can't make the change.
func Refuse[R any, P Result[R]](errs []*UserError) (*R, error) {
	return refused[R, P](errs), ErrNoCommit
}

// RefuseNew is Refuse for a change that makes an object whose id the client may have chosen. If the workspace has it already, which
// exists reports, only that is said: a client that made the object and doesn't know it, because its idempotency key was forgotten, asks
// again, when the workspace may be full or a project in the trash.
func RefuseNew[R any, P Result[R]](ctx context.Context, errs []*UserError, exists func(context.Context) (bool, error)) (*R, error) {
	taken, err := exists(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for the id of what is new: %w", err)
	}
	if taken {
		errs = IDTaken()
	}
	return Refuse[R, P](errs)
}

func refused[R any, P Result[R]](errs []*UserError) *R {
	r := new(R)
	P(r).outcome().Refuse(errs)
	return r
}

// Write makes a change of v's workspace, in one transaction. It locks the workspace by taking its next version, returns the
// first result if the idempotency key was used before, applies the change and remembers the result. So no version is used
// twice, no update is lost, and the rows in the order of their versions are a feed of changes without gaps.
//
// The errors are ErrNoWorkspace, ErrErased, ErrBusy if the lock can't be had in time (lock.go), an *ElsewhereError, a *DebtError
// (charge.go), Apply's, and those of the database.
func Write[R any, P Result[R]](ctx context.Context, s *Service, v viewer.Viewer, c Change[R]) (*R, error) {
	if errs := forbidden(v.Role, cmp.Or(c.Needs, viewer.RoleWrite)); len(errs) > 0 {
		return refused[R, P](errs), nil
	}
	errs := Violations(c.Violations)
	if errs.checkIdempotencyKey(c.IdempotencyKey); len(errs) > 0 {
		return refused[R, P](errs), nil
	}
	if _, shared := OrganizationOf(v.WorkspaceID); c.FastPath != nil && c.IdempotencyKey == nil && !shared {
		r, version, err := tryFastPath(ctx, s, v, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		if version != 0 {
			s.committed(v.WorkspaceID, version)
		}
		if r != nil {
			P(r).outcome().settle(version)
			return r, nil
		}
	}
	hash, err := requestHash(c.Name, c.Input, c.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	var r *R
	err = s.lockedTx(ctx, v, c.Counter, func(t *Tx) error {
		t.budget = s.budget
		if err := t.lockViewer(ctx); err != nil {
			return err
		}
		stored, err := t.storedAnswer(ctx, c.IdempotencyKey)
		if err != nil {
			return err
		}
		if stored != nil {
			if r, err = repeat[R, P](stored, hash); err != nil {
				return err
			}
			P(r).outcome().settle(t.answeredVersion(stored))
			if changed := changedWorkspace(stored); changed != v.WorkspaceID && len(P(r).outcome().UserErrors) == 0 {
				return &ElsewhereError{WorkspaceID: changed}
			}
			return ErrNoCommit
		}
		switch r, err = c.Apply(ctx, t); {
		case errors.Is(err, ErrNoCommit):
			P(r).outcome().settle(t.previousVersion())
			return err
		case err != nil:
			return err
		}
		P(r).outcome().settle(t.finalVersion())
		if err := t.finish(ctx, c.IdempotencyKey, hash, P(r).Remembered()); err != nil {
			return err
		}
		t.pay()
		return nil
	})
	if err != nil && !errors.Is(err, ErrNoCommit) {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	return r, nil
}

// tryFastPath takes the fast path of a change, unless other changes wait for the workspace, which it would overtake. The result is nil
// if it has done nothing.
func tryFastPath[R any](ctx context.Context, s *Service, v viewer.Viewer, c Change[R]) (*R, int, error) {
	if !s.writers.TryAcquire(v.WorkspaceID) {
		return nil, 0, nil
	}
	defer s.writers.Release(v.WorkspaceID)
	ctx, release, err := s.Reserve(ctx, nil)
	if err != nil { // lockedTx waits for it.
		return nil, 0, nil
	}
	defer release()
	s.noteActivity()
	return c.FastPath(ctx)
}

// forbidden returns the violation of a change that needs a stronger role than the viewer's. It comes before all else, so that it says
// nothing about the workspace.
func forbidden(role, needs viewer.Role) Violations {
	var errs Violations
	if role < needs {
		errs.Add(CodeForbidden, "", "Your role in this workspace does not allow this: it takes the role %s.", needs)
	}
	return errs
}

// Apply makes a change of v's workspace that no client has asked for, with its lock and its next version as in Write. It
// returns nil if apply returns ErrNoCommit.
func (s *Service) Apply(ctx context.Context, v viewer.Viewer, c Counter, apply func(*Tx) error) error {
	return ignoreNoCommit(s.lockedTx(ctx, v, c, func(t *Tx) error {
		if err := apply(t); err != nil {
			return err
		}
		return t.finish(ctx, nil, nil, nil)
	}))
}

func ignoreNoCommit(err error) error {
	if errors.Is(err, ErrNoCommit) {
		return nil
	}
	return err
}
