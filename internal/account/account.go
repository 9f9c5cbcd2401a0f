// Package account keeps this server's copy of the auth server's users: made on a user's first request, refreshed
// when the session says that something changed.
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
)

// ErrNotFound is returned where there is no such user, or it is not the viewer.
var ErrNotFound = errors.New("user not found")

// ErrErased is an ErrNotFound: the user was erased a short while ago, or is being erased.
var ErrErased = fmt.Errorf("%w: erased a short while ago", ErrNotFound)

// How many users are remembered, and for how long at most. Within that time a user's requests read nothing of
// the user's row; a time zone that was changed through another replica takes that long to be seen here.
const (
	cacheSize = 10_000
	cacheTTL  = 15 * time.Second
)

// Provisioning says what becomes of a user that is seen for the first time.
type Provisioning string

// The two ways. The zero value is Auto.
const (
	// Auto makes the user's row and personal workspace.
	Auto Provisioning = "auto"
	// Strict refuses users without a row: somebody else makes the rows.
	Strict Provisioning = "strict"
)

// Config is what a Service works with.
type Config struct {
	// Client is required.
	Client *ent.Client
	// Provisioning is Auto where empty.
	Provisioning Provisioning
	// Timeout is how long it may take to read, make or refresh a user's row for Viewer. Zero: without end.
	Timeout time.Duration
	// Now is the clock; time.Now where nil.
	Now func() time.Time
}

// Service makes viewers of sessions. It is safe for concurrent use.
type Service struct {
	client *ent.Client
	strict bool
	// timeout is Config.Timeout.
	timeout time.Duration
	now     func() time.Time
	seen    *otter.Cache[string, sighting]
	// changes keeps a row that was read before a change from being remembered after it.
	changes changes
}

// changes counts the changes of rows by this process.
type changes struct {
	mu    sync.Mutex
	count int
}

func (c *changes) number() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// unless calls remember where nothing has changed since that number.
func (c *changes) unless(number int, remember func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == number {
		remember()
	}
}

// add counts a change, and forgets what was remembered before it.
func (c *changes) add(forget func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	forget()
}

// New returns a Service on c's database.
func New(c Config) (*Service, error) {
	if c.Client == nil {
		return nil, errors.New("account: Config.Client is missing")
	}
	switch c.Provisioning {
	case "", Auto, Strict:
	default:
		return nil, errors.New("account: Config.Provisioning is neither auto nor strict")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	seen, err := otter.New(&otter.Options[string, sighting]{MaximumSize: cacheSize})
	if err != nil {
		return nil, fmt.Errorf("making the cache of users: %w", err)
	}
	return &Service{
		client: c.Client, strict: c.Provisioning == Strict, timeout: c.Timeout, seen: seen,
		now: func() time.Time { return c.Now().UTC().Truncate(time.Microsecond) },
	}, nil
}

// Viewer returns the viewer of a session, whose user and personal workspace it makes on first sight and refreshes
// when the name, the address or the image changed. What the session leaves out stays, and a session that is older than the
// row changes nothing.
// Under Strict a user without a row gives ErrNotFound: nothing is remembered of it, so that the row counts as soon as it
// is made. A user who was removed a short while ago gives ErrErased, which is an ErrNotFound, too. Any other error is the
// database's.
func (s *Service) Viewer(ctx context.Context, session *betterauth.Session) (viewer.Viewer, error) {
	v, err := s.user(ctx, session)
	if err != nil {
		return viewer.Viewer{}, err
	}
	v.ImpersonatorID, v.Access = session.ImpersonatedBy, accessOf(session.Permissions)
	return v, nil
}

// user returns what all sessions of a user have in common, which is remembered by the user's id.
func (s *Service) user(ctx context.Context, session *betterauth.Session) (viewer.Viewer, error) {
	u := bounded(session.User)
	if seen, ok := s.seen.GetIfPresent(u.ID); ok && seen.covers(u, session.AsOf, s.now()) {
		return seen.viewer, nil
	}
	number := s.changes.number()
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
	v := viewer.Viewer{UserID: row.ID, WorkspaceID: row.ID, Location: location(row.TimeZone)}
	sight := sighting{profile: profileOfRow(row), written: row.UpdatedAt, viewer: v, until: s.now().Add(cacheTTL)}
	if sight.profile.fits(u) {
		sight.changed = u.UpdatedAt
	}
	s.changes.unless(number, func() { s.seen.Set(row.ID, sight) })
	return v, nil
}

// SetTimeZone sets the viewer's time zone, an IANA name, and returns the viewer's row. It counts from the next request on
// at this replica, and within seconds at the others.
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
	s.Forget(v.UserID) // Another replica may have set it.
	return shown(row), nil
}

// Forget has the user's next request look at the user's row again.
func (s *Service) Forget(userID string) {
	s.changes.add(func() { s.seen.Invalidate(userID) })
}

// Ensure makes the row and the personal workspace of a user that the auth server names, if they are missing. The profile
// comes with the first session. Under Strict it makes nothing. It returns ErrErased if the user was removed.
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
		return fmt.Errorf("making a user: %w", err)
	}
	return nil
}

// User returns the viewer's own row. Another user's id is answered with ErrNotFound, as one that does not exist.
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
	return shown(row), nil
}

// provision returns the user's row, which it makes or refreshes if it has to. The user is as the auth server told at
// that time.
func (s *Service) provision(ctx context.Context, u betterauth.User, asOf time.Time) (*ent.User, error) {
	row, err := s.client.User.Get(ctx, u.ID)
	switch {
	case ent.IsNotFound(err) && s.strict:
		return nil, ErrNotFound
	case ent.IsNotFound(err):
		return s.create(ctx, u)
	case err != nil:
		return nil, err
	case profileOfRow(row).fits(u) || isOlder(asOf, row.UpdatedAt):
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
	if ent.IsNotFound(err) { // It was erased meanwhile.
		return nil, ErrErased
	}
	return row, err
}

// retry makes a change of a user, and makes it again if PostgreSQL rolled it back.
func retry(ctx context.Context, change func(context.Context) (*ent.User, error)) (*ent.User, error) {
	var row *ent.User
	err := sqlstate.Retry(ctx, func() error {
		var err error
		row, err = change(ctx)
		return err
	})
	return row, err
}

// create makes the user and the personal workspace. Two first requests at once make one of each.
func (s *Service) create(ctx context.Context, u betterauth.User) (*ent.User, error) {
	return retry(ctx, func(ctx context.Context) (*ent.User, error) { return s.tryCreate(ctx, u) })
}

func (s *Service) tryCreate(ctx context.Context, u betterauth.User) (*ent.User, error) {
	tx, err := s.client.Tx(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // After the commit it does nothing; otherwise the error is told already.
	now := s.now()
	createdAt := u.CreatedAt.UTC().Truncate(time.Microsecond)
	if u.CreatedAt.IsZero() {
		createdAt = now
	}
	// It waits for a transaction that erases this user. So what is read next is what that has left.
	err = tx.Workspace.Create().SetID(u.ID).SetCreatedAt(now).OnConflict(sql.ConflictColumns("id")).Ignore().Exec(ctx)
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

// location is the zone of that name, or UTC where this binary does not know it (a newer one may have stored it).
func location(name string) *time.Location {
	l, err := timezone.Load(name)
	if err != nil {
		return time.UTC
	}
	return l
}
