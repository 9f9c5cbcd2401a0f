package workspace

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/idempotencykey"
	"taskql/internal/text"
)

const (
	// KeyLifetime is how long an idempotency key is remembered, if the workspace's budget of keys allows it (keybudget.go).
	KeyLifetime = 24 * time.Hour
	// MaxIdempotencyKey is how many characters a key has at most.
	MaxIdempotencyKey = 255
)

// checkIdempotencyKey checks a key: 1 to 255 characters.
func (errs *Violations) checkIdempotencyKey(key *string) {
	if key == nil {
		return
	}
	switch n := utf8.RuneCountInString(*key); {
	case text.IsBlank(*key):
		errs.Add(CodeBlank, "idempotencyKey", "An idempotency key can't be blank: leave it out, or send a fresh UUID.")
	case n > MaxIdempotencyKey:
		errs.Add(CodeTooLong, "idempotencyKey", "An idempotency key has at most %d characters; this one has %d.", MaxIdempotencyKey, n)
	case strings.ContainsRune(*key, 0):
		errs.Add(CodeInvalid, "idempotencyKey", "An idempotency key can't hold the character U+0000.")
	}
}

// requestHash identifies a request by the mutation's name and all of its input. It is nil without a key.
func requestHash(name string, input any, key *string) ([]byte, error) {
	if key == nil {
		return nil, nil
	}
	encoded, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("hashing the input: %w", err)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), encoded...))
	return sum[:], nil
}

// keysIn is the workspace that the viewer's keys are stored in: the personal one, whichever workspace a change is of. So a key is
// unique for its user, and a change is recognized although nothing that it names exists any more.
func (t *Tx) keysIn() string { return PersonalID(t.Viewer.UserID) }

// changedWorkspace is the workspace that a stored answer is of.
func changedWorkspace(stored *ent.IdempotencyKey) string {
	if stored.ChangedWorkspaceID != nil {
		return *stored.ChangedWorkspaceID
	}
	return stored.WorkspaceID
}

// lockViewer locks the viewer's personal workspace, with the viewer's keys, for a change of another workspace. The error is
// ErrErased if the viewer is being erased: an erasure that begins later waits, and finds what the change has written of the viewer.
// The other workspace is always locked before a personal one, and nobody locks an organization's workspace while holding a personal one,
// so that changes can't wait for each other.
func (t *Tx) lockViewer(ctx context.Context) error {
	if t.keysIn() == t.Viewer.WorkspaceID {
		return nil
	}
	version := 0
	err := t.updateWorkspace(ctx, []any{&version}, lockOnly, t.keysIn())
	if errors.Is(err, ErrNoWorkspace) {
		return ErrErased
	}
	return err
}

// storedAnswer returns what is stored under the key; nil if nothing is. It removes a key that is too old.
func (t *Tx) storedAnswer(ctx context.Context, key *string) (*ent.IdempotencyKey, error) {
	if key == nil {
		return nil, nil //nolint:nilnil // No key, no answer.
	}
	stored, err := t.IdempotencyKey.Query().Where(idempotencykey.WorkspaceID(t.keysIn()), idempotencykey.Key(*key)).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil //nolint:nilnil // As above.
	}
	if err != nil {
		return nil, fmt.Errorf("looking up the idempotency key: %w", err)
	}
	if t.Now.Before(stored.CreatedAt.Add(KeyLifetime)) {
		return stored, nil
	}
	// RunCleanup may have removed it in the meantime: it does not take the workspace's lock.
	if _, err := t.IdempotencyKey.Delete().Where(idempotencykey.ID(stored.ID)).Exec(ctx); err != nil {
		return nil, fmt.Errorf("forgetting an old idempotency key: %w", err)
	}
	return nil, nil //nolint:nilnil // As above.
}

