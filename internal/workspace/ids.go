package workspace

import "strings"

// The prefixes of workspaces' and people's ids in the API. In the database, the id of a personal workspace is that of its user, without a prefix.
const (
	organizationPrefix = "organization/"
	personalPrefix     = "personal/"
	personPrefix       = "person/"
)

// PersonalID returns the id of a user's personal workspace: that of the user. So that it can't be an organization's, the id of a user
// that looks like a workspace's in the API gets the prefix "personal/".
func PersonalID(userID string) string {
	if hasPrefix(userID) {
		return personalPrefix + userID
	}
	return userID
}

// OrganizationID returns the id of an organization's workspace.
func OrganizationID(organizationID string) string { return organizationPrefix + organizationID }

// OrganizationOf returns the id of the organization that a workspace belongs to; false if it is a personal workspace.
func OrganizationOf(workspaceID string) (string, bool) {
	return strings.CutPrefix(workspaceID, organizationPrefix)
}

// NodeID returns a workspace's id in the API.
func NodeID(workspaceID string) string {
	if hasPrefix(workspaceID) {
		return workspaceID
	}
	return personalPrefix + workspaceID
}

// ParseNodeID returns the workspace's id of one in the API; false if it is no workspace's.
func ParseNodeID(id string) (string, bool) {
	if user, ok := strings.CutPrefix(id, personalPrefix); ok {
		return PersonalID(user), user != ""
	}
	organization, ok := OrganizationOf(id)
	return id, ok && organization != ""
}

// hasPrefix reports whether an id begins as those of workspaces in the API do.
func hasPrefix(id string) bool {
	return strings.HasPrefix(id, organizationPrefix) || strings.HasPrefix(id, personalPrefix)
}

// PersonID returns the id in the API of the person who is a user: ids of other things are unique only among themselves.
func PersonID(userID string) string { return personPrefix + userID }

// UserOfPerson returns the user's id of a person's; false if it is no person's.
func UserOfPerson(id string) (string, bool) {
	user, ok := strings.CutPrefix(id, personPrefix)
	if !ok || user == "" {
		return "", false
	}
	return user, true
}
