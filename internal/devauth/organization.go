package devauth

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"taskql/internal/betterauth"
)

// organizationEndpoints returns the endpoints of Better Auth's organization plugin with its default options: without
// teams and without roles of an organization's own.
func organizationEndpoints() []endpoint {
	get, post := http.MethodGet, http.MethodPost
	return []endpoint{
		{method: post, path: "/organization/create", handle: (*Server).createOrganization, readsBody: true, schema: createOrganizationSchema(), signedOut: emptyUnauthorized},
		{method: post, path: "/organization/update", handle: (*Server).updateOrganization, readsBody: true, schema: updateOrganizationSchema(), signedOut: userNotFound},
		{method: post, path: "/organization/delete", handle: (*Server).deleteOrganization, readsBody: true, schema: requiredText("organizationId"), signedOut: emptyUnauthorized},
		{method: post, path: "/organization/check-slug", handle: (*Server).checkSlug, readsBody: true, schema: requiredText("slug"), signedOut: unauthorized},
		{method: get, path: "/organization/list", handle: (*Server).listOrganizations, signedOut: unauthorized},
		{method: post, path: "/organization/set-active", handle: (*Server).setActive, readsBody: true, schema: setActiveSchema(), signedOut: unauthorized},
		{method: get, path: "/organization/get-organization", handle: (*Server).getOrganization, query: organizationQuery(), signedOut: unauthorized},
		{method: get, path: "/organization/get-full-organization", handle: (*Server).getFullOrganization, query: organizationQuery(), signedOut: unauthorized},
		{method: post, path: "/organization/has-permission", handle: (*Server).hasPermission, readsBody: true, schema: optionalTexts("organizationId"), signedOut: unauthorized},

		{method: post, path: "/organization/invite-member", handle: (*Server).invite, readsBody: true, schema: inviteSchema(), signedOut: unauthorized},
		{method: get, path: "/organization/list-invitations", handle: (*Server).listInvitations, query: optionalTexts("organizationId"), signedOut: unauthorized},
		{method: get, path: "/organization/list-user-invitations", handle: (*Server).listUserInvitations, query: optionalTexts("email")},
		{method: get, path: "/organization/get-invitation", handle: (*Server).getInvitation, query: requiredText("id"), signedOut: notAuthenticated},
		{method: post, path: "/organization/accept-invitation", handle: (*Server).acceptInvitation, readsBody: true, schema: requiredText("invitationId"), signedOut: unauthorized},
		{method: post, path: "/organization/reject-invitation", handle: (*Server).rejectInvitation, readsBody: true, schema: requiredText("invitationId"), signedOut: unauthorized},
		{method: post, path: "/organization/cancel-invitation", handle: (*Server).cancelInvitation, readsBody: true, schema: requiredText("invitationId"), signedOut: unauthorized},

		{method: get, path: "/organization/list-members", handle: (*Server).listMembers, query: membersQuery(), signedOut: unauthorized},
		{method: post, path: "/organization/update-member-role", handle: (*Server).updateMemberRole, readsBody: true, schema: memberRoleSchema(), signedOut: unauthorized},
		{method: post, path: "/organization/remove-member", handle: (*Server).removeMember, readsBody: true, schema: removeMemberSchema(), signedOut: unauthorized},
		{method: post, path: "/organization/leave", handle: (*Server).leave, readsBody: true, schema: requiredText("organizationId"), signedOut: unauthorized},
		{method: get, path: "/organization/get-active-member", handle: (*Server).getActiveMember, signedOut: unauthorized},
		{method: get, path: "/organization/get-active-member-role", handle: (*Server).getActiveMemberRole, query: optionalTexts("userId", "organizationId", "organizationSlug"), signedOut: unauthorized},
	}
}

// maxRows is how many organizations a user can belong to, how many members an organization can have, and how many
// invitations are stored for it. The last two are Better Auth's defaults; it has no limit for the first.
const maxRows = 100

