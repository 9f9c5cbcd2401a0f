package devauth

import (
	"context"
	"time"

	entsql "entgo.io/ent/dialect/sql"
)

type organization struct {
	id, name, slug string
	logo           *string
	metadata       *string // JSON
	createdAt      time.Time
}

// member is a member of an organization, with what other members see of the user.
type member struct {
	id, organizationID, userID string
	role                       string // one or more roles, separated by commas
	createdAt                  time.Time
	name, email                string
	image                      *string
}

type invitation struct {
	id, organizationID, email, role, status, inviterID string
	expiresAt, createdAt                               time.Time
	organizationName                                   string // Only invitationsTo reads it.
}

// Statuses of invitations.
const (
	pending  = "pending"
	accepted = "accepted"
	rejected = "rejected"
	canceled = "canceled"
)

// organizationTables returns the statements that create the tables of organizations.
func organizationTables() []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + organizationsTable + ` (
			id TEXT PRIMARY KEY,
			name TEXT NOT NULL,
			slug TEXT NOT NULL UNIQUE,
			logo TEXT,
			metadata TEXT,
			created_at BIGINT NOT NULL
		)`,
		`CREATE TABLE IF NOT EXISTS ` + membersTable + ` (
			id TEXT PRIMARY KEY,
			organization_id TEXT NOT NULL REFERENCES ` + organizationsTable + ` (id) ON DELETE CASCADE,
			user_id TEXT NOT NULL REFERENCES ` + usersTable + ` (id) ON DELETE CASCADE,
			role TEXT NOT NULL,
			created_at BIGINT NOT NULL,
			UNIQUE (organization_id, user_id)
		)`,
		`CREATE TABLE IF NOT EXISTS ` + invitationsTable + ` (
			id TEXT PRIMARY KEY,
			organization_id TEXT NOT NULL REFERENCES ` + organizationsTable + ` (id) ON DELETE CASCADE,
			email TEXT NOT NULL,
			role TEXT NOT NULL,
			status TEXT NOT NULL,
			inviter_id TEXT NOT NULL REFERENCES ` + usersTable + ` (id) ON DELETE CASCADE,
			expires_at BIGINT NOT NULL,
			created_at BIGINT NOT NULL
		)`,
		`CREATE TABLE IF NOT EXISTS ` + activeTable + ` (
			session_id TEXT PRIMARY KEY REFERENCES ` + sessionsTable + ` (id) ON DELETE CASCADE,
			organization_id TEXT NOT NULL
		)`,
	}
}

func (s *store) addOrganization(ctx context.Context, o organization) error {
	_, err := s.exec(ctx, s.builder().Insert(organizationsTable).
		Columns("id", "name", "slug", "logo", "metadata", "created_at").
		Values(o.id, o.name, o.slug, o.logo, o.metadata, o.createdAt.UnixMilli()))
	return err
}

// organization returns the organization whose column, id or slug, has a value. The error is sql.ErrNoRows if there is
// none.
func (s *store) organization(ctx context.Context, column, value string) (organization, error) {
	t := s.builder().Table(organizationsTable)
	var o organization
	err := s.queryRow(ctx, s.builder().Select(organizationColumns(t)...).From(t).Where(entsql.EQ(t.C(column), value))).
		Scan(o.targets()...)
	return o, err
}

// organizationsOf returns the organizations that a user belongs to, the longest membership first, at most maxRows.
func (s *store) organizationsOf(ctx context.Context, userID string) ([]organization, error) {
	t, members := s.builder().Table(organizationsTable).As("o"), s.builder().Table(membersTable).As("m")
	query := s.builder().Select(organizationColumns(t)...).From(t).
		Join(members).On(t.C("id"), members.C("organization_id")).
		Where(entsql.EQ(members.C("user_id"), userID)).
		OrderBy(members.C("created_at"), members.C("id")).Limit(maxRows)
	return all(ctx, s, query, (*organization).targets)
}

