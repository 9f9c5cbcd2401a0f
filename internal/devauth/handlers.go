package devauth

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"taskql/internal/betterauth"
)

func (s *Server) ok(*call) (any, error) { return map[string]bool{"ok": true}, nil }

func (s *Server) signUp(c *call) (any, error) {
	password := c.body.text("password")
	switch length := passwordLength(password); {
	case length < minPassword:
		return nil, passwordTooShort()
	case length > maxPassword:
		return nil, passwordTooLong()
	}
	email := strings.ToLower(c.body.text("email"))
	_, err := s.store.userByEmail(c.Context(), email)
	if err == nil {
		return nil, emailTaken()
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("looking for the user: %w", err)
	}
	name := c.body.text("name")
	if strings.ContainsRune(name+c.body.text("image"), 0) {
		return nil, cannotCreateUser() // PostgreSQL can't store U+0000.
	}
	hash, err := s.passwords.hash(c.Context(), password)
	if err != nil {
		return nil, fmt.Errorf("hashing the password: %w", err)
	}
	now := s.nowMillis()
	u := user{
		id: newID(), name: name, email: email, image: c.body.optionalText("image"),
		passwordHash: hash, createdAt: now, updatedAt: now,
	}
	added, err := s.store.addUser(c.Context(), u)
	if err != nil {
		return nil, fmt.Errorf("adding the user: %w", err)
	}
	if !added {
		return nil, emailTaken() // By a concurrent request.
	}
	token, err := s.startSession(c, u)
	if err != nil {
		return nil, err
	}
	return signedUp{Token: token, User: newUserJSON(u)}, nil
}

func (s *Server) signIn(c *call) (any, error) {
	email, password := c.body.text("email"), c.body.text("password")
	if !isEmail(email) {
		return nil, invalidEmail()
	}
	if passwordLength(password) > maxPassword {
		return nil, passwordTooLong()
	}
	u, err := s.checkPassword(c.Context(), strings.ToLower(email), password)
	if err != nil {
		return nil, err
	}
	token, err := s.startSession(c, u)
	if err != nil {
		return nil, err
	}
	callback := c.body.optionalText("callbackURL")
	redirect := callback != nil && *callback != ""
	if redirect {
		c.header.Set("Location", *callback)
	}
	return signedIn{Redirect: redirect, Token: token, URL: callback, User: newUserJSON(u)}, nil
}

// checkPassword returns the user if the password is right. For an unknown user it takes as long as for a wrong
// password.
func (s *Server) checkPassword(ctx context.Context, email, password string) (user, error) {
	u, err := s.store.userByEmail(ctx, email)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := s.passwords.hash(ctx, password); err != nil {
			return user{}, fmt.Errorf("hashing the password: %w", err)
		}
		return user{}, wrongPassword()
	}
	if err != nil {
		return user{}, fmt.Errorf("looking for the user: %w", err)
	}
	ok, err := s.passwords.match(ctx, password, u.passwordHash)
	if err != nil {
		return user{}, fmt.Errorf("checking the password: %w", err)
	}
	if !ok {
		return user{}, wrongPassword()
	}
	return u, nil
}

// startSession creates a session, sets its cookies and returns its token.
func (s *Server) startSession(c *call, u user) (string, error) {
	now, ttl := s.nowMillis(), sessionTTL
	if !c.body.remember() {
		ttl = shortSessionTTL
	}
	v := session{
		id: newID(), token: newID(), userID: u.id, userAgent: userAgent(c.Request),
		expiresAt: now.Add(ttl), createdAt: now, updatedAt: now,
	}
	if err := s.store.addSession(c.Context(), v); err != nil {
		return "", fmt.Errorf("adding the session: %w", err)
	}
	s.setSessionCookies(c, v.token, c.body.remember())
	return v.token, nil
}

func (s *Server) signOut(c *call) (any, error) {
	if token, ok := s.signedCookie(c.Request, betterauth.SessionCookie); ok {
		ended, _, known := s.store.session(c.Context(), token)
		if err := s.store.deleteSession(c.Context(), token); err != nil {
			// Better Auth ignores this error. We return it, so that the client tries again and the session doesn't stay
			// open.
			return nil, fmt.Errorf("deleting the session: %w", err)
		}
		if known == nil {
			s.signedOut(ended.userID)
		}
	}
	clearCookies(c)
	return map[string]bool{"success": true}, nil
}

