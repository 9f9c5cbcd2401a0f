package workspace_test

import (
	"testing"

	"taskql/internal/workspace"
)

// TestIDs makes the ids of workspaces: those of a user and of an organization with equal ids differ, and each is found again by its id
// in the API.
func TestIDs(t *testing.T) {
	t.Parallel()
	owners := []string{"1", "2", "ann", "a/b", "organization/1", "personal/1", "personal/organization/1", "personal/personal/1", "Personal/1", "organization"}
	owner := map[string]string{}
	for _, o := range owners {
		for _, id := range []string{workspace.PersonalID(o), workspace.OrganizationID(o)} {
			if other, ok := owner[id]; ok {
				t.Errorf("%s and %s both have the workspace %s", o, other, id)
			}
			owner[id] = o
			node := workspace.NodeID(id)
			if back, ok := workspace.ParseNodeID(node); !ok || back != id {
				t.Errorf("%s is %s in the API, which is parsed to %s, %t", id, node, back, ok)
			}
		}
		if organization, ok := workspace.OrganizationOf(workspace.OrganizationID(o)); !ok || organization != o {
			t.Errorf("the organization of the workspace of %s is %s, %t", o, organization, ok)
		}
		if organization, ok := workspace.OrganizationOf(workspace.PersonalID(o)); ok {
			t.Errorf("the personal workspace of %s is that of the organization %s", o, organization)
		}
	}
	if id := workspace.PersonalID("ann"); id != "ann" {
		t.Errorf("the personal workspace of ann is %s, not as it always was", id)
	}
	for _, none := range []string{"", "ann", "personal/", "organization/", "person/ann"} {
		if id, ok := workspace.ParseNodeID(none); ok {
			t.Errorf("%q is parsed to the workspace %q", none, id)
		}
	}
}
