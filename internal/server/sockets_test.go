package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"taskql/graph"
	"taskql/internal/betterauth"
	"taskql/internal/config"
	"taskql/internal/graphqlhttp"
	"taskql/internal/viewer"
)

// openSocket opens a WebSocket, and returns the status if it is refused.
func openSocket(t *testing.T, b *browser, header http.Header) (net.Conn, int) {
	t.Helper()
	return dialSocket(t, b.url+graphqlPath, header)
}

// dialSocket is openSocket for a URL.
func dialSocket(t *testing.T, address string, header http.Header) (net.Conn, int) {
	t.Helper()
	dialer := ws.Dialer{Protocols: []string{"graphql-transport-ws"}, Header: ws.HandshakeHeaderHTTP(header)}
	conn, _, _, err := dialer.Dial(t.Context(), "ws"+strings.TrimPrefix(address, "http"))
	var refused ws.StatusError
	if errors.As(err, &refused) {
		return nil, int(refused)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return conn, http.StatusSwitchingProtocols
}

// exchange sends messages, and returns the text of those that come, or of the close frame.
func exchange(t *testing.T, conn net.Conn, answers int, messages ...string) []string {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	for _, message := range messages {
		if err := wsutil.WriteClientText(conn, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for range answers {
		data, op, err := wsutil.ReadServerData(conn)
		var closed wsutil.ClosedError
		if errors.As(err, &closed) || errors.Is(err, io.EOF) {
			return append(got, closed.Error())
		}
		if err != nil || op != ws.OpText {
			t.Fatalf("%v: %v", op, err)
		}
		got = append(got, string(data))
	}
	return got
}

const (
	initMessage  = `{"type":"connection_init"}`
	ackMessage   = `{"type":"connection_ack"}`
	viewerQuery  = `{"id":"v","type":"subscribe","payload":{"query":"query Who { viewer { name } }"}}`
	tasksQuery   = `{"id":"t","type":"subscribe","payload":{"query":"{ tasks { totalCount } }"}}`
	taskMutation = `{"id":"m","type":"subscribe","payload":{"query":"mutation Make { createTask(input: {title: \"Water\"}) { task { title } } }"}}`
)

// TestSockets executes operations over WebSockets as the owner of a cookie, and as nobody.
func TestSockets(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{"JWT_SECRET": "short"})
	page := newBrowser(t, s)
	cookie := http.Header{"Cookie": {signUp(t, page)}, "Origin": {page.url}}
	conn, _ := openSocket(t, page, cookie)
	got := exchange(t, conn, 3, initMessage, taskMutation)
	if got[0] != ackMessage || got[1] != `{"id":"m","type":"next","payload":{"data":{"createTask":{"task":{"title":"Water"}}}}}` || got[2] != `{"id":"m","type":"complete"}` {
		t.Errorf("a mutation: %q", got)
	}
	if got := exchange(t, conn, 2, tasksQuery); got[0] != `{"id":"t","type":"next","payload":{"data":{"tasks":{"totalCount":1}}}}` {
		t.Errorf("a query: %q", got)
	}
	nobody, _ := openSocket(t, page, nil)
	got = exchange(t, nobody, 2, initMessage, tasksQuery)
	if !strings.Contains(got[1], `"type":"error"`) || !strings.Contains(got[1], "UNAUTHENTICATED") {
		t.Errorf("as nobody: %q", got)
	}
	if got := exchange(t, nobody, 2, viewerQuery); got[0] != `{"id":"v","type":"next","payload":{"data":{"viewer":null}}}` {
		t.Errorf("as nobody: %q", got)
	}
	_, _ = conn.Close(), nobody.Close()
	awaitTrue(t, func() bool { return s.streams.registry.Stats().Open == 0 && s.streams.count() == 0 })
}

// TestSocketCredentials signs in by the payload of connection_init, and checks the line of an operation in the log.
func TestSocketCredentials(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	users := &authenticator{
		authenticate: func(_ context.Context, header http.Header) (*betterauth.Session, error) {
			switch header.Get("Authorization") {
			case "Bearer ada":
				return &betterauth.Session{UserID: "ada"}, nil
			case "Bearer later":
				return nil, &betterauth.Refusal{Message: "The auth server is down.", Unavailable: true}
			default:
				return nil, &betterauth.Refusal{Message: "Invalid session"}
			}
		},
		viewer: func(_ context.Context, session *betterauth.Session) (viewer.Viewer, error) {
			return viewer.Viewer{UserID: session.UserID, Role: viewer.RoleAdmin, Location: time.UTC}, nil
		},
		refusals: newRefusalLog(logger, time.Now), log: logger, credentials: http.Header.Clone, now: time.Now,
	}
	all := &sockets{users: users, log: logger, now: time.Now}
	if got := all.config(config.Config{AuthAPIKeyHeader: "X-Api-Key"}).CredentialHeaders; !slices.Equal(got, []string{"Authorization", "X-Api-Key"}) {
		t.Errorf("headers: %v", got)
	}
	former := context.WithValue(t.Context(), requestInfoKey{}, &requestInfo{requestID: "id", address: "203.0.113.1"})
	ctx, refused := all.authenticate(former, graphqlhttp.Credentials{Header: http.Header{"Authorization": {"Bearer ada"}}})
	if refused != nil {
		t.Fatal(refused)
	}
	if v, err := viewer.FromContext(ctx); err != nil || v.UserID != "ada" || infoOf(former).userID != "" {
		t.Errorf("the viewer is %v (%v), and was %q", v, err, infoOf(former).userID)
	}
	for token, code := range map[string]string{"eve": graph.CodeUnauthenticated, "later": graph.CodeServiceUnavailable} {
		_, refused := all.authenticate(former, graphqlhttp.Credentials{Header: http.Header{"Authorization": {"Bearer " + token}}})
		if refused == nil || refused.Extensions["code"] != code {
			t.Errorf("%s: %v, want %s", token, refused, code)
		}
	}
	for name, tt := range map[string]struct {
		ctx  context.Context
		code any
	}{
		"as nobody":                     {viewer.WithRefusal(former, viewer.NotAuthenticated()), nil},
		"as somebody":                   {ctx, nil},
		"while the auth server is down": {viewer.WithRefusal(former, &viewer.Refusal{Unavailable: true}), graph.CodeServiceUnavailable},
	} {
		got, refused := all.authenticate(tt.ctx, graphqlhttp.Credentials{})
		if tt.code == nil && (refused != nil || got != tt.ctx) || tt.code != nil && (refused == nil || refused.Extensions["code"] != tt.code) {
			t.Errorf("without credentials, %s: %v", name, refused)
		}
	}
	log.Reset()
	all.around(ctx, func(ctx context.Context) {
		recordOperation(ctx, graphqlhttp.OperationInfo{Name: "Make", Type: "mutation"})
		all.panicked(ctx, "in vain")
	})
	for _, want := range []string{"msg=panic panic=\"in vain\" request_id=id", "msg=operation", "request_id=id operation=Make operation_type=mutation user_id=ada"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &log)
		}
	}
	if infoOf(ctx).operationName != "" {
		t.Error("operations share their information")
	}
}

// TestSocketOrigins checks that pages of other origins are refused whether there is a cookie or not: browsers don't apply CORS
// to WebSockets.
func TestSocketOrigins(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{"JWT_SECRET": "short", "CORS_ORIGINS": "https://app.example.com"})
	page := newBrowser(t, s)
	for origin, want := range map[string]int{
		"https://evil.example.com": http.StatusForbidden, "null": http.StatusForbidden,
		"https://app.example.com": http.StatusSwitchingProtocols, page.url: http.StatusSwitchingProtocols,
	} {
		if _, status := openSocket(t, page, http.Header{"Origin": {origin}}); status != want {
			t.Errorf("%s: %d, want %d", origin, status, want)
		}
	}
}
