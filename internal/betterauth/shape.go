package betterauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// maxAnswer bounds a get-session answer, in bytes. Users' images are sometimes data URLs of whole photographs.
const maxAnswer = 32 << 20

// errNoUser is an answer without a user's id.
var errNoUser = errors.New("it names no user")

// answer is a get-session answer, which customSession may change: the members of its object, of "session" in it, and of
// "user" in it. An object that is not there is nil.
type answer struct {
	top, session, user fields
}

// readAnswer reads a get-session answer, and keeps in memory only what may be of use. It has no top if it is null.
func readAnswer(body io.Reader) (answer, error) {
	var a answer
	limited := &io.LimitedReader{R: body, N: maxAnswer + 1}
	d := jsontext.NewDecoder(&shortener{from: limited, limit: maxImage},
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) // As JavaScript reads it.
	err := a.decode(d)
	if limited.N <= 0 {
		return answer{}, fmt.Errorf("it is longer than %d bytes", maxAnswer)
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF):
		return answer{}, errors.New("it is empty")
	case errors.As(err, &syntax): // It may quote the text.
		return answer{}, errMalformed
	}
	return a, err
}

func (a *answer) decode(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case jsontext.KindBeginObject:
		var err error
		if a.top, err = a.members(d, true); err != nil {
			return err
		}
	case jsontext.KindNull:
		if _, err := d.ReadToken(); err != nil {
			return err //nolint:wrapcheck // readAnswer tells kinds of errors apart.
		}
	default:
		if _, err := d.ReadToken(); err != nil {
			return err //nolint:wrapcheck // As above.
		}
		return errors.New("it is neither an object nor null")
	}
	switch _, err := d.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err //nolint:wrapcheck // As above.
	default:
		return errMalformed
	}
}

// members reads an object. In place of a list or an object, which no member of use is, it keeps "{}".
func (a *answer) members(d *jsontext.Decoder, top bool) (fields, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, err //nolint:wrapcheck // As above.
	}
	read := fields{}
	for d.PeekKind() != jsontext.KindEndObject {
		token, err := d.ReadToken()
		if err != nil {
			return nil, err //nolint:wrapcheck // As above.
		}
		name, kind := token.String(), d.PeekKind()
		switch {
		case top && name == "session" && kind == jsontext.KindBeginObject:
			a.session, err = a.members(d, false)
		case top && name == "user" && kind == jsontext.KindBeginObject:
			a.user, err = a.members(d, false)
		case !ofUse(name):
			err = d.SkipValue()
		case kind == jsontext.KindBeginObject || kind == jsontext.KindBeginArray:
			read[name], err = json.RawMessage("{}"), d.SkipValue()
		default:
			var value jsontext.Value
			value, err = d.ReadValue()
			read[name] = json.RawMessage(value.Clone())
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // As above.
		}
	}
	_, err := d.ReadToken()
	return read, err //nolint:wrapcheck // As above.
}

// ofUse reports whether a member is read from answers. All others are skipped, however long they are.
func ofUse(name string) bool {
	switch name {
	case "id", "token", "userId", "expiresAt", "createdAt", "updatedAt", "impersonatedBy",
		"name", "email", "emailVerified", "image", "banned", "banExpires":
		return true
	default:
		return false
	}
}

// statement finds the session and the user in an answer, in whichever shape customSession has put them:
//
//	{session: {…}, user: {…}}    Better Auth's own
//	{...session, user: {…}}      the session spread
//	{user: {…}}                  no session
//	{...session, ...user}        both spread: the id may be either's, so userId counts
//	{session: {…}, ...user}      the user spread
//	{...user}                    only a user
//
// The user's id is needed, and must not contradict the session's userId. The session's token, userId and expiry count
// if they are told. All else is left out if it can't be used. The error quotes nothing.
func (a answer) statement() (statement, error) {
	s, u := a.session, a.user
	if s == nil && (has(a.top, "userId") || has(a.top, "token") || has(a.top, "expiresAt")) {
		s = a.top
	}
	spread := u == nil && text(a.top, "email") != "" // Every user has an address, and no session.
	if spread {
		u = a.top
	}
	r := reader{}
	st := statement{token: value[string](&r, s, "token"), session: &Session{
		ID:        (&reader{}).id(s, "id"),
		UserID:    r.id(s, "userId"),
		ExpiresAt: date(s, "expiresAt"),
		CreatedAt: date(s, "createdAt"),
		UpdatedAt: date(s, "updatedAt"),

		ImpersonatedBy: impersonator(s),
		User:           r.user(u),
	}, bannedUntil: later(r.ban(u), r.ban(a.top))}
	if spread && s != nil && a.session == nil {
		st.session.User.ID = ""
	}
	if r.err == nil {
		r.err = st.session.settleUser(u != nil)
	}
	return st, r.err
}

// settleUser makes the two ids of the user one. If there is a session without a user, the user's id stays empty: the user
// was deleted.
func (s *Session) settleUser(told bool) error {
	switch {
	case s.UserID == "" && s.User.ID == "":
		return errNoUser
	case s.UserID == "":
		s.UserID = s.User.ID
	case s.User.ID == "" && told && s.User.Email != "":
		s.User.ID = s.UserID
	case s.User.ID != "" && s.User.ID != s.UserID:
		return errTwoUsers
	}
	return nil
}

func has(f fields, name string) bool {
	_, ok := f[name]
	return ok
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
