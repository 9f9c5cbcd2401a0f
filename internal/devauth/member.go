package devauth

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

func (s *Server) listMembers(c *call) (any, error) {
	limit, err := c.query.number("limit", maxRows)
	if err != nil {
		return nil, err
	}
	offset, err := c.query.number("offset", 0)
	if err != nil {
		return nil, err
	}
	m, err := s.requestedMembership(c)
	if err != nil {
		return nil, err
	}
	members, err := s.store.members(c.Context(), m.organizationID)
	if err != nil {
		return nil, fmt.Errorf("reading the members: %w", err)
	}
	if members, err = selectMembers(members, c.query); err != nil {
		return nil, err
	}
	page := members[min(offset, len(members)):]
	return struct {
		Members []memberJSON `json:"members"`
		Total   int          `json:"total"`
	}{mapSlice(page[:min(limit, len(page))], newMemberWithUserJSON), len(members)}, nil
}

// requestedMembership returns the user's membership in the organization that the parameters name, else in the active
// one.
func (s *Server) requestedMembership(c *call) (member, error) {
	id := c.orActive(c.query.text("organizationId"))
	if slug := c.query.text("organizationSlug"); slug != "" {
		o, err := s.store.organization(c.Context(), "slug", slug)
		if err != nil {
			return member{}, orRefuse(err, organizationNotFound())
		}
		id = o.id
	}
	if id == "" {
		return member{}, noActiveOrganization()
	}
	m, err := s.store.memberByUser(c.Context(), id, c.user.id)
	return m, orRefuse(err, youAreNotAMember())
}

// selectMembers returns the members that the parameters select, in the order that they name.
func selectMembers(members []member, query body) ([]member, error) {
	if field := query.text("filterField"); field != "" {
		keep, err := memberFilter(field, cmp.Or(query.text("filterOperator"), "eq"), query.field("filterValue"))
		if err != nil {
			return nil, err
		}
		members = slices.DeleteFunc(members, func(m member) bool { return !keep(m) })
	}
	if field := query.text("sortBy"); field != "" {
		value, err := memberField("sortBy", field)
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(members, func(a, b member) int {
			if query.text("sortDirection") == "desc" {
				a, b = b, a
			}
			return strings.Compare(value(a), value(b))
		})
	}
	return members, nil
}

// memberFilter returns which members have a field with a value by an operator.
func memberFilter(field, operator string, value body) (func(member) bool, error) {
	get, err := memberField("filterField", field)
	if err != nil {
		return nil, err
	}
	list, _ := value.texts() // None if it is missing.
	_, isList := value.value.([]any)
	if value.present && isList != slices.Contains([]string{"in", "not_in"}, operator) {
		return nil, invalidBody([]string{"[query.filterValue] Invalid input: repeat it for the operators in and not_in, and for no other"})
	}
	first := strings.Join(list, "")
	return func(m member) bool {
		got := get(m)
		switch operator {
		case "ne":
			return got != first
		case "lt":
			return got < first
		case "lte":
			return got <= first
		case "gt":
			return got > first
		case "gte":
			return got >= first
		case "in":
			return slices.Contains(list, got)
		case "not_in":
			return !slices.Contains(list, got)
		case "contains":
			return strings.Contains(got, first)
		case "starts_with":
			return strings.HasPrefix(got, first)
		case "ends_with":
			return strings.HasSuffix(got, first)
		default:
			return got == first
		}
	}, nil
}

// memberField returns the function that reads a field of members, as a text whose order is the field's.
func memberField(parameter, name string) (func(member) string, error) {
	switch name {
	case "id":
		return func(m member) string { return m.id }, nil
	case "organizationId":
		return func(m member) string { return m.organizationID }, nil
	case "userId":
		return func(m member) string { return m.userID }, nil
	case "role":
		return func(m member) string { return m.role }, nil
	case "createdAt":
		return func(m member) string { return isoTime(m.createdAt).String() }, nil
	default:
		return nil, invalidBody([]string{"[query." + parameter + "] Invalid input: members have id, organizationId, userId, role and createdAt"})
	}
}

func (s *Server) updateMemberRole(c *call) (any, error) {
	roles, _ := c.body.field("role").texts()
	list, id := roleList(roles...), c.orActive(c.body.text("organizationId"))
	switch {
	case c.body.field("role").value == "":
		return nil, emptyBadRequest()
	case id == "":
		return nil, noActiveOrganization()
	case len(list) == 0:
		return nil, emptyBadRequest()
	}
	var changed member
	err := s.changeOrganization(c, func(tx *store) error {
		updater, err := tx.memberByUser(c.Context(), id, c.user.id)
		if err != nil {
			return orRefuse(err, memberNotFound())
		}
		if changed, err = tx.memberByID(c.Context(), c.body.text("memberId")); err != nil {
			return orRefuse(err, memberNotFound())
		}
		if changed.organizationID != id {
			return notAllowedToUpdateMember()
		}
		if err := tx.checkRole(c, updater, changed, list); err != nil {
			return err
		}
		changed.role = strings.Join(list, ",")
		return tx.setRole(c.Context(), changed.id, changed.role)
	})
	if err != nil {
		return nil, err
	}
	s.membershipChanged(changed.userID)
	return newMemberJSON(changed), nil
}

