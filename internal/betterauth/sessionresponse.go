package betterauth

import (
	"errors"
	"time"
)

// sessionResponse is what Better Auth says about a session: in a response of get-session, in session_data or in a JWT.
type sessionResponse struct {
	session *Session
	// token is the session's token, empty if it is left out.
	token string
	// bannedUntil is when the user's ban ends: zero if the user is not banned, far in the future for a ban without an
	// end.
	bannedUntil time.Time
	// key has the details of an API key.
	key keyDetails
}

// end returns when the session ends by our rules: at its own expiry, or at maxAge after it was created or last
// refreshed. It is far in the future if the session has neither.
func (r sessionResponse) end(maxAge time.Duration) time.Time {
	end := r.session.ExpiresAt
	if end.IsZero() {
		end = farFuture()
	}
	if refreshed := r.lastRefresh(); maxAge > 0 && !refreshed.IsZero() {
		end = earlier(end, refreshed.Add(maxAge))
	}
	return end
}

// lastRefresh returns when the session was created or last refreshed.
func (r sessionResponse) lastRefresh() time.Time {
	return later(r.session.CreatedAt, r.session.UpdatedAt)
}

// refusalReason returns why the session is refused, or "" if it is valid.
func (r sessionResponse) refusalReason(maxAge time.Duration, now time.Time) Reason {
	switch {
	case r.session.User.ID == "":
		return ReasonUserNotFound
	case !r.session.ExpiresAt.IsZero() && !now.Before(r.session.ExpiresAt):
		return ReasonExpired
	case !now.Before(r.end(maxAge)):
		return ReasonTooOld
	case now.Before(r.bannedUntil):
		return ReasonBanned
	default:
		return ""
	}
}

var (
	// errNoUser reports a response without a user's id.
	errNoUser = errors.New("it names no user")
	// errTwoUsers reports a response with two users, which no auth server should give.
	errTwoUsers = errors.New("it has a session and another session's user")
)

// parseSessionData reads the objects "session" and "user" of session_data. If the user is missing, User.ID is empty.
// The error doesn't quote the data.
func parseSessionData(payload fields) (sessionResponse, error) {
	r := fieldReader{}
	body := responseBody{session: r.object(payload, "session"), user: r.object(payload, "user")}
	if r.err != nil {
		return sessionResponse{}, r.err
	}
	resp, err := body.sessionResponse()
	if err == nil && resp.session.ExpiresAt.IsZero() {
		err = errors.New("session.expiresAt is missing")
	}
	return resp, err
}

// sessionResponse finds the session and the user in a response, which customSession may have put into one of these
// shapes:
//
//	{session: {…}, user: {…}}    Better Auth's own
//	{...session, user: {…}}      the session spread
//	{user: {…}}                  no session
//	{...session, ...user}        both spread: the id may be either's, so userId counts
//	{session: {…}, ...user}      the user spread
//	{...user}                    only a user
//
// The user's id is required, and must equal the session's userId. The session's token, userId and expiry are used if
// they are present. Any other field that is invalid is treated as missing. The error doesn't quote the response.
func (b responseBody) sessionResponse() (sessionResponse, error) {
	s, u := b.session, b.user
	if s == nil && (has(b.top, "userId") || has(b.top, "token") || has(b.top, "expiresAt")) {
		s = b.top
	}
	userSpread := u == nil && lenientText(b.top, "email") != "" // Every user has an address, and no session has one.
	if userSpread {
		u = b.top
	}
	r := fieldReader{}
	resp := sessionResponse{token: value[string](&r, s, "token"), session: &Session{
		ID:        (&fieldReader{}).id(s, "id"),
		UserID:    r.id(s, "userId"),
		ExpiresAt: lenientTime(s, "expiresAt"),
		CreatedAt: lenientTime(s, "createdAt"),
		UpdatedAt: lenientTime(s, "updatedAt"),

		ImpersonatedBy: impersonator(s),
		User:           r.user(u),
	}, bannedUntil: later(bannedUntil(u), bannedUntil(b.top))}
	if userSpread && s != nil && b.session == nil {
		resp.session.User.ID = ""
	}
	if r.err == nil {
		r.err = resp.session.unifyUserIDs(u != nil)
	}
	return resp, r.err
}

// unifyUserIDs makes UserID and User.ID the same, if one of them is empty; hasUser reports whether the response has a
// user. If there is a session without a user, User.ID remains empty: the user was deleted.
func (s *Session) unifyUserIDs(hasUser bool) error {
	switch {
	case s.UserID == "" && s.User.ID == "":
		return errNoUser
	case s.UserID == "":
		s.UserID = s.User.ID
	case s.User.ID == "" && hasUser && s.User.Email != "":
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