func (s *Server) getSession(c *call) (any, error) {
	preventCaching(c)
	found, err := s.findSession(c)
	if err != nil || found == nil {
		return nil, err
	}
	return foundSession{Session: newSessionJSON(found.session), User: newUserJSON(found.user)}, nil
}

// signedInUser is the user of a request, and the session.
type signedInUser struct {
	session session
	user    user
}

// findSession returns who sent the request, nil if nobody is signed in. It extends the session if that is due, and
// deletes the cookies of one that has ended.
func (s *Server) findSession(c *call) (*signedInUser, error) {
	token, ok := s.signedCookie(c.Request, betterauth.SessionCookie)
	if !ok {
		return nil, nil
	}
	v, u, err := s.store.session(c.Context(), token)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, s.cannotGetSession(c, err)
	}
	now := s.nowMillis()
	if err != nil || v.expiresAt.Before(now) {
		clearCookies(c)
		if err := s.store.deleteSession(c.Context(), token); err != nil {
			return nil, s.cannotGetSession(c, err)
		}
		return nil, nil
	}
	if s.shouldExtend(c, v, now) {
		if err := s.extend(c, &v, now); err != nil {
			return nil, err
		}
	}
	return &signedInUser{v, u}, nil
}

// postSession refuses POST requests, which Better Auth accepts only with deferSessionRefresh.
func (s *Server) postSession(c *call) (any, error) {
	preventCaching(c)
	return nil, newError(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED",
		"POST method requires deferSessionRefresh to be enabled in session config")
}

// shouldExtend reports whether the session is extended by this request: once a day, unless the session ends with the
// browser or the request has disableRefresh.
func (s *Server) shouldExtend(c *call, v session, now time.Time) bool {
	if _, short := s.signedCookie(c.Request, betterauth.DontRememberCookie); short {
		return false
	}
	// For Better Auth any value means true, even "false".
	if values := c.URL.Query()["disableRefresh"]; len(values) > 1 || len(values) == 1 && values[0] != "" {
		return false
	}
	return !v.expiresAt.Add(updateAge - sessionTTL).After(now)
}

// extend extends the session and sets its cookies.
func (s *Server) extend(c *call, v *session, now time.Time) error {
	v.expiresAt, v.updatedAt = now.Add(sessionTTL), now
	exists, err := s.store.extend(c.Context(), *v)
	if err != nil {
		return s.cannotGetSession(c, err)
	}
	if !exists {
		clearCookies(c)
		return noSession(http.StatusUnauthorized)
	}
	s.setSessionCookies(c, v.token, true)
	return nil
}

// cannotGetSession logs the error and returns the response for it.
func (s *Server) cannotGetSession(c *call, err error) error {
	s.log.LogAttrs(c.Context(), slog.LevelError, "a development session can't be read", slog.String("error", err.Error()))
	return noSession(http.StatusInternalServerError)
}

// nowMillis returns the time in the precision in which it is stored.
func (s *Server) nowMillis() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// setSessionCookies sets the session cookie. It lasts as long as the session or, without remember, until the browser is
// closed; the cookie dont_remember tells later requests that.
func (s *Server) setSessionCookies(c *call, token string, remember bool) {
	value := betterauth.SignCookie(s.secret, token)
	if remember {
		setCookie(c, betterauth.SessionCookie, value, int(sessionTTL/time.Second))
		if _, marked := s.signedCookie(c.Request, betterauth.DontRememberCookie); marked {
			setCookie(c, betterauth.DontRememberCookie, "", -1)
		}
		return
	}
	setCookie(c, betterauth.SessionCookie, value, 0)
	setCookie(c, betterauth.DontRememberCookie, betterauth.SignCookie(s.secret, "true"), 0)
}

// clearCookies deletes all of Better Auth's cookies, including session_data, which this server never sets.
func clearCookies(c *call) {
	for _, name := range [...]string{betterauth.SessionCookie, "better-auth.session_data", betterauth.DontRememberCookie} {
		setCookie(c, name, "", -1)
	}
}

