// Package viewer says who is asking. The HTTP server puts the answer into the request's context, once;
// resolvers take it out again and pass it on as an argument. It imports nothing of ours, so that every
// room may speak of the viewer.
package viewer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Viewer is a signed-in user together with the workspace the request works in.
type Viewer struct {
	// UserID is the auth server's id for the user: opaque text, never to be parsed.
	UserID string
	// WorkspaceID bounds every row the viewer may see. A personal workspace has its user's id.
	WorkspaceID string
	// Location is the viewer's time zone: it decides what "today" means. Never nil.
	Location *time.Location
	// ImpersonatorID is the auth server's id of the administrator who acts as this user; "" if nobody does.
	ImpersonatorID string
	// Access is less than full for some API keys.
	Access Access
}

// UserHash is the SHA-256 of a user's id, in hexadecimal: what is kept and logged of a user who is erased.
func UserHash(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// Refusal is why a request has no viewer. Its message is safe to show to the client.
type Refusal struct {
	// Message is shown to the client as it is.
	Message string
	// Unavailable is true where nobody could say who is asking, because the auth server (or the database)
	// is in trouble. That is not the user's fault and must never be read as "signed out".
	Unavailable bool
	// RateLimited is true if, beside Unavailable, clients and not the server are the cause.
	RateLimited bool
	// RetryAfter is how long the client should wait before it asks again, where Unavailable; zero if unknown.
	RetryAfter time.Duration
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// NotAuthenticated is the refusal of a request that carries no session at all.
func NotAuthenticated() *Refusal { return &Refusal{Message: "Not authenticated"} }

type contextKey struct{}

// answer is what the context holds: a viewer, a refusal, or the system itself.
type answer struct {
	viewer  Viewer
	refusal *Refusal
	system  bool
	// requester is the user whose request the system serves, "" if it serves no user's.
	requester string
}

// NewContext returns a context in which v is asking. Any rows read or written under it are v's.
func NewContext(ctx context.Context, v Viewer) context.Context {
	return context.WithValue(ctx, contextKey{}, answer{viewer: v})
}

// WithRefusal returns a context in which nobody is asking, and r says why.
func WithRefusal(ctx context.Context, r *Refusal) context.Context {
	return context.WithValue(ctx, contextKey{}, answer{refusal: r})
}

// AsSystem returns a context in which the server itself is asking: provisioning, upkeep, seeds, tests. It
// passes ent's privacy net, which otherwise shows no row to a context without a viewer.
func AsSystem(ctx context.Context) context.Context {
	return context.WithValue(ctx, contextKey{}, answer{system: true})
}

// AsSystemFor is AsSystem for what the server does because a request of that user needs it: the bounds of a user's requests
// apply.
func AsSystemFor(ctx context.Context, userID string) context.Context {
	return context.WithValue(ctx, contextKey{}, answer{system: true, requester: userID})
}

// Requester returns the id of the user whose request ctx belongs to, "" for everybody who is not signed in. It returns
// false for the server's own work, such as upkeep.
func Requester(ctx context.Context) (string, bool) {
	a, known := ctx.Value(contextKey{}).(answer)
	switch {
	case a.system:
		return a.requester, a.requester != ""
	default:
		return a.viewer.UserID, known
	}
}

// FromContext returns who is asking. Where nobody is, the error is a *Refusal: the one given to WithRefusal,
// else NotAuthenticated.
func FromContext(ctx context.Context) (Viewer, error) {
	a, _ := ctx.Value(contextKey{}).(answer)
	switch {
	case a.viewer.UserID != "":
		return a.viewer, nil
	case a.refusal != nil:
		return Viewer{}, a.refusal
	default:
		return Viewer{}, NotAuthenticated()
	}
}

// MayRead reports whether ctx names a viewer or the system. It is the rule of ent's privacy net: a query that
// somebody forgot to bound sees nothing.
func MayRead(ctx context.Context) bool {
	a, _ := ctx.Value(contextKey{}).(answer)
	return a.system || a.viewer.UserID != ""
}