// checkRole refuses roles that the updater may not give to a member.
func (s *store) checkRole(c *call, updater, changed member, roles []string) error {
	becomesOwner := slices.Contains(roles, ownerRole)
	if !isOwner(updater.role) && (isOwner(changed.role) || becomesOwner) {
		return notAllowedToUpdateMember()
	}
	if isOwner(updater.role) && updater.id == changed.id && !becomesOwner {
		if only, err := s.hasOneOwner(c, changed.organizationID); err != nil || only {
			return cmp.Or[error](err, organizationNeedsOwner())
		}
	}
	if !can(updater.role, "member", "update") {
		return notAllowedToUpdateMember()
	}
	if unknown := unknownRoles(roles); len(unknown) > 0 {
		return newError(http.StatusBadRequest, "ROLE_NOT_FOUND", "ROLE_NOT_FOUND: "+strings.Join(unknown, ", "))
	}
	return nil
}

// hasOneOwner reports whether an organization has no second owner.
func (s *store) hasOneOwner(c *call, organizationID string) (bool, error) {
	members, err := s.members(c.Context(), organizationID)
	owners := slices.DeleteFunc(members, func(m member) bool { return !isOwner(m.role) })
	return len(owners) <= 1, err
}

func (s *Server) removeMember(c *call) (any, error) {
	id, name := c.orActive(c.body.text("organizationId")), c.body.text("memberIdOrEmail")
	if id == "" {
		return nil, noActiveOrganization()
	}
	byEmail := strings.Contains(name, "@")
	var removed member
	err := s.changeOrganization(c, func(tx *store) error {
		remover, err := tx.memberByUser(c.Context(), id, c.user.id)
		if err != nil {
			return orRefuse(err, memberNotFound())
		}
		if byEmail {
			removed, err = tx.memberByEmail(c.Context(), id, strings.ToLower(name))
		} else {
			removed, err = tx.memberByID(c.Context(), name)
		}
		if err != nil {
			return orRefuse(err, memberNotFound())
		}
		if isOwner(removed.role) {
			if only, err := tx.hasOneOwner(c, id); err != nil || only || !isOwner(remover.role) {
				return cmp.Or[error](err, onlyOwner())
			}
		}
		switch {
		case !can(remover.role, "member", "delete"):
			return notAllowedToDeleteMember()
		case removed.organizationID != id:
			return memberNotFound()
		}
		return tx.endMembership(c, removed)
	})
	if err != nil {
		return nil, err
	}
	s.membershipChanged(removed.userID)
	response := map[string]memberJSON{"member": newMemberJSON(removed)}
	if byEmail {
		response["member"] = newMemberWithUserJSON(removed)
	}
	return response, nil
}

func (s *Server) leave(c *call) (any, error) {
	id := c.body.text("organizationId")
	var m member
	err := s.changeOrganization(c, func(tx *store) error {
		var err error
		if m, err = tx.memberByUser(c.Context(), id, c.user.id); err != nil {
			return orRefuse(err, memberNotFound())
		}
		if isOwner(m.role) {
			if only, err := tx.hasOneOwner(c, id); err != nil || only {
				return cmp.Or[error](err, onlyOwner())
			}
		}
		return tx.endMembership(c, m)
	})
	if err != nil {
		return nil, err
	}
	s.membershipChanged(m.userID)
	return newMemberWithUserJSON(m), nil
}

// endMembership deletes a member. As in Better Auth, only the session of a member who leaves loses its active
// organization.
func (s *store) endMembership(c *call, m member) error {
	if err := s.deleteMember(c.Context(), m.id); err != nil {
		return err
	}
	if m.userID != c.user.id {
		return nil
	}
	return s.unsetActive(c, m.organizationID)
}

func (s *Server) getActiveMember(c *call) (any, error) {
	if c.session.activeOrganizationID == "" {
		return nil, noActiveOrganization()
	}
	m, err := s.store.memberByUser(c.Context(), c.session.activeOrganizationID, c.user.id)
	if err != nil {
		return nil, orRefuse(err, memberNotFound())
	}
	return newMemberWithUserJSON(m), nil
}

func (s *Server) getActiveMemberRole(c *call) (any, error) {
	m, err := s.requestedMembership(c)
	if err != nil {
		return nil, err
	}
	if userID := c.query.text("userId"); userID != "" {
		if m, err = s.store.memberByUser(c.Context(), m.organizationID, userID); err != nil {
			return nil, orRefuse(err, youAreNotAMember())
		}
	}
	return map[string]string{"role": m.role}, nil
}

// memberJSON is a member in a response, with its fields in Better Auth's order.
type memberJSON struct {
	OrganizationID string          `json:"organizationId"`
	UserID         string          `json:"userId"`
	Role           string          `json:"role"`
	CreatedAt      isoTime         `json:"createdAt"`
	ID             string          `json:"id"`
	User           *memberUserJSON `json:"user,omitempty"`
}

type memberUserJSON struct {
	ID    string  `json:"id"`
	Name  string  `json:"name"`
	Email string  `json:"email"`
	Image *string `json:"image"`
}

func newMemberJSON(m member) memberJSON {
	return memberJSON{OrganizationID: m.organizationID, UserID: m.userID, Role: m.role, CreatedAt: isoTime(m.createdAt), ID: m.id}
}

func newMemberWithUserJSON(m member) memberJSON {
	with := newMemberJSON(m)
	with.User = &memberUserJSON{ID: m.userID, Name: m.name, Email: m.email, Image: m.image}
	return with
}
