package devauth

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
)

// The tables. Only this package uses them.
const (
	usersTable    = "devauth_users"
	sessionsTable = "devauth_sessions"
	settingsTable = "devauth_settings"

	organizationsTable = "devauth_organizations"
	membersTable       = "devauth_members"
	invitationsTable   = "devauth_invitations"
	// activeTable has the active organizations of sessions.
	activeTable = "devauth_active_organizations"
)

// PostgreSQL's advisory locks of transactions. The numbers are arbitrary.
const (
	// createLock is for creating the tables: with IF NOT EXISTS alone, two concurrent processes can fail.
	createLock = 7_294_551_003
	// organizationLock is for changes of organizations, so that what one of them has checked still holds when it writes.
	organizationLock = 7_294_551_004
)

// store stores users, sessions, organizations and settings in the database. Times are stored as milliseconds since 1970,
// JavaScript's precision, because both databases support that.
type store struct {
	db      *sql.DB
	dialect string
	// conn executes the statements: db, or a transaction.
	conn conn
}

// conn is implemented by *sql.DB and *sql.Tx.
type conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func newStore(db *sql.DB, dialect string) *store { return &store{db: db, dialect: dialect, conn: db} }

// transact calls fn with a store whose statements are one transaction, which is rolled back if fn returns an error.
// Transactions with the same lock run one after the other; on SQLite, all do.
func (s *store) transact(ctx context.Context, lock int64, fn func(tx *store) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // After a commit it does nothing.
	if s.dialect == dialect.Postgres {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", lock); err != nil {
			return err
		}
	}
	if err := fn(&store{dialect: s.dialect, conn: tx}); err != nil {
		return err
	}
	return tx.Commit()
}

type user struct {
	id, name, email      string
	image                *string
	passwordHash         string
	createdAt, updatedAt time.Time
}

type session struct {
	id, token, userID, userAgent    string
	activeOrganizationID            string // "" for none. The user may not be a member any more.
	expiresAt, createdAt, updatedAt time.Time
}

