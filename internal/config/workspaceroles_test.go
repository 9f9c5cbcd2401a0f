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
