package hooks_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskql/internal/hooks"
)

const secret = "k3J9mQ2vX8pL5wR7tZ4nB6yC1dF0gHs+/=" // As the operator writes it: no base64.

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // A constant.

var (
	errOutage = errors.New("outage")
	errBug    = errors.New("bug")
)

// sign returns the headers of an event, as the specification has them.
func sign(key, id string, at time.Time, body string) http.Header {
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return http.Header{
		"Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

// calls notes what a handler has done.
type calls struct {
	done, logged []string
}

// handler knows the user "known"; "outage" and "bug" fail.
func handler(t *testing.T, secret string) (*hooks.Handler, *calls) {
	t.Helper()
	c := &calls{}
	do := func(what, user string) (bool, error) {
		c.done = append(c.done, what)
		switch user {
		case "outage":
			return false, errOutage
		case "bug":
			return false, errBug
		}
		return user == "known", nil
	}
	note := func(reason string, attrs []slog.Attr) { c.logged = append(c.logged, fmt.Sprint(reason, attrs)) }
	h, err := hooks.New(hooks.Config{
		Secret:       secret,
		UserDeleted:  func(_ context.Context, id string) (bool, error) { return do("delete "+id, id) },
		UserLinked:   func(_ context.Context, from, to string) (bool, error) { return do("link "+from+" "+to, from) },
		UserBanned:   func(id string) { _, _ = do("ban "+id, id) },
		SessionEnded: func(id string) { _, _ = do("end "+id, id) },
		Temporary:    func(err error) bool { return errors.Is(err, errOutage) },
		WriteError: func(w http.ResponseWriter, _ *http.Request, status int, message string) {
			http.Error(w, message, status)
		},
		OnRefused:  func(_ context.Context, reason string, attrs ...slog.Attr) { note(reason, attrs) },
		OnAccepted: func(_ context.Context, attrs ...slog.Attr) { note("accepted", attrs) },
		Now:        func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return h, c
}

func post(h http.Handler, header http.Header, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/hooks/better-auth", strings.NewReader(body))
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestEvents sends signed events of every kind.
func TestEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   string
		status int
		answer string // what the answer contains
		done   string
		logged string // how the log's line begins
	}{
		"a deleted user":            {`{"type":"user.deleted","data":{"userId":"known"}}`, 202, `{"status":"accepted"}`, "delete known", "accepted[type=user.deleted"},
		"further fields":            {`{"type":"user.deleted","timestamp":"2026","data":{"userId":"known","x":{"y":[1]}},"more":1}`, 202, "accepted", "delete known", "accepted"},
		"an unknown user":           {`{"type":"user.deleted","data":{"userId":"stranger"}}`, 200, "not known here", "delete stranger", "accepted"},
		"a linked user":             {`{"type":"user.linked","data":{"fromUserId":"known","toUserId":"b"}}`, 202, "accepted", "link known b", "accepted[type=user.linked"},
		"a banned user":             {`{"type":"user.banned","data":{"userId":"known"}}`, 202, "accepted", "ban known", "accepted[type=user.banned"},
		"an ended session":          {`{"type":"session.ended","data":{"userId":"known"}}`, 202, "accepted", "end known", "accepted[type=session.ended"},
		"an ended session of none":  {`{"type":"session.ended","data":{}}`, 422, "data.userId must be", "", "hook_bad_body"},
		"any text as an id":         {`{"type":"user.deleted","data":{"userId":"org:ünï/42 '; --"}}`, 200, "", "delete org:ünï/42 '; --", "accepted"},
		"another type":              {`{"type":"session.created","data":{}}`, 422, "user.deleted, user.linked, user.banned and session.ended", "", "hook_unknown_type[type=session.created"},
		"no type":                   {`{"data":{"userId":"known"}}`, 422, "user.deleted, user.linked, user.banned and session.ended", "", "hook_unknown_type"},
		"no data":                   {`{"type":"user.deleted"}`, 422, "data must be an object with userId", "", "hook_bad_body"},
		"no id":                     {`{"type":"user.deleted","data":{"id":"known"}}`, 422, "data.userId must be", "", "hook_bad_body"},
		"an empty id":               {`{"type":"user.deleted","data":{"userId":""}}`, 422, "data.userId must be", "", "hook_bad_body"},
		"a number":                  {`{"type":"user.deleted","data":{"userId":7}}`, 422, "data.userId must be", "", "hook_bad_body"},
		"an id that can't be":       {`{"type":"user.deleted","data":{"userId":"a\u0000"}}`, 422, "data.userId must be", "", "hook_bad_body"},
		"a long id":                 {`{"type":"user.deleted","data":{"userId":"` + strings.Repeat("x", 1025) + `"}}`, 422, "data.userId must be", "", "hook_bad_body"},
		"one of two ids":            {`{"type":"user.linked","data":{"fromUserId":"known"}}`, 422, "data.toUserId must be", "", "hook_bad_body"},
		"one user twice":            {`{"type":"user.linked","data":{"fromUserId":"a","toUserId":"a"}}`, 422, "must be two users", "", "hook_bad_body"},
		"no JSON":                   {`type=user.deleted`, 400, "must be a JSON object", "", "hook_bad_body"},
		"a list":                    {`[{"type":"user.deleted"}]`, 400, "must be a JSON object", "", "hook_bad_body"},
		"invalid UTF-8":             {"{\"type\":\"user.deleted\",\"data\":{\"userId\":\"\xff\"}}", 400, "must be a JSON object", "", "hook_bad_body"},
		"nothing":                   {"", 400, "must be a JSON object", "", "hook_bad_body"},
		"an outage of the database": {`{"type":"user.deleted","data":{"userId":"outage"}}`, 503, "try again", "delete outage", "hook_failed"},
		"a bug":                     {`{"type":"user.deleted","data":{"userId":"bug"}}`, 500, "try again", "delete bug", "hook_failed"},
		"the longest body":          {`{"type":"user.deleted","data":{"userId":"known"}` + strings.Repeat(" ", 64<<10-49) + "}", 202, "accepted", "delete known", "accepted"},
		"a longer body":             {`{"type":"user.deleted","data":{"userId":"known"}` + strings.Repeat(" ", 64<<10-48) + "}", 413, "at most 65536 bytes", "", "hook_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, calls := handler(t, secret)
			w := post(h, sign(secret, "msg_1", now, c.body), c.body)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) || strings.Join(calls.done, " ") != c.done {
				t.Errorf("got %d %s, done %q", w.Code, w.Body, calls.done)
			}
			if len(calls.logged) != 1 || !strings.HasPrefix(calls.logged[0], c.logged) {
				t.Errorf("the log has %q", calls.logged)
			}
			if retry := w.Header().Get("Retry-After"); (retry != "") != (c.status == 503) {
				t.Errorf("Retry-After is %q", retry)
			}
		})
	}
}

// TestSignatures: only what was signed with the secret, a short while ago, does anything.
func TestSignatures(t *testing.T) {
	t.Parallel()
	const body = `{"type":"user.deleted","data":{"userId":"known"}}`
	good := sign(secret, "msg_1", now, body)
	with := func(name, value string) http.Header {
		header := good.Clone()
		if value == "" {
			header.Del(name)
		} else {
			header.Set(name, value)
		}
		return header
	}
	signature := good.Get("Webhook-Signature")
	for name, c := range map[string]struct {
		header http.Header
		body   string
		status int
		logged string
	}{
		"as it should be":           {good, body, 202, "accepted"},
		"with an older key's, too":  {with("Webhook-Signature", "v1,AAAA v1a,xyz "+signature), body, 202, "accepted"},
		"299 seconds old":           {sign(secret, "m", now.Add(-299*time.Second), body), body, 202, "accepted"},
		"299 seconds ahead":         {sign(secret, "m", now.Add(299*time.Second), body), body, 202, "accepted"},
		"another secret":            {sign(secret+"x", "msg_1", now, body), body, 401, "hook_bad_signature"},
		"no secret":                 {sign("", "msg_1", now, body), body, 401, "hook_bad_signature"},
		"another body":              {good, body + " ", 401, "hook_bad_signature"},
		"another id":                {with("Webhook-Id", "msg_2"), body, 401, "hook_bad_signature"},
		"an id with a dot":          {sign(secret, "msg.1", now, body), body, 401, "hook_bad_signature"},
		"another time":              {with("Webhook-Timestamp", strconv.FormatInt(now.Unix()+1, 10)), body, 401, "hook_bad_signature"},
		"another version":           {with("Webhook-Signature", "v2"+signature[2:]), body, 401, "hook_bad_signature"},
		"no version":                {with("Webhook-Signature", signature[3:]), body, 401, "hook_bad_signature"},
		"nothing after the version": {with("Webhook-Signature", "v1,"), body, 401, "hook_bad_signature"},
		"no signature":              {with("Webhook-Signature", ""), body, 401, "hook_header_missing"},
		"no id":                     {with("Webhook-Id", ""), body, 401, "hook_header_missing"},
		"no time":                   {with("Webhook-Timestamp", ""), body, 401, "hook_header_missing"},
		"no headers":                {http.Header{}, body, 401, "hook_header_missing"},
		"301 seconds old":           {sign(secret, "m", now.Add(-301*time.Second), body), body, 401, "hook_stale[age_seconds=301]"},
		"301 seconds ahead":         {sign(secret, "m", now.Add(301*time.Second), body), body, 401, "hook_stale[age_seconds=-301]"},
		"the year 1970":             {with("Webhook-Timestamp", "0"), body, 401, "hook_stale[age_seconds=1795953600]"},
		"milliseconds":              {with("Webhook-Timestamp", strconv.FormatInt(now.UnixMilli(), 10)), body, 401, "hook_stale"},
		"no number":                 {with("Webhook-Timestamp", "now"), body, 401, "hook_stale"},
		"before 1970":               {with("Webhook-Timestamp", "-9223372036854775808"), body, 401, "hook_stale"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, calls := handler(t, secret)
			w := post(h, c.header, c.body)
			if w.Code != c.status || (len(calls.done) > 0) != (c.status == 202) {
				t.Errorf("got %d %s, done %q", w.Code, w.Body, calls.done)
			}
			if len(calls.logged) != 1 || !strings.HasPrefix(calls.logged[0], c.logged) {
				t.Errorf("the log has %q", calls.logged)
			}
			if strings.Contains(w.Body.String()+calls.logged[0], secret) || strings.Contains(calls.logged[0], "known]") {
				t.Errorf("the secret or the body is shown: %s %q", w.Body, calls.logged)
			}
		})
	}
}

// TestOff: without a secret nothing is accepted, and the answer says what to set.
func TestOff(t *testing.T) {
	t.Parallel()
	const body = `{"type":"user.deleted","data":{"userId":"known"}}`
	h, calls := handler(t, "")
	if w := post(h, sign("", "msg_1", now, body), body); w.Code != 404 || !strings.Contains(w.Body.String(), "AUTH_HOOK_SECRET") || len(calls.done) > 0 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
