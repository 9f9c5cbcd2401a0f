package betterauth

import (
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxImage is the maximum length of an image, in bytes. A longer one is not kept: it is not an address but a
	// photograph, and each session in memory would have a copy.
	maxImage = 64 << 10
	// maxName is the maximum length of a user's name, in bytes. A longer one is truncated. An e-mail address that is
	// longer is left out, because a part of it would be another address.
	maxName = 1 << 10
)

// ProfileFields is a set of fields of a User.
type ProfileFields uint8

// The fields that can be in ProfileFields.
const (
	ProfileName ProfileFields = 1 << iota
	ProfileEmail
	ProfileImage
)

// Has reports whether a field is in the set.
func (p ProfileFields) Has(field ProfileFields) bool { return p&field != 0 }

// user reads a user. Only the id must be valid; any other field that is invalid is treated as missing.
func (r *fieldReader) user(u fields) User {
	user := User{
		ID:            r.id(u, "id"),
		Name:          truncate(withoutNUL(lenientText(u, "name")), maxName),
		Email:         emptyIfLonger(withoutNUL(lenientText(u, "email")), maxName),
		EmailVerified: lenientBool(u, "emailVerified") == boolTrue,
		Image:         image(u),
		CreatedAt:     lenientTime(u, "createdAt"),
		UpdatedAt:     lenientTime(u, "updatedAt"),
	}
	user.Missing = missingFields(u, user)
	return user
}

// missingFields returns the fields that the auth server left out or that are unusable: jwt.definePayload and
// customSession may leave out any. A null image is not missing: there is no image.
func missingFields(u fields, read User) ProfileFields {
	var missing ProfileFields
	if !isText(u, "name") {
		missing |= ProfileName
	}
	if !isText(u, "email") || read.Email == "" { // No user has an empty address.
		missing |= ProfileEmail
	}
	if !has(u, "image") {
		missing |= ProfileImage
	}
	return missing
}

func isText(from fields, name string) bool { return len(from[name]) > 0 && from[name][0] == '"' }

// image returns the user's image, or nil if there is none or it is too long.
func image(u fields) *string {
	image := lenientText(u, "image")
	if image == "" || len(image) > maxImage {
		return nil
	}
	image = withoutNUL(image)
	return &image
}

// bannedUntil returns when the user's ban ends, or the zero time if there is no ban. The admin plugin leaves banned set
// after banExpires until the user signs in again. An unreadable value of banned is a ban, because somebody meant to set
// one.
func bannedUntil(u fields) time.Time {
	if banned := lenientBool(u, "banned"); banned == boolMissing || banned == boolFalse {
		return time.Time{}
	}
	if until := lenientTime(u, "banExpires"); !until.IsZero() {
		return until
	}
	return farFuture()
}

func farFuture() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }

// withoutNUL removes U+0000, which PostgreSQL can't store.
func withoutNUL(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// emptyIfLonger returns s, or "" if it is longer than limit bytes.
func emptyIfLonger(s string, limit int) string {
	if len(s) > limit {
		return ""
	}
	return s
}

// truncate returns the beginning of s, at most limit bytes, at the end of a character.
func truncate(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.Clone(s[:limit]) // Without a copy, the rest would remain in memory.
}
