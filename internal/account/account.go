// Package account keeps a copy of the auth server's users. A user's row and personal workspace are created by the user's first
// request, and refreshed if a session has another profile.
package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/maypok86/otter/v2"

	"taskql/ent"
	"taskql/ent/user"
	"taskql/ent/userremoval"
	"taskql/internal/betterauth"
	"taskql/internal/sqlstate"
	"taskql/internal/timezone"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// ErrNotFound is returned if there is no such user, or the user is not the viewer.
var ErrNotFound = errors.New("user not found")

// ErrErased is an ErrNotFound: the user was erased a short while ago, or is being erased.
var ErrErased = fmt.Errorf("%w: erased a short while ago", ErrNotFound)

// How many users are cached, and for how long. Within that time a user's requests don't read the user's row, and a time zone
// that was set at another replica has no effect at this one.
const (
	cacheSize = 10_000
	cacheTTL  = 15 * time.Second
)

// Provisioning says what to do with a user who has no row.
type Provisioning string

// The values of Provisioning. The zero value means Auto.
const (
	// Auto creates the user's row and personal workspace.
	Auto Provisioning = "auto"
	// Strict refuses users without a row. The rows are created by somebody else.
	Strict Provisioning = "strict"
)

// Config configures a Service.
type Config struct {
	// Client is required.
	Client *ent.Client
	// Provisioning is what to do with a user who has no row. Default: Auto.
	Provisioning Provisioning
	// Timeout is how long Viewer may take to read, create or refresh a user's row. Zero is no limit.
	Timeout time.Duration
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// ZoneSet, if set, is called with each user who has set a time zone. The request waits for it.
	ZoneSet func(userID string)
}

// Service turns sessions into viewers. It is safe for concurrent use.
type Service struct {
	client  *ent.Client
	strict  bool
	timeout time.Duration
	now     func() time.Time
	cache   *otter.Cache[string, cachedUser]
	// generation keeps rows that were read before a change from being cached after it.
	generation generation
	zoneSet    func(userID string)
}

// generation counts the changes of rows by this process.
type generation struct {
	mu    sync.Mutex
	count int
}

func (g *generation) current() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// ifCurrent calls store unless a row has changed since the count was n.
func (g *generation) ifCurrent(n int, store func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count == n {
		store()
	}
}

// advance counts a change and calls invalidate, which removes what was cached before it.
func (g *generation) advance(invalidate func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
	invalidate()
}

// New returns a Service for c. It returns an error if c is incomplete.
func New(c Config) (*Service, error) {
	if c.Client == nil {
		return nil, errors.New("account: Config.Client is missing")
	}
	switch c.Provisioning {
	case "", Auto, Strict:
	default:
		return nil, errors.New("account: Config.Provisioning must be auto or strict")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ZoneSet == nil {
		c.ZoneSet = func(string) {}
	}
	cache, err := otter.New(&otter.Options[string, cachedUser]{MaximumSize: cacheSize})
	if err != nil {
		return nil, fmt.Errorf("creating the cache of users: %w", err)
	}
	return &Service{
		client: c.Client, strict: c.Provisioning == Strict, timeout: c.Timeout, cache: cache, zoneSet: c.ZoneSet,
		now: func() time.Time { return c.Now().UTC().Truncate(time.Microsecond) },
	}, nil
}

// Viewer returns the viewer of a session. It creates the user's row and personal workspace if they are missing, and refreshes
// the row if the session has another name, e-mail address or image. It keeps what the session leaves out, and ignores the
// profile of a session that is older than the row.
//
// It returns ErrErased, which is also an ErrNotFound, if the user was erased a short while ago. With Strict it returns
// ErrNotFound for a user without a row, and doesn't cache that. Any other error is the database's.
func (s *Service) Viewer(ctx context.Context, session *betterauth.Session) (viewer.Viewer, error) {
	v, err := s.cachedViewer(ctx, session)
	if err != nil {
		return viewer.Viewer{}, err
	}
	v.ImpersonatorID, v.Access = session.ImpersonatedBy, accessOf(session.Permissions)
	return v, nil
}

// cachedViewer returns what the viewers of all sessions of a user have in common, from the cache or the database.
func (s *Service) cachedViewer(ctx context.Context, session *betterauth.Session) (viewer.Viewer, error) {
	u := truncateUser(session.User)
	if cached, ok := s.cache.GetIfPresent(u.ID); ok && cached.current(u, session.AsOf, s.now()) {
		return cached.viewer, nil
	}
	generation := s.generation.current()
	ctx = viewer.AsSystemFor(ctx, u.ID)
	if s.timeout > 0 {
		timed, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		ctx = timed
	}
	row, err := s.provision(ctx, u, session.AsOf)
	if err != nil {
		return viewer.Viewer{}, fmt.Errorf("provisioning a user: %w", err)
	}
	v := viewer.Viewer{UserID: row.ID, WorkspaceID: workspace.PersonalID(row.ID), Role: viewer.RoleAdmin, Location: locationOf(row.TimeZone)}
	read := cachedUser{profile: hashRow(row), rowUpdatedAt: row.UpdatedAt, viewer: v, expires: s.now().Add(cacheTTL)}
	if read.profile.matches(u) {
		read.userUpdatedAt = u.UpdatedAt
	}
	s.generation.ifCurrent(generation, func() { s.cache.Set(row.ID, read) })
	return v, nil
}

// SetTimeZone sets the viewer's time zone, an IANA name, and returns the viewer's row. It takes effect at
// once at this replica, and within cacheTTL at the others; for streams, when their sessions are verified there.
func (s *Service) SetTimeZone(ctx context.Context, v viewer.Viewer, zone string) (*ent.User, error) {
	location, err := timezone.Load(zone)
	if err != nil {
		return nil, fmt.Errorf("setting a time zone: %w", err)
	}
	zone = location.String()
	row, err := s.User(ctx, v, v.UserID)
	if err != nil {
		return nil, err
	}
	if row.TimeZone != zone {
		update := row.Update().SetTimeZone(zone).SetUpdatedAt(s.now())
		if row, err = retry(ctx, update.Save); err != nil {
			return nil, fmt.Errorf("setting a time zone: %w", err)
		}
	}
	s.Forget(v.UserID) // Even if the row had this zone: another replica may have set it.
	s.zoneSet(v.UserID)
	return truncateRow(row), nil
}

// Zone returns the user's time zone. It reports whether it knows it: it reads no row.
func (s *Service) Zone(userID string) (*time.Location, bool) {
	cached, ok := s.cache.GetIfPresent(userID)
	return cached.viewer.Location, ok
}

// Forget removes the user from the cache, so that the user's next request reads the row.
func (s *Service) Forget(userID string) {
	s.generation.advance(func() { s.cache.Invalidate(userID) })
}

// Ensure creates the row and the personal workspace of a user of the auth server if they are missing. The profile comes with
// the first session. With Strict it does nothing. It returns ErrErased if the user was erased a short while ago.
func (s *Service) Ensure(ctx context.Context, userID string) error {
	if s.strict {
		return nil
	}
	ctx = viewer.AsSystem(ctx)
	exists, err := s.client.User.Query().Where(user.ID(userID)).Exist(ctx)
	if err == nil && !exists {
		_, err = s.create(ctx, betterauth.User{ID: userID})
	}
	if err != nil {
		return fmt.Errorf("creating a user: %w", err)
	}
	return nil
}

// User returns the viewer's own row. It returns ErrNotFound for any other id.
func (s *Service) User(ctx context.Context, v viewer.Viewer, id string) (*ent.User, error) {
	if id != v.UserID {
		return nil, ErrNotFound
	}
	row, err := s.client.User.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading a user: %w", err)
	}
	return truncateRow(row), nil
}