func (s *Server) createOrganization(c *call) (any, error) {
	metadata, err := metadataOf(c.body)
	if err != nil {
		return nil, err
	}
	now := s.nowMillis()
	o := organization{
		id: newID(), name: c.body.text("name"), slug: c.body.text("slug"), logo: c.body.optionalText("logo"),
		metadata: metadata, createdAt: now,
	}
	owner := member{id: newID(), organizationID: o.id, userID: c.user.id, role: ownerRole, createdAt: now}
	err = s.changeOrganization(c, func(tx *store) error {
		if err := tx.checkOrganizationCount(c.Context(), c.user.id); err != nil {
			return err
		}
		switch _, err := tx.organization(c.Context(), "slug", o.slug); {
		case err == nil:
			return organizationExists()
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if err := tx.addOrganization(c.Context(), o); err != nil {
			return err
		}
		if err := tx.addMember(c.Context(), owner); err != nil {
			return err
		}
		if c.body.field("keepCurrentActiveOrganization").value == true {
			return nil
		}
		return tx.setActive(c.Context(), c.session.id, o.id)
	})
	if err != nil {
		return nil, err
	}
	s.membershipChanged(c.user.id)
	response := newChangedOrganizationJSON(o)
	response.Members = []memberJSON{newMemberJSON(owner)}
	return response, nil
}

// checkOrganizationCount refuses another organization to a user who belongs to too many.
func (s *store) checkOrganizationCount(ctx context.Context, userID string) error {
	switch list, err := s.organizationsOf(ctx, userID); {
	case err != nil:
		return err
	case len(list) >= maxRows:
		return tooManyOrganizations()
	default:
		return nil
	}
}

func (s *Server) updateOrganization(c *call) (any, error) {
	id := c.orActive(c.body.text("organizationId"))
	if id == "" {
		return nil, organizationNotFound()
	}
	data := c.body.field("data")
	metadata, err := metadataOf(data)
	if err != nil {
		return nil, err
	}
	var o organization
	err = s.changeOrganization(c, func(tx *store) error {
		m, err := tx.memberByUser(c.Context(), id, c.user.id)
		switch {
		case err != nil:
			return orRefuse(err, userIsNotAMember(http.StatusBadRequest))
		case !can(m.role, "organization", "update"):
			return notAllowedToUpdateOrganization()
		}
		if slug := data.field("slug"); slug.present {
			other, err := tx.organization(c.Context(), "slug", data.text("slug"))
			switch {
			case err == nil && other.id != id:
				return slugTaken()
			case err != nil && !errors.Is(err, sql.ErrNoRows):
				return err
			}
		}
		if o, err = tx.organization(c.Context(), "id", id); err != nil {
			return err
		}
		o.name, o.slug = cmp.Or(data.text("name"), o.name), cmp.Or(data.text("slug"), o.slug)
		if data.field("logo").present {
			o.logo = data.optionalText("logo")
		}
		if metadata != nil {
			o.metadata = metadata
		}
		return tx.updateOrganization(c.Context(), o)
	})
	if err != nil {
		return nil, err
	}
	return newChangedOrganizationJSON(o), nil
}

func (s *Server) deleteOrganization(c *call) (any, error) {
	id := c.body.text("organizationId")
	if id == "" {
		return nil, organizationNotFound()
	}
	var o organization
	var former []member
	err := s.changeOrganization(c, func(tx *store) error {
		m, err := tx.memberByUser(c.Context(), id, c.user.id)
		switch {
		case err != nil:
			return orRefuse(err, userIsNotAMember(http.StatusBadRequest))
		case !can(m.role, "organization", "delete"):
			return notAllowedToDeleteOrganization()
		}
		if o, err = tx.organization(c.Context(), "id", id); err != nil {
			return err
		}
		if former, err = tx.members(c.Context(), id); err != nil {
			return err
		}
		if err := tx.deleteOrganization(c.Context(), id); err != nil {
			return err
		}
		return tx.unsetActive(c, id)
	})
	if err != nil {
		return nil, err
	}
	for _, m := range former {
		s.membershipChanged(m.userID)
	}
	return newOrganizationJSON(o), nil
}

func (s *Server) checkSlug(c *call) (any, error) {
	switch _, err := s.store.organization(c.Context(), "slug", c.body.text("slug")); {
	case err == nil:
		return nil, slugTaken()
	case !errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("looking for the slug: %w", err)
	}
	return map[string]bool{"status": true}, nil
}

func (s *Server) listOrganizations(c *call) (any, error) {
	list, err := s.store.organizationsOf(c.Context(), c.user.id)
	if err != nil {
		return nil, fmt.Errorf("reading a user's organizations: %w", err)
	}
	return mapSlice(list, newOrganizationJSON), nil
}

func (s *Server) setActive(c *call) (any, error) {
	id, slug := c.body.text("organizationId"), c.body.text("organizationSlug")
	if value := c.body.field("organizationId"); value.kind() == "null" {
		if c.session.activeOrganizationID == "" {
			return nil, nil
		}
		return nil, s.storeActive(c, "")
	}
	if id == "" && slug == "" {
		id = c.session.activeOrganizationID
		if id == "" {
			return nil, nil
		}
	}
	if id == "" {
		o, err := s.store.organization(c.Context(), "slug", slug)
		if err != nil {
			return nil, orRefuse(err, organizationNotFound())
		}
		id = o.id
	}
	if _, err := s.requireMember(c, id); err != nil {
		return nil, err
	}
	o, err := s.store.organization(c.Context(), "id", id)
	if err != nil {
		return nil, orRefuse(err, organizationNotFound())
	}
	if err := s.storeActive(c, id); err != nil {
		return nil, err
	}
	return newOrganizationJSON(o), nil
}

// storeActive stores the session's active organization, and sets the session's cookies again as Better Auth does.
func (s *Server) storeActive(c *call, organizationID string) error {
	if err := s.store.setActive(c.Context(), c.session.id, organizationID); err != nil {
		return fmt.Errorf("storing the active organization: %w", err)
	}
	_, short := s.signedCookie(c.Request, betterauth.DontRememberCookie)
	s.setSessionCookies(c, c.session.token, !short)
	return nil
}

// requireMember returns the user's membership in an organization. To others it answers 403, and like Better Auth it
// leaves the session without an active organization, whichever that was.
func (s *Server) requireMember(c *call, organizationID string) (member, error) {
	m, err := s.store.memberByUser(c.Context(), organizationID, c.user.id)
	if errors.Is(err, sql.ErrNoRows) {
		if err := s.store.setActive(c.Context(), c.session.id, ""); err != nil {
			return member{}, fmt.Errorf("storing the active organization: %w", err)
		}
		return member{}, userIsNotAMember(http.StatusForbidden)
	}
	return m, err
}

// unsetActive leaves the session without an active organization if that is the given one.
func (s *store) unsetActive(c *call, organizationID string) error {
	if c.session.activeOrganizationID != organizationID {
		return nil
	}
	return s.setActive(c.Context(), c.session.id, "")
}

func (s *Server) getOrganization(c *call) (any, error) {
	o, _, err := s.requestedOrganization(c)
	if err != nil || o == nil {
		return nil, err
	}
	return newOrganizationJSON(*o), nil
}

func (s *Server) getFullOrganization(c *call) (any, error) {
	limit, err := c.query.number("membersLimit", maxRows)
	if err != nil {
		return nil, err
	}
	o, m, err := s.requestedOrganization(c)
	if err != nil || o == nil {
		return nil, err
	}
	members, err := s.store.members(c.Context(), o.id)
	if err != nil {
		return nil, fmt.Errorf("reading the members: %w", err)
	}
	invitations := []invitation{}
	if can(m.role, "invitation", "create") {
		if invitations, err = s.store.invitations(c.Context(), o.id); err != nil {
			return nil, fmt.Errorf("reading the invitations: %w", err)
		}
	}
	return fullOrganizationJSON{
		organizationJSON: newOrganizationJSON(*o),
		Invitations:      mapSlice(visibleTo(m.role, invitations), newInvitationJSON),
		Members:          mapSlice(members[:min(limit, len(members))], newMemberWithUserJSON),
	}, nil
}

// requestedOrganization returns the organization that the parameters name, else the active one, and the user's
// membership in it. The organization is nil if there is neither.
func (s *Server) requestedOrganization(c *call) (*organization, member, error) {
	column, value := "slug", c.query.text("organizationSlug")
	if value == "" {
		column, value = "id", c.orActive(c.query.text("organizationId"))
	}
	if value == "" {
		return nil, member{}, nil
	}
	o, err := s.store.organization(c.Context(), column, value)
	if err != nil {
		return nil, member{}, orRefuse(err, organizationNotFound())
	}
	m, err := s.requireMember(c, o.id)
	return &o, m, err
}

func (s *Server) hasPermission(c *call) (any, error) {
	requested, ok := requestedPermissions(c.body)
	if !ok {
		return nil, invalidBody([]string{"[body] Invalid input"})
	}
	id := c.orActive(c.body.text("organizationId"))
	if id == "" {
		return nil, noActiveOrganization()
	}
	m, err := s.store.memberByUser(c.Context(), id, c.user.id)
	if err != nil {
		return nil, orRefuse(err, userIsNotAMember(http.StatusUnauthorized))
	}
	return struct {
		Error   *string `json:"error"`
		Success bool    `json:"success"`
	}{Success: mayAll(m.role, requested)}, nil
}

// changeOrganization calls fn in a transaction. One change of organizations runs after the other.
func (s *Server) changeOrganization(c *call, fn func(tx *store) error) error {
	if err := s.store.transact(c.Context(), organizationLock, fn); err != nil {
		return fmt.Errorf("changing an organization: %w", err)
	}
	return nil
}

// orActive returns an id, or that of the active organization if it is empty.
func (c *call) orActive(id string) string { return cmp.Or(id, c.session.activeOrganizationID) }

// orRefuse returns the refusal if err is sql.ErrNoRows, else err.
func orRefuse(err error, refusal *apiError) error {
	if errors.Is(err, sql.ErrNoRows) {
		return refusal
	}
	return err
}

// metadataOf returns the JSON of the field metadata, nil if it is missing.
func metadataOf(b body) (*string, error) {
	metadata := b.field("metadata")
	if !metadata.present {
		return nil, nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(metadata.value); err != nil {
		return nil, fmt.Errorf("encoding the metadata: %w", err)
	}
	if text.Len() > maxText {
		return nil, invalidBody([]string{fmt.Sprintf("[body.metadata] Too big: expected JSON of at most %d bytes", maxText)})
	}
	encoded := string(bytes.TrimSpace(text.Bytes()))
	return &encoded, nil
}

// mapSlice returns the results of fn for the elements of list. It is never nil, which would be null in JSON.
func mapSlice[T, U any](list []T, fn func(T) U) []U {
	result := make([]U, len(list))
	for i, element := range list {
		result[i] = fn(element)
	}
	return result
}

// The responses, with their fields in Better Auth's order.
type (
	organizationJSON struct {
		Name      string  `json:"name"`
		Slug      string  `json:"slug"`
		Logo      *string `json:"logo"`
		CreatedAt isoTime `json:"createdAt"`
		Metadata  *string `json:"metadata"` // JSON as a text
		ID        string  `json:"id"`
	}
	changedOrganizationJSON struct {
		Name      string          `json:"name"`
		Slug      string          `json:"slug"`
		Logo      *string         `json:"logo"`
		CreatedAt isoTime         `json:"createdAt"`
		Metadata  json.RawMessage `json:"metadata,omitempty"`
		ID        string          `json:"id"`
		Members   []memberJSON    `json:"members,omitempty"` // of a new organization
	}
	fullOrganizationJSON struct {
		organizationJSON
		Invitations []invitationJSON `json:"invitations"`
		Members     []memberJSON     `json:"members"`
	}
)

func newOrganizationJSON(o organization) organizationJSON {
	return organizationJSON{Name: o.name, Slug: o.slug, Logo: o.logo, CreatedAt: isoTime(o.createdAt), Metadata: o.metadata, ID: o.id}
}

func newChangedOrganizationJSON(o organization) changedOrganizationJSON {
	changed := changedOrganizationJSON{Name: o.name, Slug: o.slug, Logo: o.logo, CreatedAt: isoTime(o.createdAt), ID: o.id}
	if o.metadata != nil {
		changed.Metadata = json.RawMessage(*o.metadata)
	}
	return changed
}
