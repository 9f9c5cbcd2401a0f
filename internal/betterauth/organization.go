package betterauth

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Memberships are those of Better Auth's organization plugin. The auth server is asked with the credentials of the user's
// request. The answers are cached like sessions, one for each of a session's organizations.
//
// An organization's id that a client names is looked for in the user's own list, and is sent to the auth server only if
// it is there. So unknown ids and those of strangers' organizations cost and answer the same, and no client can make this
// server send many requests. The session's active organization is never used.

const (
	// maxOrganizations is how many organizations of a user are kept. Better Auth lists 100 by default.
	maxOrganizations = 1000
	// maxMembers is how many members of an organization are kept, and memberPage how many are asked for at once.
	maxMembers, memberPage = 1000, 250
	// maxMembersSize is how much memory the members of an organization take, in bytes. Beyond it, images are left out.
	maxMembersSize = 4 << 20
	// maxRole is the maximum length of a member's role, in bytes.
	maxRole = 4 << 10
	// recentTTL is how long an organization that is not in a user's list is known not to be. Then the list is asked for again
	// if somebody names such an organization, or wants the list itself, so that a new organization is found soon.
	recentTTL = 2 * time.Second
	// noPluginTTL is how long the auth server is known to have no organization plugin.
	noPluginTTL = time.Minute
)

// reasonNotMember: the user is not a member of the organization, or the API key may not ask about organizations. Callers
// don't get it.
const reasonNotMember Reason = "not_member"

// ErrMembersUnknown reports that the members of an organization can't be asked for with a JWT.
var ErrMembersUnknown = errors.New("the auth server can't be asked for the members of an organization with a JWT")

// Organization is an organization of the auth server.
type Organization struct {
	ID string
	// Name is truncated to 1 kB. It is empty if the membership is from a JWT.
	Name string
}

// Member is a member of an organization.
type Member struct {
	UserID string
	// Name is truncated to 1 kB, and Image nil if it is longer than 64 kB.
	Name  string
	Image *string
	// Role is the member's role, or several, separated by commas.
	Role string
}

// memberships are an answer about organizations: a user's list, the user's role in one, or the members of one.
type memberships struct {
	userID        string
	organizations []Organization
	role          string
	members       []Member
}

// owner implements answer.
func (m *memberships) owner() string { return m.userID }

// size implements answer.
func (m *memberships) size() uint32 {
	n := typicalSize/4 + len(m.userID) + len(m.role)
	for _, o := range m.organizations {
		n += 32 + len(o.ID) + len(o.Name)
	}
	for _, member := range m.members {
		n += member.size()
	}
	return uint32(min(n, math.MaxUint32))
}

// size returns about how much memory the member takes, in bytes.
func (m Member) size() int {
	n := 64 + len(m.UserID) + len(m.Name) + len(m.Role)
	if m.Image != nil {
		n += 16 + len(*m.Image)
	}
	return n
}

// organizationClient asks the auth server about organizations.
type organizationClient struct {
	*lookups[*memberships]
	list, role, members *endpoint
	// noPlugin is when the auth server is known to have no organization plugin, nil if it never was.
	noPlugin atomic.Pointer[period]
}

// Organizations returns the organizations of a session's user, in no order. h are the headers that the session was
// authenticated by. The error is a *Refusal: one that is Unavailable if the auth server can't be asked, or the session's if
// it has ended.
func (a *Authenticator) Organizations(ctx context.Context, h http.Header, s *Session) ([]Organization, error) {
	return a.listOrganizations(ctx, h, s, time.Time{})
}

// RecentOrganizations is like Organizations, but asks again if the list is more than 2 seconds old.
func (a *Authenticator) RecentOrganizations(ctx context.Context, h http.Header, s *Session) ([]Organization, error) {
	return a.listOrganizations(ctx, h, s, a.now().Add(-recentTTL))
}

