package account_test

import (
	"testing"

	"taskql/ent"
	"taskql/internal/account"
	"taskql/internal/betterauth"
	"taskql/internal/viewer"
)

// The cache keeps the user only, not the access of a session.
func TestAccess(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, s *account.Service, _ *ent.Client) {
		for _, tt := range []struct {
			name, impersonatedBy string
			permissions          betterauth.Permissions
			want                 viewer.Access
		}{
			{"a cookie", "", nil, viewer.AccessFull},
			{"an administrator", "admin1", nil, viewer.AccessFull},
			{"a cookie again", "", nil, viewer.AccessFull},
			{"a key that may read", "", betterauth.Permissions{"tasks": {"read"}}, viewer.AccessRead},
			{"a key that may write", "", betterauth.Permissions{"tasks": {"write"}, "files": {"read"}}, viewer.AccessFull},
			{"a key that may do both", "", betterauth.Permissions{"tasks": {"read", "write"}}, viewer.AccessFull},
			{"a key with other actions", "", betterauth.Permissions{"tasks": {"delete", "READ"}}, viewer.AccessNone},
			{"a key without actions", "", betterauth.Permissions{"tasks": {}}, viewer.AccessNone},
			{"a key for something else", "", betterauth.Permissions{"files": {"read", "write"}}, viewer.AccessNone},
			{"a key for nothing", "", betterauth.Permissions{}, viewer.AccessNone},
			{"a key without permissions", "", nil, viewer.AccessFull},
		} {
			session := session("u1", "Ada", "ada@example.com", nil)
			session.ImpersonatedBy, session.Permissions = tt.impersonatedBy, tt.permissions
			v, err := s.Viewer(t.Context(), session)
			if err != nil {
				t.Fatal(err)
			}
			if v.UserID != "u1" || v.ImpersonatorID != tt.impersonatedBy || v.Access != tt.want {
				t.Errorf("%s: got %+v", tt.name, v)
			}
		}
	})
}
