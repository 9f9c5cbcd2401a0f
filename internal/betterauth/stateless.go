package betterauth

import (
	"context"
	"io"
	"net/http"
	"time"
)

// What get-session is asked not to do. It should not answer from session_data, which outlives a sign-out, unless the auth
// server has nothing else. Nor should it extend the session: that is between the browser and the auth server. Better
// Auth takes any value, "false" too, for true.
const (
	questionQuery  = "?disableCookieCache=true&disableRefresh=true"
	statelessQuery = "?disableRefresh=true"
)

// dataToPassOn returns the session_data that belongs to the question, "" if there is none or the auth server needs none.
// What doesn't verify stays here: the auth server would not take it either.
func (a *Authenticator) dataToPassOn(ctx context.Context, h http.Header, q question, now time.Time) string {
	if !a.stateless || q.cookie.token == "" || q.bearer.kind != bearerNone {
		return ""
	}
	return a.verifiedData(ctx, h, q.cookie, now)
}

func (a *Authenticator) verifiedData(ctx context.Context, h http.Header, c cookie, now time.Time) string {
	text := readSessionDataCookie(h, c.jar)
	if text == "" {
		return ""
	}
	if _, _, ok := a.dataOf(ctx, text, c, now); !ok {
		return ""
	}
	return text
}

// knowsBySessionData reports whether the auth server knows a session by its session_data that it doesn't know without.
func (a *Authenticator) knowsBySessionData(ctx context.Context, h http.Header, q question) bool {
	if a.stateless {
		return false
	}
	q.data = a.verifiedData(ctx, h, q.cookie, a.now())
	if q.data == "" {
		return false
	}
	known := false
	question := a.endpointAt(a.Address("get-session")+statelessQuery, maxSmallAnswer)
	err := question.read(ctx, a.questionHeader(h, q), func(body io.Reader) error {
		answer, err := readAnswer(body)
		known = answer.top != nil
		return err
	})
	return err == nil && known
}
