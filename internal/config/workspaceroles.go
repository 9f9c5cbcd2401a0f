package config

import (
	"fmt"
	"strings"
)

// WorkspaceAccess is what a member of an organization may do in its workspace.
type WorkspaceAccess string

// What members may do. Each includes those before it.
const (
	WorkspaceRead  WorkspaceAccess = "READ"
	WorkspaceWrite WorkspaceAccess = "WRITE"
	WorkspaceAdmin WorkspaceAccess = "ADMIN"
)

// WorkspaceRoles maps the names of the auth server's roles to what they allow.
type WorkspaceRoles map[string]WorkspaceAccess

// Of returns what the strongest of a member's roles allows, which are separated by commas. A role that is not listed allows reading.
func (r WorkspaceRoles) Of(member string) WorkspaceAccess {
	strongest := WorkspaceRead
	for name := range strings.SplitSeq(member, ",") {
		switch access := r[strings.TrimSpace(name)]; access {
		case WorkspaceAdmin:
			return access
		case WorkspaceWrite:
			strongest = access
		case WorkspaceRead:
		}
	}
	return strongest
}

// parseWorkspaceRoles parses parts such as owner,admin:ADMIN that are separated by semicolons. Blanks don't count. The names
// are case-sensitive, as at the auth server.
func parseWorkspaceRoles(s string) (WorkspaceRoles, error) {
	const example = "as in owner,admin:ADMIN;member:WRITE"
	roles := WorkspaceRoles{}
	for part := range strings.SplitSeq(s, ";") {
		if strings.TrimSpace(part) == "" { // After the last semicolon.
			continue
		}
		names, access, ok := strings.Cut(part, ":")
		allowed := WorkspaceAccess(strings.ToUpper(strings.TrimSpace(access)))
		switch {
		case !ok:
			return nil, fmt.Errorf("must say what roles allow, %s, but %q has no colon", example, shown(part))
		case allowed != WorkspaceRead && allowed != WorkspaceWrite && allowed != WorkspaceAdmin:
			return nil, fmt.Errorf("must allow READ, WRITE or ADMIN, %s, not %q as in %q", example, shown(strings.TrimSpace(access)), shown(part))
		}
		for name := range strings.SplitSeq(names, ",") {
			name = strings.TrimSpace(name)
			switch _, twice := roles[name]; {
			case name == "":
				return nil, fmt.Errorf("must name roles before the colon, %s, but a name in %q is empty", example, shown(part))
			case twice:
				return nil, fmt.Errorf("must name each role once, %s, but %q is named twice", example, shown(name))
			}
			roles[name] = allowed
		}
	}
	return roles, nil
}
