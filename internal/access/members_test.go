package access_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"taskql/ent/member"
	"taskql/internal/viewer"
)

// members asks for the members of the workspace with an id of the API as ann, and returns them as text.
func (f *fixture) members(t *testing.T, id string) string {
	t.Helper()
	v, err := f.Workspace(f.ctx, f.ann, id)
	if err != nil {
		t.Fatal(err)
	}
	members, err := f.Members(f.ctx, v)
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, m := range members {
		all = append(all, fmt.Sprintf("%s %s %s", m.UserID, m.Name, m.Role))
	}
	return strings.Join(all, ", ")
}

// stored returns the rows of the members of an organization's workspace as text.
func (f *fixture) stored(workspaceID string) string {
	var all []string
	for _, row := range f.client.Member.Query().Where(member.WorkspaceID(workspaceID)).AllX(f.ctx) {
		all = append(all, row.UserID+" "+row.Name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestMembers(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.Set("1", "ann", viewer.RoleRead)
		f.Set("1", "bob", viewer.RoleAdmin) // He has never used this server.
		f.Set("2", "carol", viewer.RoleAdmin)
		f.NameUser("bob", "Bob")
		for _, step := range []struct {
			what         string
			do           func()
			want, stored string
		}{
			{"at first", func() {}, "bob Bob ADMIN, ann ann READ", "ann ann, bob Bob"},
			{"again", func() {}, "bob Bob ADMIN, ann ann READ", "ann ann, bob Bob"},
			{"another name", func() { f.NameUser("bob", "Robert") }, "bob Robert ADMIN, ann ann READ", "ann ann, bob Robert"},
			{"he leaves", func() { f.Set("1", "bob", viewer.RoleNone) }, "ann ann READ", "ann ann, bob Robert"},
			{"being erased", func() {
				f.Set("1", "bob", viewer.RoleWrite)
				f.client.Member.Delete().Where(member.UserID("bob")).ExecX(f.ctx)
				f.client.UserRemoval.Create().SetID(viewer.UserHash("bob")).ExecX(f.ctx)
			}, "ann ann READ", "ann ann"},
		} {
			step.do()
			if got := f.members(t, "organization/1"); got != step.want {
				t.Errorf("%s: the members are %s, want %s", step.what, got, step.want)
			}
			if got := f.stored("organization/1"); got != step.stored {
				t.Errorf("%s: the rows are %s, want %s", step.what, got, step.stored)
			}
		}
		if got := f.members(t, "personal/ann"); got != "ann ann ADMIN" {
			t.Errorf("the members of a personal workspace are %s", got)
		}
	})
}

func TestMembersUnknown(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.Set("1", "ann", viewer.RoleRead)
		v, err := f.Workspace(f.ctx, f.ann, "organization/1")
		if err != nil {
			t.Fatal(err)
		}
		refusal := &viewer.Refusal{Unavailable: true}
		f.Fail(refusal)
		if got, err := f.Members(f.ctx, v); !errors.Is(err, refusal) || got != nil {
			t.Errorf("while the auth server is down: %v, %v", got, err)
		}
		f.Fail(nil)
		f.Set("1", "ann", viewer.RoleNone) // Or the API key may not ask.
		if got, err := f.Members(f.ctx, v); !errors.Is(err, viewer.ErrMembersUnknown) || got != nil {
			t.Errorf("without an answer: %v, %v", got, err)
		}
	})
}