// createTables creates the tables that are missing.
func (s *store) createTables(ctx context.Context) error {
	return s.transact(ctx, createLock, func(tx *store) error {
		for _, statement := range slices.Concat(tables(), organizationTables()) {
			if _, err := tx.conn.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// tables returns the statements that create the tables of users, sessions and settings.
func tables() []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + usersTable + ` (
			id TEXT PRIMARY KEY,
			name TEXT NOT NULL,
			email TEXT NOT NULL UNIQUE,
			image TEXT,
			password_hash TEXT NOT NULL,
			created_at BIGINT NOT NULL,
			updated_at BIGINT NOT NULL
		)`,
		`CREATE TABLE IF NOT EXISTS ` + sessionsTable + ` (
			id TEXT PRIMARY KEY,
			token_hash TEXT NOT NULL UNIQUE,
			user_id TEXT NOT NULL REFERENCES ` + usersTable + ` (id) ON DELETE CASCADE,
			user_agent TEXT NOT NULL,
			expires_at BIGINT NOT NULL,
			created_at BIGINT NOT NULL,
			updated_at BIGINT NOT NULL
		)`,
		`CREATE TABLE IF NOT EXISTS ` + settingsTable + ` (
			name TEXT PRIMARY KEY,
			value TEXT NOT NULL
		)`,
	}
}

// getOrSet stores a setting unless it exists, and returns the stored value: the first of several processes sets it.
func (s *store) getOrSet(ctx context.Context, name, value string) (string, error) {
	insert := s.builder().Insert(settingsTable).Columns("name", "value").Values(name, value).
		OnConflict(entsql.ConflictColumns("name"), entsql.DoNothing())
	if _, err := s.exec(ctx, insert); err != nil {
		return "", err
	}
	var stored string
	t := s.builder().Table(settingsTable)
	err := s.queryRow(ctx, s.builder().Select(t.C("value")).From(t).Where(entsql.EQ(t.C("name"), name))).Scan(&stored)
	return stored, err
}

// addUser adds a user. It returns false if the e-mail address is taken.
func (s *store) addUser(ctx context.Context, u user) (bool, error) {
	insert := s.builder().Insert(usersTable).
		Columns("id", "name", "email", "image", "password_hash", "created_at", "updated_at").
		Values(u.id, u.name, u.email, u.image, u.passwordHash, u.createdAt.UnixMilli(), u.updatedAt.UnixMilli()).
		OnConflict(entsql.ConflictColumns("email"), entsql.DoNothing())
	added, err := s.exec(ctx, insert)
	return added > 0, err
}

// userByEmail returns the user with an address. The error is sql.ErrNoRows if there is none.
func (s *store) userByEmail(ctx context.Context, email string) (user, error) {
	t := s.builder().Table(usersTable)
	var found user
	err := s.queryRow(ctx, s.builder().Select(userColumns(t)...).From(t).Where(entsql.EQ(t.C("email"), email))).
		Scan(found.targets()...)
	return found, err
}

func (s *store) addSession(ctx context.Context, v session) error {
	_, err := s.exec(ctx, s.builder().Insert(sessionsTable).
		Columns("id", "token_hash", "user_id", "user_agent", "expires_at", "created_at", "updated_at").
		Values(v.id, hashToken(v.token), v.userID, v.userAgent,
			v.expiresAt.UnixMilli(), v.createdAt.UnixMilli(), v.updatedAt.UnixMilli()))
	return err
}

// session returns the session of a token and its user. The error is sql.ErrNoRows if there is none.
func (s *store) session(ctx context.Context, token string) (session, user, error) {
	sessions, users, active := s.builder().Table(sessionsTable).As("s"), s.builder().Table(usersTable).As("u"), s.builder().Table(activeTable).As("a")
	columns := append(sessions.Columns("id", "user_id", "user_agent", "expires_at", "created_at", "updated_at"),
		active.C("organization_id"))
	query := s.builder().Select(append(columns, userColumns(users)...)...).From(sessions).
		Join(users).On(sessions.C("user_id"), users.C("id")).
		LeftJoin(active).On(sessions.C("id"), active.C("session_id")).
		Where(entsql.EQ(sessions.C("token_hash"), hashToken(token)))
	v, owner := session{token: token}, user{}
	var organizationID sql.NullString
	targets := append([]any{
		&v.id, &v.userID, &v.userAgent,
		milliseconds{&v.expiresAt},
		milliseconds{&v.createdAt},
		milliseconds{&v.updatedAt},
		&organizationID,
	}, owner.targets()...)
	err := s.queryRow(ctx, query).Scan(targets...)
	v.activeOrganizationID = organizationID.String
	return v, owner, err
}

// extend stores the session's new expiry. It returns false if the session no longer exists.
func (s *store) extend(ctx context.Context, v session) (bool, error) {
	changed, err := s.exec(ctx, s.builder().Update(sessionsTable).
		Set("expires_at", v.expiresAt.UnixMilli()).Set("updated_at", v.updatedAt.UnixMilli()).
		Where(entsql.EQ("id", v.id)))
	return changed > 0, err
}

func (s *store) deleteSession(ctx context.Context, token string) error {
	_, err := s.exec(ctx, s.builder().Delete(sessionsTable).Where(entsql.EQ("token_hash", hashToken(token))))
	return err
}

func (s *store) deleteExpired(ctx context.Context, now time.Time) error {
	_, err := s.exec(ctx, s.builder().Delete(sessionsTable).Where(entsql.LT("expires_at", now.UnixMilli())))
	return err
}

func (s *store) builder() *entsql.DialectBuilder { return entsql.Dialect(s.dialect) }

func (s *store) exec(ctx context.Context, q entsql.Querier) (int64, error) {
	query, args := q.Query()
	result, err := s.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s *store) queryRow(ctx context.Context, q entsql.Querier) *sql.Row {
	query, args := q.Query()
	return s.conn.QueryRowContext(ctx, query, args...)
}

func userColumns(t *entsql.SelectTable) []string {
	return t.Columns("id", "name", "email", "image", "password_hash", "created_at", "updated_at")
}

// targets returns the destinations for scanning userColumns.
func (u *user) targets() []any {
	return []any{
		&u.id, &u.name, &u.email, &u.image, &u.passwordHash,
		milliseconds{&u.createdAt},
		milliseconds{&u.updatedAt},
	}
}

// milliseconds scans a time that is stored as milliseconds since 1970.
type milliseconds struct{ to *time.Time }

// Scan implements sql.Scanner.
func (m milliseconds) Scan(value any) error {
	number, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", value)
	}
	*m.to = time.UnixMilli(number).UTC()
	return nil
}

// hashToken returns the hash of a token, which is stored in its place: nobody can sign in with what is in the table.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