// listOrganizations returns the organizations of a session's user. since is as in question.
func (a *Authenticator) listOrganizations(ctx context.Context, h http.Header, s *Session, since time.Time) ([]Organization, error) {
	if s.Scheme == SchemeJWT {
		list := make([]Organization, 0, len(s.Roles))
		for id := range s.Roles {
			list = append(list, Organization{ID: id})
		}
		return list, nil
	}
	if a.organizations.isMissing(a.now()) { // Before anything is allocated: it is asked for with many requests.
		return nil, nil
	}
	m, err := a.member(ctx, h, s)
	if err != nil {
		return nil, err
	}
	return m.listOrganizations(ctx, since)
}

// Role returns the role of a session's user in an organization, or several, separated by commas. It returns false if the
// user is not a member, or there is no such organization. The error is as that of Organizations.
func (a *Authenticator) Role(ctx context.Context, h http.Header, s *Session, organizationID string) (string, bool, error) {
	if s.Scheme == SchemeJWT {
		role, ok := s.Roles[organizationID]
		return role, ok, nil
	}
	m, err := a.member(ctx, h, s)
	if err != nil {
		return "", false, err
	}
	return m.role(ctx, organizationID)
}

// Members returns the members of an organization, sorted by name; nobody if the session's user is not one of them. At most
// 1,000 are returned. The error is as that of Organizations, or ErrMembersUnknown.
func (a *Authenticator) Members(ctx context.Context, h http.Header, s *Session, organizationID string) ([]Member, error) {
	if s.Scheme == SchemeJWT {
		return nil, ErrMembersUnknown
	}
	m, err := a.member(ctx, h, s)
	if err != nil {
		return nil, err
	}
	if _, ok, err := m.role(ctx, organizationID); err != nil || !ok {
		return nil, err
	}
	return m.members(ctx, organizationID)
}

// member is a session's user, about whom the auth server is asked.
type member struct {
	auth    *Authenticator
	session *Session
	credentials
	header http.Header
}

// member returns the user of a session that was authenticated by these headers.
func (a *Authenticator) member(ctx context.Context, h http.Header, s *Session) (member, error) {
	c, ok := a.credentialsOf(h, s)
	if !ok {
		return member{}, unusable(errors.New("the request has other credentials than the session"), 0)
	}
	c.sessionData = a.forwardedSessionData(ctx, h, c, a.now())
	return member{auth: a, session: s, credentials: c, header: a.organizationHeader(c)}, nil
}

// credentialsOf returns the one of a request's credentials that its session was found by. Without the others, the auth
// server can't answer about another user.
func (a *Authenticator) credentialsOf(h http.Header, s *Session) (credentials, bool) {
	switch s.Scheme {
	case SchemeAPIKey:
		c := credentials{apiKey: a.apiKey(h)}
		return c, shortHash(c.apiKey) == s.TokenHash
	case SchemeBearer:
		c := credentials{bearer: a.bearer(h)}
		return c, shortHash(c.bearer.token) == s.TokenHash
	default:
		cookie, _ := a.cookie(h)
		if other, ok := a.otherCookie(h, cookie); ok && shortHash(cookie.token) != s.TokenHash {
			cookie = other
		}
		return credentials{cookie: cookie}, shortHash(cookie.token) == s.TokenHash
	}
}

// organizationHeader returns the headers of a request about organizations. The cookie dont_remember keeps Better Auth from
// refreshing the session, because its organization endpoints ignore disableRefresh: the browser would never get the
// refreshed cookie.
func (a *Authenticator) organizationHeader(c credentials) http.Header {
	header := a.requestHeader(http.Header{}, c)
	var cookies []string
	switch {
	case c.apiKey != "": // It has no session that could be refreshed.
	case c.cookie.token != "":
		cookies = append(cookies, header.Get("Cookie"), c.cookie.names.dontRemember+"="+a.signer.sign("true"))
	default:
		for _, names := range a.cookieNames {
			cookies = append(cookies, names.dontRemember+"="+a.signer.sign("true"))
		}
	}
	if len(cookies) > 0 {
		header.Set("Cookie", strings.Join(cookies, "; "))
	}
	return header
}

