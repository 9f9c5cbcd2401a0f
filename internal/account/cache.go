package account

import (
	"hash/maphash"
	"time"

	"taskql/ent"
	"taskql/internal/betterauth"
	"taskql/internal/viewer"
)

// profileHash has hashes of what is copied of a user. Hashes bound the cache's memory, because users choose how long their
// texts are.
type profileHash struct{ name, email, image uint64 }

var seed = maphash.MakeSeed() //nolint:gochecknoglobals // Hashes with different seeds can't be compared.

func hashProfile(name, email string, image *string) profileHash {
	p := profileHash{name: maphash.String(seed, name), email: maphash.String(seed, email)}
	if image != nil {
		p.image = maphash.String(seed, *image)
	}
	return p
}

func hashRow(row *ent.User) profileHash { return hashProfile(row.Name, row.Email, row.Image) }

// matches reports whether the session has the same profile. Fields that the session leaves out match.
func (p profileHash) matches(u betterauth.User) bool {
	session := hashProfile(u.Name, u.Email, u.Image)
	return (session.name == p.name || u.Missing.Has(betterauth.ProfileName)) &&
		(session.email == p.email || u.Missing.Has(betterauth.ProfileEmail)) &&
		(session.image == p.image || u.Missing.Has(betterauth.ProfileImage))
}

// isOlder reports whether a session's profile is from before the row was changed. The row may then have the profile of a newer
// session: without this check, a JWT and a cookie would overwrite each other's profile at every request.
func isOlder(asOf, written time.Time) bool { return !asOf.IsZero() && asOf.Before(written) }

// cachedUser is a user whose row was read a short while ago.
type cachedUser struct {
	profile       profileHash // of the row
	rowUpdatedAt  time.Time   // when the row was last changed
	userUpdatedAt time.Time   // when the user was last changed at the auth server; zero if unknown
	viewer        viewer.Viewer
	expires       time.Time
}

// current reports whether the row need not be read or refreshed for a session with u.
func (s cachedUser) current(u betterauth.User, asOf, now time.Time) bool {
	older := isOlder(asOf, s.rowUpdatedAt) || !u.UpdatedAt.IsZero() && u.UpdatedAt.Before(s.userUpdatedAt)
	// If the clock was set back, expires may be further away than cacheTTL.
	return now.Before(s.expires) && s.expires.Sub(now) <= cacheTTL && (older || s.profile.matches(u))
}
