package betterauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
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
}

// readStatement reads the objects "session" and "user" of an answer. The user may be missing, and then has no id; the
// session may not. The error quotes nothing.
func readStatement(answer fields) (statement, error) {
	r := reader{}
	s, u := r.object(answer, "session"), r.object(answer, "user")
	st := statement{token: value[string](&r, s, "token"), session: &Session{
		ID:        r.id(s, "id"),
		UserID:    r.id(s, "userId"),
		ExpiresAt: r.time(s, "expiresAt"),
		CreatedAt: r.time(s, "createdAt"),
		UpdatedAt: r.time(s, "updatedAt"),
		User:      r.user(u),
	}, bannedUntil: r.ban(u)}
	if st.session.UserID == "" {
		r.fail("session.userId", "is missing")
	}
	if st.session.ExpiresAt.IsZero() {
		r.fail("session.expiresAt", "is missing")
	}
	if r.err == nil && st.session.User.ID != "" && st.session.User.ID != st.session.UserID {
		r.err = errTwoUsers
	}
	return st, r.err
}

// end is when the session is over by our rules: its own expiry and the greatest age since it was made or refreshed.
func (st statement) end(maxAge time.Duration) time.Time {
	end := st.session.ExpiresAt
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
	case !now.Before(st.session.ExpiresAt):
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

// maxImage is the longest image that is kept, in bytes. A longer one is no address but a photograph, and there would be
// one of it for each session in memory.
const maxImage = 64 << 10

func (r *reader) user(u fields) User {
	image := value[*string](r, u, "image")
	if image != nil && len(*image) > maxImage {
		image = nil
	}
	if image != nil {
		*image = storable(*image)
	}
	return User{
		ID:            r.id(u, "id"),
		Name:          storable(value[string](r, u, "name")),
		Email:         storable(value[string](r, u, "email")),
		EmailVerified: value[bool](r, u, "emailVerified"),
		Image:         image,
		CreatedAt:     r.time(u, "createdAt"),
		UpdatedAt:     r.time(u, "updatedAt"),
	}
}

// storable leaves out U+0000, which PostgreSQL keeps in no text.
func storable(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// ban returns when the user's ban ends, the zero time where there is none. The admin plugin leaves the mark standing
// when banExpires has passed, until the user signs in again. What can't be read bans: it was meant to.
func (r *reader) ban(u fields) time.Time {
	var banned bool
	raw, ok := u["banned"]
	if !ok || string(raw) == "null" || json.Unmarshal(raw, &banned) == nil && !banned {
		return time.Time{}
	}
	var until time.Time
	if json.Unmarshal(u["banExpires"], &until) != nil || until.IsZero() {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return until
}

// value reads a field; a missing one and null are the zero value.
func value[T any](r *reader, from fields, name string) T {
	var v T
	if raw, ok := from[name]; ok && json.Unmarshal(raw, &v) != nil {
		r.fail(name, "has the wrong type")
	}
	return v
}

func (r *reader) object(from fields, name string) fields { return value[fields](r, from, name) }

func (r *reader) time(from fields, name string) time.Time { return value[time.Time](r, from, name) }

// id reads an id: text, or a number where the auth server counts.
func (r *reader) id(from fields, name string) string {
	raw := from[name]
	if len(raw) > 0 && raw[0] != '"' {
		return value[json.Number](r, from, name).String()
	}
	id := value[string](r, from, name)
	if strings.ContainsRune(id, 0) {
		r.fail(name, "holds U+0000")
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