func (s *store) updateOrganization(ctx context.Context, o organization) error {
	_, err := s.exec(ctx, s.builder().Update(organizationsTable).
		Set("name", o.name).Set("slug", o.slug).Set("logo", o.logo).Set("metadata", o.metadata).
		Where(entsql.EQ("id", o.id)))
	return err
}

// deleteOrganization deletes an organization with its members and invitations. Sessions keep it as their active one.
func (s *store) deleteOrganization(ctx context.Context, id string) error {
	_, err := s.exec(ctx, s.builder().Delete(organizationsTable).Where(entsql.EQ("id", id)))
	return err
}

// setActive stores a session's active organization; "" is none.
func (s *store) setActive(ctx context.Context, sessionID, organizationID string) error {
	var err error
	if organizationID == "" {
		_, err = s.exec(ctx, s.builder().Delete(activeTable).Where(entsql.EQ("session_id", sessionID)))
	} else {
		_, err = s.exec(ctx, s.builder().Insert(activeTable).Columns("session_id", "organization_id").
			Values(sessionID, organizationID).
			OnConflict(entsql.ConflictColumns("session_id"), entsql.ResolveWithNewValues()))
	}
	return err
}

func (s *store) addMember(ctx context.Context, m member) error {
	_, err := s.exec(ctx, s.builder().Insert(membersTable).
		Columns("id", "organization_id", "user_id", "role", "created_at").
		Values(m.id, m.organizationID, m.userID, m.role, m.createdAt.UnixMilli()))
	return err
}

// memberByUser returns a user's membership in an organization. The error is sql.ErrNoRows if there is none.
func (s *store) memberByUser(ctx context.Context, organizationID, userID string) (member, error) {
	return s.member(ctx, func(members, _ *entsql.SelectTable) *entsql.Predicate {
		return entsql.And(entsql.EQ(members.C("organization_id"), organizationID), entsql.EQ(members.C("user_id"), userID))
	})
}

// memberByEmail is like memberByUser for the user with an address.
func (s *store) memberByEmail(ctx context.Context, organizationID, email string) (member, error) {
	return s.member(ctx, func(members, users *entsql.SelectTable) *entsql.Predicate {
		return entsql.And(entsql.EQ(members.C("organization_id"), organizationID), entsql.EQ(users.C("email"), email))
	})
}

// memberByID returns the member with an id, of any organization. The error is sql.ErrNoRows if there is none.
func (s *store) memberByID(ctx context.Context, id string) (member, error) {
	return s.member(ctx, func(members, _ *entsql.SelectTable) *entsql.Predicate { return entsql.EQ(members.C("id"), id) })
}

func (s *store) member(ctx context.Context, only func(members, users *entsql.SelectTable) *entsql.Predicate) (member, error) {
	var m member
	err := s.queryRow(ctx, s.selectMembers(only)).Scan(m.targets()...)
	return m, err
}

// members returns the members of an organization, the longest membership first.
func (s *store) members(ctx context.Context, organizationID string) ([]member, error) {
	query := s.selectMembers(func(members, _ *entsql.SelectTable) *entsql.Predicate {
		return entsql.EQ(members.C("organization_id"), organizationID)
	})
	return all(ctx, s, query, (*member).targets)
}

func (s *store) selectMembers(only func(members, users *entsql.SelectTable) *entsql.Predicate) *entsql.Selector {
	members, users := s.builder().Table(membersTable).As("m"), s.builder().Table(usersTable).As("u")
	columns := append(members.Columns("id", "organization_id", "user_id", "role", "created_at"),
		users.Columns("name", "email", "image")...)
	return s.builder().Select(columns...).From(members).
		Join(users).On(members.C("user_id"), users.C("id")).
		Where(only(members, users)).
		OrderBy(members.C("created_at"), members.C("id")).Limit(maxRows)
}

func (s *store) setRole(ctx context.Context, memberID, role string) error {
	_, err := s.exec(ctx, s.builder().Update(membersTable).Set("role", role).Where(entsql.EQ("id", memberID)))
	return err
}

func (s *store) deleteMember(ctx context.Context, id string) error {
	_, err := s.exec(ctx, s.builder().Delete(membersTable).Where(entsql.EQ("id", id)))
	return err
}

