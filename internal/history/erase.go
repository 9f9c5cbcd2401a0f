package history

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/internal/workspace"
)

// likeEscapes makes a text a pattern of LIKE … ESCAPE '!' that matches nothing else.
var likeEscapes = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_") //nolint:gochecknoglobals // A constant.

// eraseStep is how many activities EraseUser looks at. The statement that does has no index to find those of a user.
const eraseStep = 10_000

// EraseUser removes a user from activities of the workspace: as the actor, and as the assignee before and after the change. It looks at
// the next activities whose versions are greater than after, and changes up to workspace.BatchSize of them. It returns of how many it has
// removed the user, up to which version that is done, and whether more may follow.
func EraseUser(ctx context.Context, t *workspace.Tx, userID string, after int) (int, int, bool, error) {
	end, more, err := endOfStep(ctx, t, after)
	if err != nil {
		return 0, 0, false, err
	}
	var rows []struct {
		ID      uuid.UUID `sql:"id"`
		Changes *string   `sql:"changes"`
	}
	b := workspace.Statement()
	b.WriteString("SELECT id, changes FROM activities WHERE ").Join(workspace.Condition(t.Viewer, "")).
		WriteString(" AND version > ").Arg(after).WriteString(" AND version <= ").Arg(end).WriteString(" AND ")
	hasUser(b, userID).WriteString(" LIMIT ").Arg(workspace.BatchSize)
	if err := t.Select(ctx, &rows, b); err != nil {
		return 0, 0, false, fmt.Errorf("reading the activities of a user: %w", err)
	}
	if len(rows) == workspace.BatchSize { // There may be others up to that version.
		end, more = after, true
	}
	for _, row := range rows {
		changes, err := withoutUser(row.Changes, userID)
		if err != nil {
			return 0, 0, false, fmt.Errorf("decoding activity %s: %w", row.ID, err)
		}
		b := workspace.Statement()
		b.WriteString("UPDATE activities SET actor_id = CASE WHEN actor_id <> ").Arg(userID).WriteString(" THEN actor_id END, changes = ").Arg(changes).
			WriteString(" WHERE id = ").Arg(row.ID)
		if err := t.Exec(ctx, b); err != nil {
			return 0, 0, false, fmt.Errorf("erasing a user from an activity: %w", err)
		}
	}
	return len(rows), end, more, nil
}

// hasUser appends the condition that an activity has a user, as the actor or as the assignee before or after the change.
func hasUser(b *sql.Builder, userID string) *sql.Builder {
	quoted, _ := json.Marshal(userID) // A text can always be encoded.
	name := likeEscapes.Replace(string(quoted))
	return b.WriteString("(actor_id = ").Arg(userID).
		WriteString(" OR changes LIKE ").Arg(`%"assignee":[` + name + `,%`).WriteString(" ESCAPE '!' OR changes LIKE ").Arg(`%"assignee":[%,` + name + `]%`).
		WriteString(" ESCAPE '!')")
}

// OfUser selects the activities that EraseUser changes.
func OfUser(userID string) func(*sql.Selector) {
	return func(s *sql.Selector) {
		s.Where(sql.P(func(b *sql.Builder) { hasUser(b, userID) }))
	}
}

// endOfStep returns the version up to which there are about eraseStep activities after a version, and whether there are more behind it.
func endOfStep(ctx context.Context, t *workspace.Tx, after int) (int, bool, error) {
	var ends []int
	b := workspace.Statement()
	b.WriteString("SELECT version FROM activities WHERE ").Join(workspace.Condition(t.Viewer, "")).WriteString(" AND version > ").Arg(after).
		WriteString(" ORDER BY version LIMIT 1 OFFSET ").Arg(eraseStep)
	if err := t.Select(ctx, &ends, b); err != nil {
		return 0, false, fmt.Errorf("looking for the activities of a user: %w", err)
	}
	if len(ends) == 0 {
		return t.Version, false, nil
	}
	return ends[0], true, nil
}

// withoutUser returns the column changes without a user as the assignee.
func withoutUser(column *string, userID string) (*string, error) {
	if column == nil {
		return nil, nil //nolint:nilnil // The column is null.
	}
	var c Changes
	if err := json.Unmarshal([]byte(*column), &c); err != nil {
		return nil, err //nolint:wrapcheck // The caller names the activity.
	}
	if c.Assignee == nil {
		return column, nil
	}
	for i, id := range c.Assignee {
		if id != nil && *id == userID {
			c.Assignee[i] = nil
		}
	}
	encoded, err := json.Marshal(c)
	text := string(encoded)
	return &text, err //nolint:wrapcheck // As above.
}
