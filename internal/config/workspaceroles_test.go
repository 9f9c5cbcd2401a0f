package config

import (
	"maps"
	"strings"
	"testing"
)

func TestWorkspaceRoles(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]WorkspaceRoles{
		"": {"owner": WorkspaceAdmin, "admin": WorkspaceAdmin, "member": WorkspaceWrite},
		" owner : admin ; editor , writer:Write; ": {"owner": WorkspaceAdmin, "editor": WorkspaceWrite, "writer": WorkspaceWrite},
		"Owner:READ;owner:ADMIN":                   {"Owner": WorkspaceRead, "owner": WorkspaceAdmin},
		";":                                        {},
	} {
		cfg, err := Load(map[string]string{"WORKSPACE_ROLES": given})
		if err != nil || !maps.Equal(cfg.WorkspaceRoles, want) || !cfg.Organizations {
			t.Errorf("%q: %v, %v", given, cfg.WorkspaceRoles, err)
		}
	}
	for given, want := range map[string]string{
		"owner":                   `but "owner" has no colon`,
		"owner:ADMIN;member:WRTE": `not "WRTE" as in "member:WRTE"`,
		"owner:":                  `not "" as in "owner:"`,
		"owner:ADMIN:READ":        `not "ADMIN:READ"`,
		"owner,:ADMIN":            `a name in "owner,:ADMIN" is empty`,
		":ADMIN":                  `a name in ":ADMIN" is empty`,
		"owner:ADMIN;owner:ADMIN": `"owner" is named twice`,
		"owner,owner:ADMIN":       `"owner" is named twice`,
	} {
		_, err := Load(map[string]string{"WORKSPACE_ROLES": given})
		if err == nil || !strings.Contains(err.Error(), "WORKSPACE_ROLES must") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", given, err, want)
		}
	}
	if cfg, err := Load(map[string]string{"ORGANIZATIONS": "off"}); err != nil || cfg.Organizations {
		t.Errorf("off: %v", err)
	}
}

func TestWorkspaceRolesOf(t *testing.T) {
	t.Parallel()
	roles := WorkspaceRoles{"owner": WorkspaceAdmin, "editor": WorkspaceWrite, "guest": WorkspaceRead}
	for member, want := range map[string]WorkspaceAccess{
		"owner": WorkspaceAdmin, "editor": WorkspaceWrite, "guest": WorkspaceRead, "": WorkspaceRead, "Owner": WorkspaceRead, "unknown": WorkspaceRead,
		"guest,editor": WorkspaceWrite, "editor, owner ,guest": WorkspaceAdmin, "owner,editor": WorkspaceAdmin, "editor,unknown": WorkspaceWrite,
	} {
		if got := roles.Of(member); got != want {
			t.Errorf("%q: got %s, want %s", member, got, want)
		}
	}
	if got := WorkspaceRoles(nil).Of("owner"); got != WorkspaceRead {
		t.Errorf("without roles: %s", got)
	}
}

func FuzzWorkspaceRoles(f *testing.F) {
	f.Add("owner,admin:ADMIN;member:WRITE")
	f.Fuzz(func(t *testing.T, given string) {
		roles, err := parseWorkspaceRoles(given)
		for name, access := range roles {
			if err != nil || name == "" || access != WorkspaceRead && access != WorkspaceWrite && access != WorkspaceAdmin {
				t.Errorf("%q: %q may %q, %v", given, name, access, err)
			}
		}
	})
}
