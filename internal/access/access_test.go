package access_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/access"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// fixture is a database with the users ann and 1, and organizations.
type fixture struct {
	*access.Service
	testkit.Organizations

	client *ent.Client
	ann    viewer.Viewer
	ctx    context.Context
}

func eachFixture(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		s, err := access.New(access.Config{Workspaces: testkit.Workspaces(t, db)})
		if err != nil {
			t.Fatal(err)
		}
		f := &fixture{Service: s, client: db.Client, ann: testkit.MakeViewer(t, db.Client, "ann")}
		testkit.MakeViewer(t, db.Client, "1")
		f.ctx = viewer.WithMemberships(viewer.NewContext(t.Context(), f.ann), f.Of("ann"))
		test(t, f)
	})
}

// task makes a task in a workspace, and returns its id.
func (f *fixture) task(workspaceID string) string {
	return f.client.Task.Create().SetID(uuid.New()).SetWorkspaceID(workspaceID).SetVersion(0).SetTitle("t").SetPosition([]byte{1}).SaveX(f.ctx).ID.String()
}

func TestWorkspace(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.Name("1", "One")
		f.Set("1", "ann", viewer.RoleRead)
		f.Set("2", "bob", viewer.RoleAdmin)
		for id, want := range map[string]viewer.Role{
			"personal/ann": viewer.RoleAdmin, "organization/1": viewer.RoleRead,
			"personal/1": 0, "organization/2": 0, "organization/3": 0, "organization/ann": 0, "1": 0, "ann": 0, "": 0, "person/ann": 0,
		} {
			v, err := f.Workspace(f.ctx, f.ann, id)
			if want == viewer.RoleNone {
				if !errors.Is(err, workspace.ErrNotFound) || v != (viewer.Viewer{}) {
					t.Errorf("%q: got %v, %v", id, v, err)
				}
				continue
			}
			if err != nil || v.Role != want || workspace.NodeID(v.WorkspaceID) != id || v.UserID != "ann" {
				t.Errorf("%q: got %v, %v; want the role %s", id, v, err, want)
			}
		}
	})
}

// oldList are memberships whose list is older than the last of them, until Role was asked for an organization that is not in it.
type oldList struct {
	viewer.Memberships

	isNew bool
	roles []string // The organizations that Role was asked for.
}

func (m *oldList) Organizations(ctx context.Context) ([]viewer.Organization, error) {
	if !m.isNew {
		return nil, nil
	}
	return m.Memberships.Organizations(ctx) //nolint:wrapcheck // It is a test's.
}

func (m *oldList) Role(ctx context.Context, organizationID string) (viewer.Role, error) {
	m.isNew = true
	m.roles = append(m.roles, organizationID)
	return m.Memberships.Role(ctx, organizationID) //nolint:wrapcheck // As above.
}

// TestNewMembership names workspaces that are not in the list of the user's organizations: one whose member the user has just become, one
// of strangers, and one that doesn't exist.
func TestNewMembership(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.Name("1", "One")
		f.Set("1", "ann", viewer.RoleWrite)
		f.Set("2", "bob", viewer.RoleAdmin)
		for organization, want := range map[string]viewer.Role{"1": viewer.RoleWrite, "2": viewer.RoleNone, "3": viewer.RoleNone} {
			memberships := &oldList{Memberships: f.Of("ann")}
			v, err := f.Workspace(viewer.WithMemberships(f.ctx, memberships), f.ann, "organization/"+organization)
			if v.Role != want || errors.Is(err, workspace.ErrNotFound) != (want == viewer.RoleNone) {
				t.Errorf("%s: got %v, %v", organization, v, err)
			}
			if memberships.roles[0] != organization {
				t.Errorf("%s: roles were asked for in %q", organization, memberships.roles)
			}
		}
		if name := f.client.Workspace.GetX(f.ctx, "organization/1").Name; name != "One" {
			t.Errorf("the new workspace is called %q", name)
		}
	})
}

func TestRowsAreMadeOnce(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.Set("1", "ann", viewer.RoleWrite)
		for _, name := range []string{"", "One", "", "Two", "Two"} {
			f.Name("1", name)
			if _, err := f.All(f.ctx, f.ann); err != nil {
				t.Fatal(err)
			}
		}
		row := f.client.Workspace.GetX(f.ctx, "organization/1")
		if row.Name != "Two" || row.Kind != "ORGANIZATION" || row.Version != 0 {
			t.Errorf("the workspace is %v", row)
		}
		member := f.client.Member.Query().OnlyX(f.ctx)
		if member.WorkspaceID != "organization/1" || member.UserID != "ann" || member.Name != "ann" {
			t.Errorf("the member is %v", member)
		}
	})
}

