package devauth

import "net/http"

// Better Auth's refusals about organizations.

func emptyUnauthorized() *apiError { return newError(http.StatusUnauthorized, "", "") }

func emptyBadRequest() *apiError { return newError(http.StatusBadRequest, "", "") }

func unauthorized() *apiError {
	return newError(http.StatusUnauthorized, "UNAUTHORIZED", "Unauthorized")
}

func userNotFound() *apiError { return newError(http.StatusUnauthorized, "", "User not found") }

func notAuthenticated() *apiError { return newError(http.StatusUnauthorized, "", "Not authenticated") }

func organizationExists() *apiError {
	return newError(http.StatusBadRequest, "ORGANIZATION_ALREADY_EXISTS", "Organization already exists")
}

func slugTaken() *apiError {
	return newError(http.StatusBadRequest, "ORGANIZATION_SLUG_ALREADY_TAKEN", "Organization slug already taken")
}

func organizationNotFound() *apiError {
	return newError(http.StatusBadRequest, "ORGANIZATION_NOT_FOUND", "Organization not found")
}

func tooManyOrganizations() *apiError {
	return newError(http.StatusForbidden, "YOU_HAVE_REACHED_THE_MAXIMUM_NUMBER_OF_ORGANIZATIONS",
		"You have reached the maximum number of organizations")
}

// userIsNotAMember returns the refusal with a status, which depends on the endpoint.
func userIsNotAMember(status int) *apiError {
	return newError(status, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION", "User is not a member of the organization")
}

func youAreNotAMember() *apiError {
	return newError(http.StatusForbidden, "YOU_ARE_NOT_A_MEMBER_OF_THIS_ORGANIZATION", "You are not a member of this organization")
}

func noActiveOrganization() *apiError {
	return newError(http.StatusBadRequest, "NO_ACTIVE_ORGANIZATION", "No active organization")
}

func notAllowedToUpdateOrganization() *apiError {
	return newError(http.StatusForbidden, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_ORGANIZATION", "You are not allowed to update this organization")
}

func notAllowedToDeleteOrganization() *apiError {
	return newError(http.StatusForbidden, "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_ORGANIZATION", "You are not allowed to delete this organization")
}

func memberNotFound() *apiError {
	return newError(http.StatusBadRequest, "MEMBER_NOT_FOUND", "Member not found")
}

func notAllowedToUpdateMember() *apiError {
	return newError(http.StatusForbidden, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER", "You are not allowed to update this member")
}

func notAllowedToDeleteMember() *apiError {
	return newError(http.StatusUnauthorized, "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_MEMBER", "You are not allowed to delete this member")
}

func onlyOwner() *apiError {
	return newError(http.StatusBadRequest, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER",
		"You cannot leave the organization as the only owner")
}

func organizationNeedsOwner() *apiError {
	return newError(http.StatusBadRequest, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_WITHOUT_AN_OWNER",
		"You cannot leave the organization without an owner")
}

func tooManyMembers() *apiError {
	return newError(http.StatusForbidden, "ORGANIZATION_MEMBERSHIP_LIMIT_REACHED", "Organization membership limit reached")
}

func notAllowedToInvite() *apiError {
	return newError(http.StatusForbidden, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USERS_TO_THIS_ORGANIZATION",
		"You are not allowed to invite users to this organization")
}

func notAllowedToInviteWithRole() *apiError {
	return newError(http.StatusForbidden, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USER_WITH_THIS_ROLE",
		"You are not allowed to invite a user with this role")
}

func alreadyAMember() *apiError {
	return newError(http.StatusBadRequest, "USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION", "User is already a member of this organization")
}

func alreadyInvited() *apiError {
	return newError(http.StatusBadRequest, "USER_IS_ALREADY_INVITED_TO_THIS_ORGANIZATION", "User is already invited to this organization")
}

func tooManyInvitations() *apiError {
	return newError(http.StatusForbidden, "INVITATION_LIMIT_REACHED", "Invitation limit reached")
}

func invitationNotFound() *apiError {
	return newError(http.StatusBadRequest, "INVITATION_NOT_FOUND", "Invitation not found")
}

func notTheRecipient() *apiError {
	return newError(http.StatusForbidden, "YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION", "You are not the recipient of the invitation")
}

func inviterHasLeft() *apiError {
	return newError(http.StatusBadRequest, "INVITER_IS_NO_LONGER_A_MEMBER_OF_THE_ORGANIZATION", "Inviter is no longer a member of the organization")
}

func notAllowedToCancelInvitation() *apiError {
	return newError(http.StatusForbidden, "YOU_ARE_NOT_ALLOWED_TO_CANCEL_THIS_INVITATION", "You are not allowed to cancel this invitation")
}

func notAllowedToListInvitations() *apiError {
	return newError(http.StatusForbidden, "YOU_ARE_NOT_ALLOWED_TO_LIST_INVITATIONS", "You are not allowed to list invitations for this organization")
}
