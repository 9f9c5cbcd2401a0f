package account_test

import (
	"testing"
	"time"

	"taskql/internal/account"
	"taskql/internal/betterauth"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// A JWT leaves fields out, or is older than a change; a cookie of the same user has the current profile. If their requests
// alternate, the row keeps the cookie's profile and is written once, whether the user is cached or not.
func TestAlternatingSessions(t *testing.T) {
	t.Parallel()
	const name, email, image = betterauth.ProfileName, betterauth.ProfileEmail, betterauth.ProfileImage
	for _, test := range []struct {
		about string
		jwt   func(*betterauth.Session)
		fresh bool // A new JWT for each request.
	}{
		{"the subject alone", func(s *betterauth.Session) { s.User = betterauth.User{ID: "u1", Missing: name | email | image} }, false},
		{"the subject alone, just now", func(s *betterauth.Session) { s.User = betterauth.User{ID: "u1", Missing: name | email | image} }, true},
		{"no name", func(s *betterauth.Session) { s.User.Name, s.User.Missing = "", name }, false},
		{"no name, just now", func(s *betterauth.Session) { s.User.Name, s.User.Missing = "", name }, true},
		{"no email", func(s *betterauth.Session) { s.User.Email, s.User.Missing = "", email }, false},
		{"no email, just now", func(s *betterauth.Session) { s.User.Email, s.User.Missing = "", email }, true},
		{"no image", func(s *betterauth.Session) { s.User.Image, s.User.Missing = nil, image }, false},
		{"no image, just now", func(s *betterauth.Session) { s.User.Image, s.User.Missing = nil, image }, true},
		{"an old name", func(s *betterauth.Session) { s.User.Name = "Ada" }, false},
		{"an old name, and when it was", func(s *betterauth.Session) { s.User.Name, s.User.UpdatedAt = "Ada", start }, false},
		{"no image any more", func(s *betterauth.Session) { s.User.Image = nil }, false},
	} {
		t.Run(test.about, func(t *testing.T) {
			t.Parallel()
			testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
				client := db.Client
				now := start
				s, err := account.New(account.Config{Client: client, Now: func() time.Time { return now }})
				if err != nil {
					t.Fatal(err)
				}
				jwt := session("u1", "Ada L.", "ada@example.com", ptr("a.png"))
				jwt.AsOf = now
				test.jwt(jwt)
				cookie := session("u1", "Ada L.", "ada@example.com", ptr("a.png"))
				writes := 0
				last := time.Time{}
				for _, step := range []time.Duration{time.Second, time.Second, time.Minute, time.Minute} {
					for _, session := range []*betterauth.Session{cookie, jwt} {
						now = now.Add(step)
						cookie.AsOf = now // The session was fetched just now.
						if test.fresh {
							jwt.AsOf = now
						}
						v, err := s.Viewer(t.Context(), session)
						if err != nil {
							t.Fatal(err)
						}
						row, err := s.User(viewer.NewContext(t.Context(), v), v, "u1")
						if err != nil {
							t.Fatal(err)
						}
						if row.Name != "Ada L." || row.Email != "ada@example.com" || row.Image == nil || *row.Image != "a.png" {
							t.Errorf("got %v", row)
						}
						if !row.UpdatedAt.Equal(last) {
							writes, last = writes+1, row.UpdatedAt
						}
					}
				}
				if writes != 1 {
					t.Errorf("the row was written %d times, want once", writes)
				}
			})
		})
	}
}

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) //nolint:gochecknoglobals // A constant.

// The first session of a user can be a JWT. What it leaves out is empty until another session has it. A newer JWT refreshes the
// row, too.
func TestViewerOfJWT(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		client := db.Client
		now := start
		s, err := account.New(account.Config{Client: client, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		bare := &betterauth.Session{User: betterauth.User{ID: "u1", Missing: betterauth.ProfileName | betterauth.ProfileEmail | betterauth.ProfileImage}}
		named := session("u1", "Ada", "ada@example.com", ptr("a.png"))
		onlyName := &betterauth.Session{User: betterauth.User{ID: "u1", Name: "Ada L.", Missing: betterauth.ProfileEmail | betterauth.ProfileImage}}
		renamed := session("u1", "Augusta", "ada@example.com", nil)
		for i, step := range []struct {
			session           *betterauth.Session
			name, email, want string
		}{
			{bare, "", "", ""},
			{named, "Ada", "ada@example.com", "a.png"},
			{bare, "Ada", "ada@example.com", "a.png"},
			{onlyName, "Ada L.", "ada@example.com", "a.png"},
			{renamed, "Augusta", "ada@example.com", ""},
		} {
			now = now.Add(time.Second)
			step.session.AsOf = now // A JWT that was issued just now.
			now = now.Add(time.Second)
			v, err := s.Viewer(t.Context(), step.session)
			if err != nil {
				t.Fatal(err)
			}
			row, err := s.User(viewer.NewContext(t.Context(), v), v, "u1")
			if err != nil {
				t.Fatal(err)
			}
			image := ""
			if row.Image != nil {
				image = *row.Image
			}
			if row.Name != step.name || row.Email != step.email || image != step.want {
				t.Errorf("step %d: got %v", i, row)
			}
		}
	})
}