// listOrganizations returns the user's organizations. since is as in question.
func (m member) listOrganizations(ctx context.Context, since time.Time) ([]Organization, error) {
	if m.auth.organizations.isMissing(m.auth.now()) {
		return nil, nil
	}
	found, refusal := m.find(ctx, m.question("organizations", "", since, m.askOrganizations))
	if refusal != nil {
		return nil, refusal
	}
	return found.organizations, nil
}

// role returns the user's role in an organization, and false if the user is not a member.
func (m member) role(ctx context.Context, organizationID string) (string, bool, error) {
	q := m.question("role", organizationID, time.Time{}, func(ctx context.Context, retry bool) (*memberships, *Refusal) {
		return m.askRole(ctx, organizationID, retry)
	})
	if m.auth.organizations.isMissing(m.auth.now()) {
		return "", false, nil
	}
	// A role that has expired is asked for without looking at the list.
	if _, known := m.auth.organizations.getStale(q.key, m.auth.now()); !known {
		if listed, err := m.isListed(ctx, organizationID); err != nil || !listed {
			return "", false, err
		}
	}
	found, refusal := m.find(ctx, q)
	switch {
	case refusal == nil:
		return found.role, true, nil
	case refusal.Reason == reasonNotMember:
		return "", false, nil
	default:
		return "", false, refusal
	}
}

// isListed reports whether an organization is one of the user's.
func (m member) isListed(ctx context.Context, id string) (bool, error) {
	is := func(o Organization) bool { return o.ID == id }
	list, err := m.listOrganizations(ctx, time.Time{})
	if err == nil && !slices.ContainsFunc(list, is) {
		list, err = m.listOrganizations(ctx, m.auth.now().Add(-recentTTL))
	}
	return slices.ContainsFunc(list, is), err
}

// members returns the members of an organization that the user is in.
func (m member) members(ctx context.Context, organizationID string) ([]Member, error) {
	found, refusal := m.find(ctx, m.question("members", organizationID, time.Time{}, func(ctx context.Context, retry bool) (*memberships, *Refusal) {
		return m.askMembers(ctx, organizationID, retry)
	}))
	switch {
	case refusal == nil:
		return found.members, nil
	case refusal.Reason == reasonNotMember:
		return nil, nil
	default:
		return nil, refusal
	}
}

// find returns the answer to a question. The refusal doesn't belong to other callers.
func (m member) find(ctx context.Context, q question[*memberships]) (*memberships, *Refusal) {
	if found, ok := m.auth.organizations.getSince(q.key, m.auth.now(), q.since); ok {
		return found, nil
	}
	found, refusal := m.auth.organizations.find(ctx, q)
	if refusal != nil {
		return nil, m.identify(refusal)
	}
	return found, nil
}

// question returns a question about the user.
func (m member) question(kind, organizationID string, since time.Time, ask func(context.Context, bool) (*memberships, *Refusal)) question[*memberships] {
	session := m.cacheKey()
	return question[*memberships]{
		key: newCacheKey(kind, string(session[:]), organizationID), since: since, identify: m.identify,
		ask: func(ctx context.Context, _ time.Time, retry bool) (*memberships, time.Time, *Refusal) {
			found, refusal := ask(ctx, retry)
			if refusal != nil {
				return nil, time.Time{}, refusal
			}
			found.userID = m.session.UserID
			return found, farFuture(), nil
		},
	}
}

// send sends a request about organizations. reasonNotMember is the refusal of a user who is not a member, and of an API key
// that the auth server doesn't accept here.
func (m member) send(ctx context.Context, r request) *Refusal {
	r.header, r.refusal = m.header, m.refusal
	refusal := m.auth.client.send(ctx, r)
	if refusal != nil && refusal.Reason == ReasonSessionRefused {
		return m.confirmRefusal(ctx, refusal)
	}
	return refusal
}

