package workspace

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"entgo.io/ent/dialect/sql"
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

// storedAnswer returns what is stored under the key; nil if nothing is. It removes a key that is too old.
func (t *Tx) storedAnswer(ctx context.Context, key *string) (*ent.IdempotencyKey, error) {
	if key == nil {
		return nil, nil //nolint:nilnil // No key, no answer.
	}
	stored, err := t.IdempotencyKey.Query().Where(Scope(t.Viewer), idempotencykey.Key(*key)).Only(ctx)
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
	return t.storeKey(ctx, uuidv7(t.Now, uuid.New()), *key, hash, string(encoded))
}

// forgotten replaces an answer with an object that was deleted for good. Its key stays, so that the request still has no
// second effect.
const forgotten = "null"

// ForgetAnswers replaces the stored answers that contain an object that is about to be deleted for good. Rows writes what
// follows SELECT 1 in a subquery of the objects' rows: it must end within a WHERE, and id must be the object's column.
func (t *Tx) ForgetAnswers(ctx context.Context, rows func(*sql.Builder)) error {
	b := Statement()
	b.WriteString("UPDATE idempotency_keys SET answer = ").Arg(forgotten).
		WriteString(" WHERE ").Join(Condition(t.Viewer, "")).
		WriteString(" AND EXISTS (SELECT 1 ")
	rows(b)
	// It looks for the id as it is written, which is the same on both databases.
	b.WriteString(" AND replace(answer, CAST(id AS text), '') <> answer)")
	if err := t.Exec(ctx, b); err != nil {
		return fmt.Errorf("forgetting answers: %w", err)
	}
	return nil
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
