package task

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"taskql/ent/member"
	"taskql/ent/userremoval"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// creator returns the created_by of a viewer's new tasks: nil in a personal workspace, whose user it is.
func creator(v viewer.Viewer) *string {
	if _, shared := workspace.OrganizationOf(v.WorkspaceID); !shared {
		return nil
	}
	return &v.UserID
}

// CreatorOf returns who made a task of a workspace in which v acts; nil if that user was erased.
func CreatorOf(v viewer.Viewer, createdBy *string) *string {
	if _, shared := workspace.OrganizationOf(v.WorkspaceID); !shared {
		return &v.UserID
	}
	return createdBy
}

// userOfPerson returns the user of a person's id; nil if there is none.
func userOfPerson(id *string) *string {
	if id == nil {
		return nil
	}
	user, ok := workspace.UserOfPerson(*id)
	if !ok {
		return nil
	}
	return &user
}

// assignee is who gets tasks by an input. It is checked in two steps: newAssignee asks the auth server for the members, which takes
// time, and stores the assignee's name, by which an erasure finds the tasks. validate refuses the change in its transaction, so that a
// repeated request gets its first answer even if the assignee has left since.
type assignee struct {
	// field is the input's.
	field string
	// user is "" for the viewer.
	user string
	// unknown reports that the members can't be asked for, so that those whom the workspace has seen count.
	unknown bool
	// refusal says why the input's person can't get the tasks; "" if nothing is known against it.
	refusal string
}

const (
	notTheUser   = "In a personal workspace, tasks can be assigned to its user alone: send person/ and your own id, or null."
	notAMember   = "This is no member of the workspace: send the id of one of its members, which begins with person/, or null."
	unknownState = "asking for the members of the workspace: %w"
)

// newAssignee finds out whether a person may get tasks of the viewer's workspace: its members may, and the user of a personal one. It
// returns nil if the input names nobody. The error is that of viewer.Memberships, or the database's.
func (s *Service) newAssignee(ctx context.Context, v viewer.Viewer, field string, id *string) (*assignee, error) {
	if id == nil {
		return nil, nil //nolint:nilnil // It needs no check.
	}
	a := &assignee{field: field}
	user, _ := workspace.UserOfPerson(*id)
	organization, shared := workspace.OrganizationOf(v.WorkspaceID)
	switch {
	case user == v.UserID || v.Role < viewer.RoleWrite: // The viewer's change is refused if the role does not allow it.
		return a, nil
	case !shared:
		a.refusal = notTheUser
		return a, nil
	}
	members, err := viewer.MembershipsOf(ctx).Members(ctx, organization)
	if errors.Is(err, viewer.ErrMembersUnknown) {
		a.user, a.unknown = user, true
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf(unknownState, err)
	}
	i := slices.IndexFunc(members, func(m viewer.Member) bool { return m.UserID == user })
	if i < 0 {
		a.refusal = notAMember
		return a, nil
	}
	a.user = user
	_, err = s.workspaces.RecordMembers(ctx, v, members[i])
	return a, err //nolint:wrapcheck // It says what it wrote.
}

// validate adds a violation if the assignee can't get the tasks.
func (a *assignee) validate(ctx context.Context, t *tx, errs *workspace.Violations) error {
	switch {
	case a == nil:
		return nil
	case a.refusal != "":
		errs.Add(workspace.CodeInvalid, a.field, "%s", a.refusal)
		return nil
	case a.user == "":
		return nil
	}
	// An erasure that begins later finds the member's row, and waits for the workspace's lock.
	gone, err := t.UserRemoval.Query().Where(userremoval.ID(viewer.UserHash(a.user))).Exist(ctx)
	if err != nil {
		return fmt.Errorf("looking for a removal of the assignee: %w", err)
	}
	known := true
	if a.unknown && !gone {
		known, err = t.Member.Query().Where(workspace.Scope(t.Viewer), member.UserID(a.user)).Exist(ctx)
		if err != nil {
			return fmt.Errorf("looking for the assignee: %w", err)
		}
	}
	if gone || !known {
		errs.Add(workspace.CodeInvalid, a.field, notAMember)
	}
	return nil
}
