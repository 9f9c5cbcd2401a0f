package account

import (
	"taskql/internal/betterauth"
	"taskql/internal/viewer"
)

// accessOf is what a session with those permissions may use.
func accessOf(permissions betterauth.Permissions) viewer.Access {
	switch {
	case permissions.MayWrite():
		return viewer.AccessFull
	case permissions.MayRead():
		return viewer.AccessRead
	default:
		return viewer.AccessNone
	}
}