// finish ends a change that was not refused. It stores the answer under the key, if there is one. If no row was changed it
// gives the version back; without a key nothing is left to commit then, and the error is ErrNoCommit.
func (t *Tx) finish(ctx context.Context, key *string, hash []byte, answer any) error {
	if !t.changed && key == nil {
		return ErrNoCommit
	}
	if t.changed {
		t.took(t.Viewer.WorkspaceID, t.Version)
	} else {
		if err := t.giveBack(ctx); err != nil {
			return err
		}
	}
	if key == nil {
		return nil
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	return t.storeKey(ctx, NewID(t.Now), *key, hash, string(encoded))
}

// forgotten replaces an answer with an object that was deleted for good. Its key stays, so that the request still has no
// second effect.
const forgotten = "null"

// ForgetAnswers replaces the stored answers that contain an object that is about to be deleted for good. It reads all answers of the
// workspace, whose length the budget of keys bounds: the database would look for each id in each of them.
func (t *Tx) ForgetAnswers(ctx context.Context, ids ...uuid.UUID) error {
	gone := make(map[string]bool, len(ids))
	for _, id := range ids {
		gone[id.String()] = true
	}
	keys, err := t.answersWith(ctx, gone)
	if err != nil {
		return fmt.Errorf("looking for answers to forget: %w", err)
	}
	for batch := range slices.Chunk(keys, BatchSize) {
		if err := t.IdempotencyKey.Update().Where(idempotencykey.IDIn(batch...)).SetAnswer(forgotten).Exec(ctx); err != nil {
			return fmt.Errorf("forgetting answers: %w", err)
		}
	}
	return nil
}

// answersWith returns the keys of the stored answers that contain one of the ids.
func (t *Tx) answersWith(ctx context.Context, ids map[string]bool) ([]uuid.UUID, error) {
	answers := "workspace_id"
	if _, ok := OrganizationOf(t.Viewer.WorkspaceID); ok {
		answers = "changed_workspace_id" // They are stored in the members' own workspaces.
	}
	rows, err := t.QueryContext(ctx, "SELECT id, answer FROM idempotency_keys WHERE "+answers+" = $1", t.Viewer.WorkspaceID)
	if err != nil {
		return nil, err //nolint:wrapcheck // The caller says what it looked for.
	}
	defer rows.Close()
	var keys []uuid.UUID
	for rows.Next() {
		var key uuid.UUID
		var answer []byte
		if err := rows.Scan(&key, &answer); err != nil {
			return nil, err //nolint:wrapcheck // As above.
		}
		if containsID(answer, ids) {
			keys = append(keys, key)
		}
	}
	return keys, rows.Err() //nolint:wrapcheck // As above.
}

// answeredVersion returns the version that was answered with a stored answer. If that is not known, because the previous release has
// stored it, it is the current one, which is no older.
func (t *Tx) answeredVersion(stored *ent.IdempotencyKey) int {
	if stored.Version == nil {
		return t.previousVersion()
	}
	return *stored.Version
}

// containsID reports whether a text contains one of the ids, which are in canonical form.
func containsID(s []byte, ids map[string]bool) bool {
	const length, hyphen = 36, 8 // Of an id, and before its first hyphen.
	for start := 0; ; {
		i := bytes.IndexByte(s[start:], '-')
		if i < 0 {
			return false
		}
		at := start + i - hyphen
		if at >= 0 && at+length <= len(s) && ids[string(s[at:at+length])] {
			return true
		}
		start += i + 1
	}
}

// repeat returns the first result of a request, or that the key was used for another one.
func repeat[R any, P Result[R]](stored *ent.IdempotencyKey, hash []byte) (*R, error) {
	var errs Violations
	switch {
	case !bytes.Equal(stored.RequestHash, hash):
		errs.Add(CodeKeyReused, "idempotencyKey", "This key was used for another request: send a fresh one.")
		return refused[R, P](errs), nil
	case stored.Answer == forgotten:
		errs.Add(CodeNotFound, "", "This request was carried out before, and what it changed has since been deleted for good.")
		return refused[R, P](errs), nil
	}
	r := new(R)
	if err := json.Unmarshal([]byte(stored.Answer), P(r).Remembered()); err != nil {
		return nil, fmt.Errorf("decoding the first answer: %w", err)
	}
	return r, nil
}
