package account

import (
	"taskql/internal/betterauth"
	"taskql/internal/viewer"
)

// accessOf returns what a session with these permissions may do.
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
