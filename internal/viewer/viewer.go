// Package viewer identifies who makes a request. The HTTP server puts the viewer into the request's context once; resolvers
// take it from there and pass it on as an argument. The package imports no other package of ours, so that all can import it.
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
	// WorkspaceID is the workspace in which the viewer acts, which has all rows that the viewer may see: that of a request is the
	// user's personal one.
	WorkspaceID string
	// Role is what the viewer may do in that workspace. The zero value allows no change.
	Role Role
	// Location is the viewer's time zone, in which "today" is computed. It is never nil.
	Location *time.Location
	// ImpersonatorID is the auth server's id of the administrator who acts as this user; "" if nobody does.
	ImpersonatorID string
	// Access is less than full for some API keys.
	Access Access
}

// In returns the viewer as it acts in another workspace.
func (v Viewer) In(workspaceID string, role Role) Viewer {
	v.WorkspaceID, v.Role = workspaceID, role
	return v
}

// UserHash returns the SHA-256 of a user's id in hexadecimal. It stands for an erased user in the database and in logs.
func UserHash(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// Refusal is why a request has no viewer. Its message is safe to show to the client.
type Refusal struct {
	// Message is shown to the client as it is.
	Message string
	// Unavailable tells that the session could not be checked, because the auth server or the database failed. Clients must
	// not take that for being signed out.
	Unavailable bool
	// RateLimited tells, together with Unavailable, that too many requests of clients are the cause, not a failure.
	RateLimited bool
	// RetryAfter is how long the client should wait before it asks again, if Unavailable; zero if unknown.
	RetryAfter time.Duration
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// NotAuthenticated returns the refusal of a request without a session.
func NotAuthenticated() *Refusal { return &Refusal{Message: "Not authenticated"} }

type contextKey struct{}

// identity is what the context holds: a viewer, a refusal, or the system.
type identity struct {
	viewer  Viewer
	refusal *Refusal
	system  bool
	// requester is the id of the user whose request the system serves; "" if it serves no request.
	requester string
}

// NewContext returns a context in which v makes the request.
func NewContext(ctx context.Context, v Viewer) context.Context {
	return context.WithValue(ctx, contextKey{}, identity{viewer: v})
}

// WithRefusal returns a context without a viewer, in which FromContext returns r.
func WithRefusal(ctx context.Context, r *Refusal) context.Context {
	return context.WithValue(ctx, contextKey{}, identity{refusal: r})
}

// AsSystem returns a context for the server's own work, such as provisioning, clean-up and tests. ent's privacy policy, which
// shows no row to a context without a viewer, lets it read every row.
func AsSystem(ctx context.Context) context.Context {
	return context.WithValue(ctx, contextKey{}, identity{system: true})
}

// AsSystemFor is AsSystem for work that a request of this user needs. It counts as the user's request: the limits of a user
// apply to it.
func AsSystemFor(ctx context.Context, userID string) context.Context {
	return context.WithValue(ctx, contextKey{}, identity{system: true, requester: userID})
}

// Requester returns the id of the user whose request ctx belongs to, "" if the user is not signed in. It returns false for the
// server's own work, such as clean-up.
func Requester(ctx context.Context) (string, bool) {
	a, ok := ctx.Value(contextKey{}).(identity)
	switch {
	case a.system:
		return a.requester, a.requester != ""
	default:
		return a.viewer.UserID, ok
	}
}

// FromContext returns the viewer of ctx. If there is none, it returns a *Refusal: the one given to WithRefusal, or
// NotAuthenticated.
func FromContext(ctx context.Context) (Viewer, error) {
	a, _ := ctx.Value(contextKey{}).(identity)
	switch {
	case a.viewer.UserID != "":
		return a.viewer, nil
	case a.refusal != nil:
		return Viewer{}, a.refusal
	default:
		return Viewer{}, NotAuthenticated()
	}
}

// MayRead reports whether ctx has a viewer or is the system's. It is the rule of ent's privacy policy: any other query finds
// no rows.
func MayRead(ctx context.Context) bool {
	a, _ := ctx.Value(contextKey{}).(identity)
	return a.system || a.viewer.UserID != ""
}