// refusal returns what an error response says about the user, or nil if the auth server has failed.
func (m member) refusal(failure *upstreamError) *Refusal {
	switch {
	case failure.body == nil || failure.body.Code == "": // It is not Better Auth's.
		return nil
	case failure.status == http.StatusForbidden:
		return refuse(reasonNotMember).withCause(failure)
	case m.apiKey != "":
		return failure.keyRefusal()
	default:
		return nil
	}
}

// confirmRefusal asks for the session that a request about organizations was refused for. Better Auth refuses it too if
// its database fails.
func (m member) confirmRefusal(ctx context.Context, refusal *Refusal) *Refusal {
	resp, ended := m.auth.requestSession(ctx, m.credentials, m.header, false)
	if ended == nil {
		ended = m.auth.accept(resp, m.credentials)
	}
	switch {
	case ended == nil:
		return unusable(refusal.Err, 0)
	case !ended.Unavailable:
		m.auth.Forget(m.session.UserID)
	}
	return ended
}

// askOrganizations asks for the user's organizations.
func (m member) askOrganizations(ctx context.Context, retry bool) (*memberships, *Refusal) {
	found, organizations := &memberships{}, m.auth.organizations
	refusal := m.send(ctx, request{endpoint: organizations.list, retry: retry, decode: func(r io.Reader) error {
		var err error
		found.organizations, err = decodeOrganizations(r)
		return err
	}})
	switch {
	case refusal == nil:
		organizations.setMissing(ctx, false)
	case refusal.Reason == reasonNotMember:
		// The API key may not ask, so it has no organizations here.
	case isNotFound(refusal):
		organizations.setMissing(ctx, true)
	default:
		return nil, refusal
	}
	return found, nil
}

// isNotFound reports whether an auth server that works answered 404: it doesn't have the endpoint.
func isNotFound(refusal *Refusal) bool {
	failure := asUpstreamError(refusal.Err)
	return refusal.Reason == ReasonSessionUnusable && failure != nil && failure.status == http.StatusNotFound
}

// askRole asks for the user's role in an organization.
func (m member) askRole(ctx context.Context, organizationID string, retry bool) (*memberships, *Refusal) {
	found := &memberships{}
	refusal := m.send(ctx, request{
		endpoint: m.auth.organizations.role, query: "?" + url.Values{"organizationId": {organizationID}}.Encode(), retry: retry,
		decode: func(r io.Reader) error {
			var err error
			found.role, err = decodeRole(r)
			return err
		},
	})
	return found, refusal
}

// askMembers asks for the members of an organization, page by page. The pages are in the order of the members' ids, in which
// a new member moves few others.
func (m member) askMembers(ctx context.Context, organizationID string, retry bool) (*memberships, *Refusal) {
	var list memberList
	for offset := 0; offset < maxMembers; offset += memberPage {
		query := url.Values{
			"organizationId": {organizationID}, "limit": {strconv.Itoa(memberPage)}, "offset": {strconv.Itoa(offset)}, "sortBy": {"id"},
		}
		count := 0
		refusal := m.send(ctx, request{
			endpoint: m.auth.organizations.members, query: "?" + query.Encode(), retry: retry,
			decode: func(r io.Reader) error {
				var err error
				count, err = list.decode(r)
				return err
			},
		})
		if refusal != nil {
			return nil, refusal
		}
		if count < memberPage {
			break
		}
	}
	return &memberships{members: list.sorted()}, nil
}

// isMissing reports whether the auth server is known to have no organization plugin.
func (c *organizationClient) isMissing(now time.Time) bool {
	missing := c.noPlugin.Load()
	return missing != nil && missing.contains(now)
}

// setMissing records whether the auth server has no organization plugin.
func (c *organizationClient) setMissing(ctx context.Context, missing bool) {
	was := c.noPlugin.Load()
	if !missing {
		if was != nil {
			c.noPlugin.Store(nil)
		}
		return
	}
	now := c.auth.now()
	c.noPlugin.Store(&period{now, now.Add(noPluginTTL)})
	if was == nil {
		c.auth.log.LogAttrs(ctx, slog.LevelInfo, "the auth server has no organization plugin, so nobody is in an organization")
	}
}
