package betterauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// errMalformed stands for encoding/json's errors, some of which quote the text that they could not read.
var errMalformed = errors.New("malformed JSON")

// errTwoUsers is an answer that no auth server should give.
var errTwoUsers = errors.New("it has a session and another session's user")

// fields is a JSON object. Names count exactly as they are written: encoding/json's structs would also take a custom
// field "userID" for "userId".
type fields map[string]json.RawMessage

// statement is what Better Auth says of a session, by get-session, session_data or a JWT.
type statement struct {
	session *Session
	// token is the session's, "" where it is not told.
	token string
	// bannedUntil is set where the user is banned; far in the future where the ban has no end.
	bannedUntil time.Time
	// key is an API key's.
	key keyInfo
}

// readStatement reads what session_data says: the objects "session" and "user". The user may be missing, and then has no
// id. The error quotes nothing.
func readStatement(payload fields) (statement, error) {
	r := reader{}
	a := answer{session: r.object(payload, "session"), user: r.object(payload, "user")}
	if r.err != nil {
		return statement{}, r.err
	}
	st, err := a.statement()
	if err == nil && st.session.ExpiresAt.IsZero() {
		err = errors.New("session.expiresAt is missing")
	}
	return st, err
}

// end is when the session is over by our rules: its own expiry and the greatest age since it was made or refreshed. It is
// endless if neither is told.
func (st statement) end(maxAge time.Duration) time.Time {
	end := st.session.ExpiresAt
	if end.IsZero() {
		end = endless()
	}
	if newest := st.newest(); maxAge > 0 && !newest.IsZero() {
		end = earlier(end, newest.Add(maxAge))
	}
	return end
}

// newest is when the session was made or last refreshed.
func (st statement) newest() time.Time {
	if st.session.CreatedAt.After(st.session.UpdatedAt) {
		return st.session.CreatedAt
	}
	return st.session.UpdatedAt
}

// refusal says why the session is not to be used, "" where it is.
func (st statement) refusal(maxAge time.Duration, now time.Time) Reason {
	switch {
	case st.session.User.ID == "":
		return ReasonUserNotFound
	case !st.session.ExpiresAt.IsZero() && !now.Before(st.session.ExpiresAt):
		return ReasonExpired
	case !now.Before(st.end(maxAge)):
		return ReasonTooOld
	case now.Before(st.bannedUntil):
		return ReasonBanned
	default:
		return ""
	}
}

// reader takes values out of JSON objects and remembers the first that is not as it should be.
type reader struct {
	err error
}

func (r *reader) fail(name, problem string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s %s", name, problem)
	}
}

const (
	// maxImage is the longest image that is kept, in bytes. A longer one is no address but a photograph, and there would be
	// one of it for each session in memory.
	maxImage = 64 << 10
	// maxName bounds a user's name, in bytes: a longer one is cut. A longer e-mail address is left out, since a part of it
	// would be another address.
	maxName = 1 << 10
	// maxID is the longest id, in bytes. A longer one is an error.
	maxID = 1 << 10
)

// user reads the profile. Only the id has to be as it should be: what else can't be used is left out.
func (r *reader) user(u fields) User {
	user := User{
		ID:            r.id(u, "id"),
		Name:          cut(storable(text(u, "name")), maxName),
		Email:         bounded(storable(text(u, "email")), maxName),
		EmailVerified: truth(u, "emailVerified") == isTrue,
		Image:         image(u),
		CreatedAt:     date(u, "createdAt"),
		UpdatedAt:     date(u, "updatedAt"),
	}
	user.Missing = untold(u, user)
	return user
}

func image(u fields) *string {
	image := text(u, "image")
	if image == "" || len(image) > maxImage {
		return nil
	}
	image = storable(image)
	return &image
}

// storable leaves out U+0000, which PostgreSQL keeps in no text.
func storable(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// cut shortens a text to so many bytes, at the end of a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.Clone(s[:limit]) // Else the rest would stay in memory.
}

// ban returns when the user's ban ends, the zero time where there is none. The admin plugin leaves the mark standing
// when banExpires has passed, until the user signs in again. What can't be read bans: it was meant to.
func (r *reader) ban(u fields) time.Time {
	if banned := truth(u, "banned"); banned == isAbsent || banned == isFalse {
		return time.Time{}
	}
	if until := date(u, "banExpires"); !until.IsZero() {
		return until
	}
	return endless()
}

func endless() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }

// value reads a field; a missing one and null are the zero value.
func value[T any](r *reader, from fields, name string) T {
	var v T
	if raw, ok := from[name]; ok && json.Unmarshal(raw, &v) != nil {
		r.fail(name, "has the wrong type")
	}
	return v
}

func (r *reader) object(from fields, name string) fields { return value[fields](r, from, name) }

// id reads an id: text, or a number where the auth server counts.
func (r *reader) id(from fields, name string) string {
	raw := from[name]
	if len(raw) > 0 && raw[0] != '"' {
		return value[json.Number](r, from, name).String()
	}
	id := value[string](r, from, name)
	switch {
	case strings.ContainsRune(id, 0):
		r.fail(name, "holds U+0000")
	case len(id) > maxID:
		r.fail(name, "is longer than 1 kB")
	}
	return id
}

// parseObject reads a JSON object, or null as nil. The error does not quote the text.
func parseObject(text []byte) (fields, error) {
	var object fields
	if json.Unmarshal(text, &object) != nil {
		return nil, errMalformed
	}
	return object, nil
}
