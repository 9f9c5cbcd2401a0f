package account

import (
	"hash/maphash"
	"time"

	"taskql/ent"
	"taskql/internal/betterauth"
	"taskql/internal/viewer"
)

// profile is what is copied of a user, as hashes: users choose how long their names are, and one is kept for each.
type profile struct{ name, email, image uint64 }

var seed = maphash.MakeSeed() //nolint:gochecknoglobals // It is constant, and hashes with different ones can't be compared.

func profileOf(name, email string, image *string) profile {
	p := profile{name: maphash.String(seed, name), email: maphash.String(seed, email)}
	if image != nil {
		p.image = maphash.String(seed, *image)
	}
	return p
}

func profileOfRow(row *ent.User) profile { return profileOf(row.Name, row.Email, row.Image) }

// fits reports whether the session says nothing else. What it leaves out fits.
func (p profile) fits(u betterauth.User) bool {
	told := profileOf(u.Name, u.Email, u.Image)
	return (told.name == p.name || u.Missing.Has(betterauth.ProfileName)) &&
		(told.email == p.email || u.Missing.Has(betterauth.ProfileEmail)) &&
		(told.image == p.image || u.Missing.Has(betterauth.ProfileImage))
}

// isOlder reports whether what a session says of the user was said before the row was changed. The row may have it from a
// newer one: while it is replaced, a JWT and a cookie would overwrite each other's profile at every request.
func isOlder(asOf, written time.Time) bool { return !asOf.IsZero() && asOf.Before(written) }

// sighting is a user seen a moment ago: while sessions say nothing newer, the row is up to date.
type sighting struct {
	profile profile   // the row's
	written time.Time // when the row was changed
	changed time.Time // when the user was changed at the auth server; zero if it does not tell
	viewer  viewer.Viewer
	until   time.Time
}

// covers reports whether the row need not be looked at for a session that tells of that user.
func (s sighting) covers(u betterauth.User, asOf, now time.Time) bool {
	older := isOlder(asOf, s.written) || !u.UpdatedAt.IsZero() && u.UpdatedAt.Before(s.changed)
	// If the clock was set back, it is no longer of a moment ago.
	return now.Before(s.until) && s.until.Sub(now) <= cacheTTL && (older || s.profile.fits(u))
}
