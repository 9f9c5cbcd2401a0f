package history

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"taskql/internal/workspace"
)

// likeEscapes makes a text a pattern of LIKE … ESCAPE '!' that matches nothing else.
var likeEscapes = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_") //nolint:gochecknoglobals // A constant.

// EraseUser removes a user from up to workspace.BatchSize activities of the workspace: as the actor, and as the assignee before and
// after the change. It returns of how many.
func EraseUser(ctx context.Context, t *workspace.Tx, userID string) (int, error) {
	quoted, _ := json.Marshal(userID) // A text can always be encoded.
	var rows []struct {
		ID      uuid.UUID `sql:"id"`
		Changes *string   `sql:"changes"`
	}
	name := likeEscapes.Replace(string(quoted))
	b := workspace.Statement()
	b.WriteString("SELECT id, changes FROM activities WHERE ").Join(workspace.Condition(t.Viewer, "")).
		WriteString(" AND (actor_id = ").Arg(userID).
		WriteString(" OR changes LIKE ").Arg(`%"assignee":[` + name + `,%`).WriteString(" ESCAPE '!' OR changes LIKE ").Arg(`%"assignee":[%,` + name + `]%`).
		WriteString(" ESCAPE '!') LIMIT ").Arg(workspace.BatchSize)
	if err := t.Select(ctx, &rows, b); err != nil {
		return 0, fmt.Errorf("reading the activities of a user: %w", err)
	}
	for _, row := range rows {
		changes, err := withoutUser(row.Changes, userID)
		if err != nil {
			return 0, fmt.Errorf("decoding activity %s: %w", row.ID, err)
		}
		b := workspace.Statement()
		b.WriteString("UPDATE activities SET actor_id = CASE WHEN actor_id <> ").Arg(userID).WriteString(" THEN actor_id END, changes = ").Arg(changes).
			WriteString(" WHERE id = ").Arg(row.ID)
		if err := t.Exec(ctx, b); err != nil {
			return 0, fmt.Errorf("erasing a user from an activity: %w", err)
		}
	}
	return len(rows), nil
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