func TestAll(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.Name("z", "a team")
		f.Name("y", "B team")
		for id, role := range map[string]viewer.Role{"z": viewer.RoleWrite, "y": viewer.RoleAdmin, "x": viewer.RoleRead} {
			f.Set(id, "ann", role)
		}
		f.Set("w", "bob", viewer.RoleAdmin)
		all, err := f.All(f.ctx, f.ann)
		if err != nil {
			t.Fatal(err)
		}
		read, err := f.Read(f.ctx, all...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range read {
			got = append(got, w.ID+" "+w.Name+" "+w.Viewer.Role.String()+" "+string(w.Kind))
		}
		want := []string{
			"personal/ann ann ADMIN PERSONAL", "organization/x  READ ORGANIZATION",
			"organization/z a team WRITE ORGANIZATION", "organization/y B team ADMIN ORGANIZATION",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// slowRoles are memberships whose first roles are answered when there are as many questions as may be asked at the same time.
type slowRoles struct {
	viewer.Memberships

	mu             sync.Mutex
	asked, waiting int
	enough         chan struct{}
}

func (m *slowRoles) Role(ctx context.Context, organizationID string) (viewer.Role, error) {
	m.mu.Lock()
	m.waiting++
	if m.asked++; m.asked == access.RoleQuestions {
		close(m.enough)
	}
	tooMany := m.waiting > access.RoleQuestions
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.waiting--
		m.mu.Unlock()
	}()
	if tooMany {
		return viewer.RoleNone, errors.New("too many roles are asked for")
	}
	select {
	case <-m.enough:
		return m.Memberships.Role(ctx, organizationID) //nolint:wrapcheck // It is a test's.
	case <-ctx.Done():
		return viewer.RoleNone, ctx.Err() //nolint:wrapcheck // As above.
	}
}

// TestRolesAreAskedTogether lists the workspaces of a user in many organizations: the auth server is asked for several roles at once.
func TestRolesAreAskedTogether(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		const many = 3 * access.RoleQuestions
		for i := range many {
			f.Set(strconv.Itoa(i), "ann", viewer.RoleRead)
		}
		ctx := viewer.WithMemberships(f.ctx, &slowRoles{Memberships: f.Of("ann"), enough: make(chan struct{})})
		if all, err := f.All(ctx, f.ann); err != nil || len(all) != 1+many {
			t.Errorf("got %d workspaces, %v", len(all), err)
		}
	})
}

func TestFind(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.Set("1", "ann", viewer.RoleRead)
		f.Set("2", "ann", viewer.RoleWrite)
		f.Set("3", "bob", viewer.RoleAdmin)
		if _, err := f.All(f.ctx, f.ann); err != nil {
			t.Fatal(err)
		}
		f.client.Workspace.Create().SetID("organization/3").SaveX(f.ctx)
		own, one, two := f.task("ann"), f.task("organization/1"), f.task("organization/2")
		foreign, ofUser := f.task("organization/3"), f.task("1")
		for _, tt := range []struct {
			name      string
			ids       []string
			in        string
			elsewhere []string
		}{
			{"own", []string{own, own}, "ann", nil},
			{"organization", []string{one}, "organization/1", nil},
			{"foreign organization", []string{foreign}, "ann", nil},
			{"user with the organization's id", []string{ofUser}, "ann", nil},
			{"missing", []string{uuid.NewString()}, "ann", nil},
			{"no id", []string{"x"}, "ann", nil},
			{"none", nil, "ann", nil},
			{"first that is found", []string{foreign, two, own, one}, "organization/2", []string{own, one}},
			{"own first", []string{own, two, foreign}, "ann", []string{two}},
		} {
			place, err := f.Find(f.ctx, f.ann, tt.ids, workspace.TableTags, workspace.TableTasks)
			if err != nil || place.Viewer.WorkspaceID != tt.in || !slices.Equal(place.Elsewhere, tt.elsewhere) {
				t.Errorf("%s: got %v, %v", tt.name, place, err)
			}
		}
		viewers, ids, err := f.Places(f.ctx, f.ann, []string{one, foreign, own, two, ofUser}, workspace.TableTasks)
		if err != nil || len(viewers) != 2 || viewers[0].Role != viewer.RoleRead || !slices.Equal(ids["organization/1"], []string{one}) ||
			!slices.Equal(ids["organization/2"], []string{two}) || len(ids) != 2 {
			t.Errorf("the places are %v, %v, %v", viewers, ids, err)
		}
		f.Fail(&viewer.Refusal{Unavailable: true})
		if _, err := f.Find(f.ctx, f.ann, []string{own}, workspace.TableTasks); err != nil {
			t.Errorf("an own object while the auth server is down: %v", err)
		}
		if _, err := f.Find(f.ctx, f.ann, []string{one}, workspace.TableTasks); err == nil {
			t.Error("an organization's object was found while the auth server was down")
		}
	})
}
