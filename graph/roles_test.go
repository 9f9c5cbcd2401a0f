package graph_test

import (
	"strings"
	"testing"

	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// TestRolesOfMutations sends each mutation of the schema in each role, with and without an idempotency key. If the role is too weak,
// it is refused as FORBIDDEN and changes nothing; else it is not refused as that.
func TestRolesOfMutations(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		schema := schemaOf(t)
		f := &isolation{api: newAPI(t, db), client: db.Client, schema: schema}
		for _, field := range schema.Mutation.Fields {
			needs, ok := testkit.NeededRoles[field.Name]
			if !ok {
				t.Errorf("add %s to testkit.NeededRoles", field.Name)
			}
			for role := viewer.RoleNone; role <= viewer.RoleAdmin; role++ {
				for _, more := range []string{"", `idempotencyKey: "key"`} {
					if more != "" && unversionedMutations[field.Name] != "" {
						continue
					}
					user, own := f.lastUser(t)
					f.api.users[user] = f.api.users[user].In(user, role)
					before := readState(t, f.client, user)
					answer := f.mutate(t, user, field, "", "", own["Task"], more)
					if forbidden := strings.Contains(answer, `"code":"FORBIDDEN"`); forbidden != (role < needs) {
						t.Errorf("%s in the role %s: %s", field.Name, role, answer)
					}
					if role < needs && checkVersions(t, before, readState(t, f.client, user)) != 0 {
						t.Errorf("%s in the role %s changes rows", field.Name, role)
					}
					f.api.users[user] = f.api.users[user].In(user, viewer.RoleAdmin)
				}
			}
		}
	})
}