// setCookie adds a cookie that lasts for the given number of seconds, for 0 until the browser is closed. A negative
// number deletes it.
func setCookie(c *call, name, value string, seconds int) {
	//nolint:gosec // Not Secure, because browsers would ignore the cookie: in development there is no HTTPS.
	cookie := http.Cookie{
		Name: name, Value: value, MaxAge: seconds,
		Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	c.header.Add("Set-Cookie", cookie.String())
}

// signedCookie returns the signed text in a cookie, and whether there is one with a valid signature.
func (s *Server) signedCookie(r *http.Request, name string) (string, bool) {
	encoded, ok := betterauth.ReadCookie(r.Header, name)
	if !ok {
		return "", false
	}
	return betterauth.VerifyCookie(s.secret, encoded)
}

// preventCaching sets headers that forbid caching the response.
func preventCaching(c *call) {
	c.header.Set("Cache-Control", "no-store")
	c.header.Set("Pragma", "no-cache")
}

// userAgent returns the User-Agent, truncated to 512 bytes of valid UTF-8, which any database can store.
func userAgent(r *http.Request) string {
	const limit = 512
	agent := r.UserAgent()
	return strings.ToValidUTF8(agent[:min(len(agent), limit)], "")
}

// newID returns 32 random letters and digits (190 bits), the format of Better Auth's ids and tokens.
func newID() string {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	const unbiased = 256 - 256%len(alphabet) // Larger bytes would make some characters more likely.
	id, random := make([]byte, 0, 32), make([]byte, 64)
	for len(id) < cap(id) {
		_, _ = rand.Read(random) // It never fails.
		for _, b := range random {
			if int(b) < unbiased && len(id) < cap(id) {
				id = append(id, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(id)
}

// The responses, with their fields in Better Auth's order.
type (
	signedUp struct {
		Token string   `json:"token"`
		User  userJSON `json:"user"`
	}
	signedIn struct {
		Redirect bool     `json:"redirect"`
		Token    string   `json:"token"`
		URL      *string  `json:"url,omitempty"`
		User     userJSON `json:"user"`
	}
	foundSession struct {
		Session sessionJSON `json:"session"`
		User    userJSON    `json:"user"`
	}
	userJSON struct {
		Name          string  `json:"name"`
		Email         string  `json:"email"`
		EmailVerified bool    `json:"emailVerified"`
		Image         *string `json:"image"`
		CreatedAt     isoTime `json:"createdAt"`
		UpdatedAt     isoTime `json:"updatedAt"`
		ID            string  `json:"id"`
	}
	sessionJSON struct {
		ExpiresAt isoTime `json:"expiresAt"`
		Token     string  `json:"token"`
		CreatedAt isoTime `json:"createdAt"`
		UpdatedAt isoTime `json:"updatedAt"`
		IPAddress string  `json:"ipAddress"` // Always empty: it is not stored.
		UserAgent string  `json:"userAgent"`
		UserID    string  `json:"userId"`

		ActiveOrganizationID *string `json:"activeOrganizationId"`

		ID string `json:"id"`
	}
)

func newUserJSON(u user) userJSON {
	return userJSON{
		Name: u.name, Email: u.email, Image: u.image,
		CreatedAt: isoTime(u.createdAt), UpdatedAt: isoTime(u.updatedAt), ID: u.id,
	}
}

func newSessionJSON(v session) sessionJSON {
	return sessionJSON{
		ExpiresAt: isoTime(v.expiresAt), Token: v.token,
		CreatedAt: isoTime(v.createdAt), UpdatedAt: isoTime(v.updatedAt),
		UserAgent: v.userAgent, UserID: v.userID, ActiveOrganizationID: stringOrNil(v.activeOrganizationID), ID: v.id,
	}
}

// stringOrNil returns nil for "".
func stringOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// isoTime is a time that is encoded like JavaScript's toISOString.
type isoTime time.Time

// MarshalJSON implements json.Marshaler.
func (t isoTime) MarshalJSON() ([]byte, error) {
	return json.Marshal(t.String())
}

// String implements fmt.Stringer.
func (t isoTime) String() string { return time.Time(t).UTC().Format("2006-01-02T15:04:05.000Z") }
