package account

import (
	"taskql/ent"
	"taskql/internal/betterauth"
)

// The limits of what is copied of a user. Better Auth takes texts of any length, and the user chooses them.
const (
	// MaxName is how many characters of a name are kept.
	MaxName = 255
	// MaxEmail is how many characters an address may have. No address is longer (RFC 5321, section 4.5.3.1). A longer text
	// is left out, because a part of it could be somebody else's address.
	MaxEmail = 320
	// MaxImage is how many bytes an image may have. A longer one is left out, because a part of it shows nothing.
	MaxImage = 64 << 10
)

// bounded returns the user with texts within the limits.
func bounded(u betterauth.User) betterauth.User {
	u.Name, u.Email = cut(u.Name, MaxName), address(u.Email)
	if u.Image != nil && len(*u.Image) > MaxImage {
		u.Image = nil
	}
	return u
}

// shown returns a row with texts within the limits. An earlier release may have stored longer ones; they stay until the
// user's next request.
func shown(row *ent.User) *ent.User {
	row.Name, row.Email = cut(row.Name, MaxName), address(row.Email)
	return row
}

// address returns an e-mail address, or nothing if it is too long to be one.
func address(s string) string {
	if len(cut(s, MaxEmail)) < len(s) {
		return ""
	}
	return s
}

// cut returns the first characters of a text.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for i := range s {
		if most == 0 {
			return s[:i]
		}
		most--
	}
	return s
}
