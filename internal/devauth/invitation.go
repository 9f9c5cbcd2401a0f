package devauth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// invitationTTL is Better Auth's default.
const invitationTTL = 48 * time.Hour

// invite stores an invitation. No e-mail is sent: the response, the lists of invitations and the log have its id, with
// which the user with the address can accept it.
func (s *Server) invite(c *call) (any, error) {
	id, email := c.orActive(c.body.text("organizationId")), strings.ToLower(c.body.text("email"))
	switch {
	case id == "":
		return nil, organizationNotFound()
	case !isEmail(email):
		return nil, invalidEmail()
	}
	roles, _ := c.body.field("role").texts()
	now := s.nowMillis()
	made := invitation{
		id: newID(), organizationID: id, email: email, role: strings.Join(roleList(roles...), ","), status: pending,
		inviterID: c.user.id, expiresAt: now.Add(invitationTTL), createdAt: now,
	}
	err := s.changeOrganization(c, func(tx *store) error {
		inviter, err := tx.memberByUser(c.Context(), id, c.user.id)
		if err != nil {
			return orRefuse(err, memberNotFound())
		}
		if err := checkInvitation(inviter.role, roleList(roles...)); err != nil {
			return err
		}
		switch _, err := tx.memberByEmail(c.Context(), id, email); {
		case err == nil:
			return alreadyAMember()
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		list, err := tx.invitations(c.Context(), id)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(list, func(i invitation) bool { return i.email == email && i.open(now) }); i >= 0 {
			made, err = tx.resend(c, inviter.role, list[i], now)
			return err
		}
		return tx.storeInvitation(c.Context(), made, list, now)
	})
	if err != nil {
		return nil, err
	}
	s.log.LogAttrs(c.Context(), slog.LevelInfo, "invitation to an organization: no e-mail is sent; the invited user can accept it by its id",
		slog.String("invitation", made.id), slog.String("organization", id))
	return newInvitationJSON(made), nil
}

// checkInvitation refuses roles that a member with the inviter's role may not invite with.
func checkInvitation(inviterRole string, roles []string) error {
	if !can(inviterRole, "invitation", "create") {
		return notAllowedToInvite()
	}
	if len(roles) == 0 {
		return newError(http.StatusBadRequest, "ROLE_NOT_FOUND", "Role not found")
	}
	if unknown := unknownRoles(roles); len(unknown) > 0 {
		return newError(http.StatusBadRequest, "", "ROLE_NOT_FOUND: "+strings.Join(unknown, ", "))
	}
	if slices.Contains(roles, ownerRole) && !isOwner(inviterRole) {
		return notAllowedToInviteWithRole()
	}
	return nil
}

// open reports whether an invitation can be accepted.
func (i invitation) open(now time.Time) bool { return i.status == pending && i.expiresAt.After(now) }

// resend returns an open invitation with a new expiry, if the request asks for that, and stores it.
func (s *store) resend(c *call, inviterRole string, i invitation, now time.Time) (invitation, error) {
	if c.body.field("resend").value != true {
		return i, alreadyInvited()
	}
	if isOwner(i.role) && !isOwner(inviterRole) {
		return i, notAllowedToInviteWithRole()
	}
	i.expiresAt = now.Add(invitationTTL)
	return i, s.updateInvitation(c.Context(), i)
}

// storeInvitation adds an invitation to the list of its organization. If there are many, the oldest one that can't be
// accepted any more is deleted.
func (s *store) storeInvitation(ctx context.Context, made invitation, list []invitation, now time.Time) error {
	if len(list) >= maxRows {
		closed := slices.IndexFunc(list, func(i invitation) bool { return !i.open(now) })
		if closed < 0 {
			return tooManyInvitations()
		}
		if err := s.deleteInvitation(ctx, list[closed].id); err != nil {
			return err
		}
	}
	return s.addInvitation(ctx, made)
}

func (s *Server) listInvitations(c *call) (any, error) {
	id := c.orActive(c.query.text("organizationId"))
	if id == "" {
		return nil, newError(http.StatusBadRequest, "", "Organization ID is required")
	}
	m, err := s.store.memberByUser(c.Context(), id, c.user.id)
	switch {
	case err != nil:
		return nil, orRefuse(err, newError(http.StatusForbidden, "", "You are not a member of this organization"))
	case !can(m.role, "invitation", "create"):
		return nil, notAllowedToListInvitations()
	}
	list, err := s.store.invitations(c.Context(), id)
	if err != nil {
		return nil, fmt.Errorf("reading the invitations: %w", err)
	}
	return mapSlice(visibleTo(m.role, list), newInvitationJSON), nil
}

// visibleTo returns the invitations that a member with a role may see: only owners see those of new owners.
func visibleTo(role string, list []invitation) []invitation {
	if isOwner(role) {
		return list
	}
	return slices.DeleteFunc(list, func(i invitation) bool { return isOwner(i.role) })
}

// listUserInvitations returns the invitations to the user's address. Better Auth does so only if the address is
// verified, which no address ever is here.
func (s *Server) listUserInvitations(c *call) (any, error) {
	found, err := s.findSession(c)
	switch {
	case err != nil:
		return nil, err
	case c.query.text("email") != "":
		return nil, newError(http.StatusBadRequest, "", "User email cannot be passed for client side API calls.")
	case found == nil:
		return nil, newError(http.StatusBadRequest, "", "Missing session headers, or email query parameter.")
	}
	list, err := s.store.invitationsTo(c.Context(), found.user.email)
	if err != nil {
		return nil, fmt.Errorf("reading the invitations: %w", err)
	}
	return mapSlice(list, newInvitationJSON), nil
}

func (s *Server) getInvitation(c *call) (any, error) {
	i, err := s.store.invitation(c.Context(), c.query.text("id"))
	switch {
	case err != nil:
		return nil, orRefuse(err, invitationNotFound())
	case !i.open(s.nowMillis()):
		return nil, invitationNotFound()
	case i.email != c.user.email:
		return nil, notTheRecipient()
	}
	o, err := s.store.organization(c.Context(), "id", i.organizationID)
	if err != nil {
		return nil, orRefuse(err, organizationNotFound())
	}
	inviter, err := s.store.memberByUser(c.Context(), i.organizationID, i.inviterID)
	if err != nil {
		return nil, orRefuse(err, inviterHasLeft())
	}
	return struct {
		invitationJSON
		OrganizationName string `json:"organizationName"`
		OrganizationSlug string `json:"organizationSlug"`
		InviterEmail     string `json:"inviterEmail"`
	}{newInvitationJSON(i), o.name, o.slug, inviter.email}, nil
}

func (s *Server) acceptInvitation(c *call) (any, error) {
	now := s.nowMillis()
	var i invitation
	var m member
	err := s.changeOrganization(c, func(tx *store) error {
		var err error
		i, err = tx.invitation(c.Context(), c.body.text("invitationId"))
		switch {
		case err != nil:
			return orRefuse(err, invitationNotFound())
		case !i.open(now):
			return invitationNotFound()
		case i.email != c.user.email:
			return notTheRecipient()
		}
		members, err := tx.members(c.Context(), i.organizationID)
		switch {
		case err != nil:
			return err
		case len(members) >= maxRows:
			return tooManyMembers()
		}
		if err := tx.checkOrganizationCount(c.Context(), c.user.id); err != nil {
			return err
		}
		i.status = accepted
		if err := tx.updateInvitation(c.Context(), i); err != nil {
			return err
		}
		m = member{id: newID(), organizationID: i.organizationID, userID: c.user.id, role: i.role, createdAt: now}
		if err := tx.addMember(c.Context(), m); err != nil {
			return err
		}
		return tx.setActive(c.Context(), c.session.id, i.organizationID)
	})
	if err != nil {
		return nil, err
	}
	s.membershipChanged(c.user.id)
	joined := newMemberJSON(m)
	return answeredJSON{newInvitationJSON(i), &joined}, nil
}

func (s *Server) rejectInvitation(c *call) (any, error) {
	var i invitation
	err := s.changeOrganization(c, func(tx *store) error {
		var err error
		i, err = tx.invitation(c.Context(), c.body.text("invitationId"))
		notFound := newError(http.StatusBadRequest, "INVITATION_NOT_FOUND", "Invitation not found!")
		switch {
		case err != nil:
			return orRefuse(err, notFound)
		case i.status != pending: // An expired one can be rejected.
			return notFound
		case i.email != c.user.email:
			return notTheRecipient()
		}
		i.status = rejected
		return tx.updateInvitation(c.Context(), i)
	})
	if err != nil {
		return nil, err
	}
	return answeredJSON{Invitation: newInvitationJSON(i)}, nil
}

func (s *Server) cancelInvitation(c *call) (any, error) {
	var i invitation
	err := s.changeOrganization(c, func(tx *store) error {
		var err error
		if i, err = tx.invitation(c.Context(), c.body.text("invitationId")); err != nil {
			return orRefuse(err, invitationNotFound())
		}
		m, err := tx.memberByUser(c.Context(), i.organizationID, c.user.id)
		switch {
		case err != nil:
			return orRefuse(err, memberNotFound())
		case !can(m.role, "invitation", "cancel"):
			return notAllowedToCancelInvitation()
		}
		i.status = canceled // Whatever it was: so does Better Auth.
		return tx.updateInvitation(c.Context(), i)
	})
	if err != nil {
		return nil, err
	}
	return newInvitationJSON(i), nil
}

// The responses, with their fields in Better Auth's order.
type (
	invitationJSON struct {
		OrganizationID   string  `json:"organizationId"`
		Email            string  `json:"email"`
		Role             string  `json:"role"`
		Status           string  `json:"status"`
		ExpiresAt        isoTime `json:"expiresAt"`
		CreatedAt        isoTime `json:"createdAt"`
		InviterID        string  `json:"inviterId"`
		ID               string  `json:"id"`
		OrganizationName string  `json:"organizationName,omitempty"`
	}
	answeredJSON struct {
		Invitation invitationJSON `json:"invitation"`
		Member     *memberJSON    `json:"member"`
	}
)

func newInvitationJSON(i invitation) invitationJSON {
	return invitationJSON{
		OrganizationID: i.organizationID, Email: i.email, Role: i.role, Status: i.status,
		ExpiresAt: isoTime(i.expiresAt), CreatedAt: isoTime(i.createdAt), InviterID: i.inviterID, ID: i.id,
		OrganizationName: i.organizationName,
	}
}
