package devauth

import (
	"slices"
	"strings"
)

const ownerRole = "owner"

// permissions returns Better Auth's default roles: for each, the resources with the actions that it allows.
func permissions() map[string]map[string][]string {
	all := []string{"create", "update", "delete"}
	ac := []string{"create", "read", "update", "delete"}
	invitation := []string{"create", "cancel"}
	return map[string]map[string][]string{
		ownerRole: {"organization": {"update", "delete"}, "member": all, "invitation": invitation, "team": all, "ac": ac},
		"admin":   {"organization": {"update"}, "member": all, "invitation": invitation, "team": all, "ac": ac},
		"member":  {"organization": {}, "member": {}, "invitation": {}, "team": {}, "ac": {"read"}},
	}
}

// can reports whether one of the roles, which are separated by commas, allows an action.
func can(roles, resource, action string) bool {
	return mayAll(roles, map[string][]string{resource: {action}})
}

// mayAll reports whether one of the roles, which are separated by commas, allows all actions of all resources.
func mayAll(roles string, requested map[string][]string) bool {
	known := permissions()
	return slices.ContainsFunc(roleList(roles), func(role string) bool { return allows(known[role], requested) })
}

func allows(allowed, requested map[string][]string) bool {
	for resource, actions := range requested {
		missing := func(action string) bool { return !slices.Contains(allowed[resource], action) }
		if len(actions) == 0 || slices.ContainsFunc(actions, missing) {
			return false
		}
	}
	return len(requested) > 0
}

// requestedPermissions returns the field permissions of a request. As in Better Auth, nothing is requested by its old
// name, permission. It returns false unless the request has one of them with texts.
func requestedPermissions(b body) (map[string][]string, bool) {
	value, old := b.field("permissions"), b.field("permission")
	if value.present == old.present {
		return nil, false
	}
	if old.present {
		value = old
	}
	object, ok := value.value.(map[string]any)
	if !ok {
		return nil, false
	}
	requested := map[string][]string{}
	for resource, list := range object {
		actions, ok := list.([]any)
		if !ok {
			return nil, false
		}
		if requested[resource], ok = (body{value: actions}).texts(); !ok {
			return nil, false
		}
	}
	if old.present {
		return nil, true
	}
	return requested, true
}

// roleList returns the roles of texts in which they are separated by commas.
func roleList(roles ...string) []string {
	var list []string
	for _, text := range roles {
		for role := range strings.SplitSeq(text, ",") {
			if role = strings.TrimSpace(role); role != "" {
				list = append(list, role)
			}
		}
	}
	return list
}

// isOwner reports whether the roles, which are separated by commas, include the owner's.
func isOwner(roles string) bool { return slices.Contains(roleList(roles), ownerRole) }

// unknownRoles returns those of a list that Better Auth doesn't have by default.
func unknownRoles(list []string) []string {
	known := permissions()
	return slices.DeleteFunc(slices.Clone(list), func(role string) bool { return known[role] != nil })
}