func (s *store) addInvitation(ctx context.Context, i invitation) error {
	_, err := s.exec(ctx, s.builder().Insert(invitationsTable).
		Columns("id", "organization_id", "email", "role", "status", "inviter_id", "expires_at", "created_at").
		Values(i.id, i.organizationID, i.email, i.role, i.status, i.inviterID, i.expiresAt.UnixMilli(), i.createdAt.UnixMilli()))
	return err
}

// invitation returns the invitation with an id. The error is sql.ErrNoRows if there is none.
func (s *store) invitation(ctx context.Context, id string) (invitation, error) {
	t := s.builder().Table(invitationsTable)
	var i invitation
	err := s.queryRow(ctx, s.builder().Select(invitationColumns(t)...).From(t).Where(entsql.EQ(t.C("id"), id))).
		Scan(i.targets()...)
	return i, err
}

// invitations returns the invitations to an organization, the oldest first.
func (s *store) invitations(ctx context.Context, organizationID string) ([]invitation, error) {
	t := s.builder().Table(invitationsTable)
	query := s.builder().Select(invitationColumns(t)...).From(t).Where(entsql.EQ(t.C("organization_id"), organizationID)).
		OrderBy(t.C("created_at"), t.C("id"))
	return all(ctx, s, query, (*invitation).targets)
}

// invitationsTo returns the pending invitations to an address, with the names of their organizations, the oldest first,
// at most maxRows.
func (s *store) invitationsTo(ctx context.Context, email string) ([]invitation, error) {
	t, organizations := s.builder().Table(invitationsTable).As("i"), s.builder().Table(organizationsTable).As("o")
	query := s.builder().Select(append(invitationColumns(t), organizations.C("name"))...).From(t).
		Join(organizations).On(t.C("organization_id"), organizations.C("id")).
		Where(entsql.And(entsql.EQ(t.C("email"), email), entsql.EQ(t.C("status"), pending))).
		OrderBy(t.C("created_at"), t.C("id")).Limit(maxRows)
	return all(ctx, s, query, func(i *invitation) []any { return append(i.targets(), &i.organizationName) })
}

// updateInvitation stores the status and the expiry.
func (s *store) updateInvitation(ctx context.Context, i invitation) error {
	_, err := s.exec(ctx, s.builder().Update(invitationsTable).
		Set("status", i.status).Set("expires_at", i.expiresAt.UnixMilli()).Where(entsql.EQ("id", i.id)))
	return err
}

func (s *store) deleteInvitation(ctx context.Context, id string) error {
	_, err := s.exec(ctx, s.builder().Delete(invitationsTable).Where(entsql.EQ("id", id)))
	return err
}

// all returns the rows of a query.
func all[T any](ctx context.Context, s *store, q entsql.Querier, targets func(*T) []any) ([]T, error) {
	query, args := q.Query()
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := []T{}
	for rows.Next() {
		var row T
		if err := rows.Scan(targets(&row)...); err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

func organizationColumns(t *entsql.SelectTable) []string {
	return t.Columns("id", "name", "slug", "logo", "metadata", "created_at")
}

// targets returns the destinations for scanning organizationColumns.
func (o *organization) targets() []any {
	return []any{&o.id, &o.name, &o.slug, &o.logo, &o.metadata, milliseconds{&o.createdAt}}
}

// targets returns the destinations for scanning the columns of selectMembers.
func (m *member) targets() []any {
	return []any{
		&m.id, &m.organizationID, &m.userID, &m.role,
		milliseconds{&m.createdAt},
		&m.name, &m.email, &m.image,
	}
}

func invitationColumns(t *entsql.SelectTable) []string {
	return t.Columns("id", "organization_id", "email", "role", "status", "inviter_id", "expires_at", "created_at")
}

// targets returns the destinations for scanning invitationColumns.
func (i *invitation) targets() []any {
	return []any{
		&i.id, &i.organizationID, &i.email, &i.role, &i.status, &i.inviterID,
		milliseconds{&i.expiresAt},
		milliseconds{&i.createdAt},
	}
}