// provision returns the user's row, and creates or refreshes it if necessary. asOf is when the auth server returned u.
func (s *Service) provision(ctx context.Context, u betterauth.User, asOf time.Time) (*ent.User, error) {
	row, err := s.client.User.Get(ctx, u.ID)
	switch {
	case ent.IsNotFound(err) && s.strict:
		return nil, ErrNotFound
	case ent.IsNotFound(err):
		return s.create(ctx, u)
	case err != nil:
		return nil, err
	case hashRow(row).matches(u) || isOlder(asOf, row.UpdatedAt):
		return row, nil
	}
	update := row.Update().SetUpdatedAt(s.now())
	if !u.Missing.Has(betterauth.ProfileName) {
		update.SetName(u.Name)
	}
	if !u.Missing.Has(betterauth.ProfileEmail) {
		update.SetEmail(u.Email)
	}
	switch {
	case u.Missing.Has(betterauth.ProfileImage):
	case u.Image == nil:
		update.ClearImage()
	default:
		update.SetImage(*u.Image)
	}
	row, err = retry(ctx, update.Save)
	if ent.IsNotFound(err) { // The user was erased in the meantime.
		return nil, ErrErased
	}
	return row, err
}

// retry runs change, and runs it again if PostgreSQL rolled it back.
func retry(ctx context.Context, change func(context.Context) (*ent.User, error)) (*ent.User, error) {
	var row *ent.User
	err := sqlstate.Retry(ctx, func() error {
		var err error
		row, err = change(ctx)
		return err
	})
	return row, err
}

// create creates the user and the personal workspace. Concurrent first requests create one of each.
func (s *Service) create(ctx context.Context, u betterauth.User) (*ent.User, error) {
	return retry(ctx, func(ctx context.Context) (*ent.User, error) { return s.tryCreate(ctx, u) })
}

func (s *Service) tryCreate(ctx context.Context, u betterauth.User) (*ent.User, error) {
	tx, err := s.client.Tx(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // After a commit it does nothing; otherwise an error is returned already.
	now := s.now()
	createdAt := u.CreatedAt.UTC().Truncate(time.Microsecond)
	if u.CreatedAt.IsZero() {
		createdAt = now
	}
	// This waits for a transaction that erases the user, so that the next query sees the removal.
	err = tx.Workspace.Create().SetID(workspace.PersonalID(u.ID)).SetCreatedAt(now).OnConflict(sql.ConflictColumns("id")).Ignore().Exec(ctx)
	if err != nil {
		return nil, err
	}
	removed, err := tx.UserRemoval.Query().Where(userremoval.ID(viewer.UserHash(u.ID))).Exist(ctx)
	if err != nil {
		return nil, err
	}
	if removed {
		return nil, ErrErased
	}
	err = tx.User.Create().SetID(u.ID).SetName(u.Name).SetEmail(u.Email).SetNillableImage(u.Image).
		SetCreatedAt(createdAt).SetUpdatedAt(now).
		OnConflict(sql.ConflictColumns(user.FieldID)).Ignore().
		Exec(ctx)
	if err != nil {
		return nil, err
	}
	row, err := tx.User.Get(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	return row.Unwrap(), tx.Commit()
}

// locationOf returns the time zone with this name, or UTC if this binary doesn't know it: a newer release may have stored it.
func locationOf(name string) *time.Location {
	location, err := timezone.Load(name)
	if err != nil {
		return time.UTC
	}
	return location
}
