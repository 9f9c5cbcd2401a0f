package account

import (
	"taskql/ent"
	"taskql/internal/betterauth"
)

// The limits of the texts that are copied of a user. Better Auth accepts texts of any length, and users choose them.
const (
	// MaxName is how many characters of a name are kept.
	MaxName = 255
	// MaxEmail is how many characters an e-mail address may have. No address is longer (RFC 5321, section 4.5.3.1). A longer
	// text is left out, because a part of it could be somebody else's address.
	MaxEmail = 320
	// MaxImage is how many bytes an image's address may have. A longer one is left out, because a part of it shows nothing.
	MaxImage = 64 << 10
)

// truncateUser returns u with its texts within the limits.
func truncateUser(u betterauth.User) betterauth.User {
	u.Name, u.Email = truncate(u.Name, MaxName), emailOrEmpty(u.Email)
	if u.Image != nil && len(*u.Image) > MaxImage {
		u.Image = nil
	}
	return u
}

// truncateRow returns a row with its texts within the limits. An earlier release may have stored longer ones, which stay
// until the user's next request.
func truncateRow(row *ent.User) *ent.User {
	row.Name, row.Email = truncate(row.Name, MaxName), emailOrEmpty(row.Email)
	return row
}

// emailOrEmpty returns s, or "" if it is too long for an e-mail address.
func emailOrEmpty(s string) string {
	if len(truncate(s, MaxEmail)) < len(s) {
		return ""
	}
	return s
}

// truncate returns at most the first n characters of s.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
