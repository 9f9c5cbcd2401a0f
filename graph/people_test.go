package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"entgo.io/ent/dialect"

	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// TestPeople shows who sees whom: users see themselves, and whoever is or was a member of an organization that they belong to now.
func TestPeople(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		const document = `{ node(id: "person/%[1]s") { id ... on Person { name } } nodes(ids: ["person/%[1]s"]) { __typename } }`
		check := func(when string, sees map[string][]string) {
			t.Helper()
			for _, user := range []string{"ann", "bob", "admin", "eve", "1"} {
				for _, other := range []string{"ann", "bob", "admin", "eve", "1", "new", "nobody"} {
					want := `{"data":{"node":null,"nodes":[null]}}`
					if user == other || slices.Contains(sees[user], other) {
						want = fmt.Sprintf(`{"data":{"node":{"id":"person/%[1]s","name":"%[1]s"},"nodes":[{"__typename":"Person"}]}}`, other)
					}
					if got := f.do(user, document, other); got != want {
						t.Errorf("%s: %s asks for %s: %s, want %s", when, user, other, got, want)
					}
				}
			}
		}
		f.organizations.Set("2", "new", viewer.RoleRead) // Has never used this server.
		check("before anybody was seen", nil)
		f.do("ann", `{ workspaces { members { role } } }`)
		all := []string{"ann", "bob", "admin", "new"}
		check("after the members were listed", map[string][]string{"ann": all, "bob": all, "admin": all})
		f.organizations.Set("1", "bob", viewer.RoleNone)
		f.organizations.Set("2", "bob", viewer.RoleNone)
		check("after bob left", map[string][]string{"ann": all, "admin": all})
		f.organizations.Set("3", "1", viewer.RoleRead)
		f.do("1", `{ workspaces { id } }`)
		check("after 1 has joined eve's", map[string][]string{"ann": all, "admin": all, "eve": {"1"}})
		f.do("eve", `{ workspaces { id } }`)
		check("after eve was seen", map[string][]string{"ann": all, "admin": all, "eve": {"1"}, "1": {"eve"}})
		f.organizations.Fail(&viewer.Refusal{Message: "The auth server can't be reached.", Unavailable: true})
		if got := f.do("ann", document, "ann"); !strings.Contains(got, `"name":"ann"`) {
			t.Errorf("while the auth server is down, ann asks for herself: %s", got)
		}
		unknown := f.do("ann", document, "xyz")
		if got := f.do("ann", document, "bob"); got != unknown || !strings.Contains(got, `"SERVICE_UNAVAILABLE"`) {
			t.Errorf("while the auth server is down, ann asks for bob: %s, and for a missing person: %s", got, unknown)
		}
	})
}

// TestMembersUnknown asks for members as with a JWT: that is refused, and the rest isn't.
func TestMembersUnknown(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		id := f.create("ann", `workspaceId: "organization/1", assigneeId: "person/bob"`)
		f.organizations.Fail(viewer.ErrMembersUnknown)
		answer := f.do("ann", `{ workspace(id: "organization/1") { members { role } } own: workspace(id: "personal/ann") { members { role } } }`)
		if !strings.Contains(answer, `"path":["workspace"]`) || !strings.Contains(answer, `"code":"FORBIDDEN"`) || !strings.Contains(answer, `"data":{"workspace":null,"own":{"members":[{"role":"ADMIN"}]}}`) {
			t.Errorf("the members are %s", answer)
		}
		f.expect("ann", `{ task(id: "`+id+`") { assignee { name } } node(id: "person/bob") { id } }`, `{"task":{"assignee":{"name":"bob"}},"node":{"id":"person/bob"}}`)
	})
}

// TestStatementsOfPeople asks for people who may not be seen and for missing ones: both take the same statements.
func TestStatementsOfPeople(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		a := newAPI(t, testkit.Database(statements), "ann", "bob", "eve")
		a.organizations = &testkit.Organizations{}
		a.organizations.Set("1", "ann", viewer.RoleRead)
		a.organizations.Set("2", "bob", viewer.RoleRead)
		a.ask(t, "bob", "{ workspaces { id } }", nil)
		ask := func(user, id string) string {
			t.Helper()
			statements.Take()
			_, body := a.ask(t, user, `{ node(id: "`+id+`") { id } }`, nil)
			return string(body) + strings.Join(statements.Take(), "\n")
		}
		for _, user := range []string{"ann", "eve"} {
			ask(user, "person/none") // Some statements are prepared the first time.
			if missing, foreign := ask(user, "person/none"), ask(user, "person/bob"); missing != foreign || strings.Contains(missing, "error") {
				t.Errorf("%s asks for a missing person:\n%s\nand for a stranger:\n%s", user, missing, foreign)
			}
		}
	})
}

// TestNamesOfPeople shows which name counts: what was seen last, at the auth server or in the person's own session.
func TestNamesOfPeople(t *testing.T) {
	eachTeam(t, func(_ *testing.T, f *team) {
		bob := f.client.User.UpdateOneID("bob")
		bob.SetUpdatedAt(f.clock()).ExecX(viewer.AsSystem(f.t.Context()))
		members := func() { f.do("ann", `{ workspace(id: "organization/1") { members { role } } }`) }
		id := f.create("ann", `workspaceId: "organization/1", assigneeId: "person/bob"`)
		want := func(name string) {
			f.t.Helper()
			f.expect("ann", `{ task(id: "`+id+`") { assignee { name } } node(id: "person/bob") { ... on Person { name } } }`,
				`{"task":{"assignee":{"name":"`+name+`"}},"node":{"name":"`+name+`"}}`)
		}
		want("bob")
		f.organizations.NameUser("bob", "Robert")
		want("bob") // Nobody has asked.
		members()
		want("Robert")
		bob.SetName("Bobby").SetUpdatedAt(f.clock()).ExecX(viewer.AsSystem(f.t.Context()))
		want("Bobby")
		bob.SetName("").ExecX(viewer.AsSystem(f.t.Context())) // His sessions have no name.
		want("Robert")
	})
}
