package account_test

import (
	"strings"
	"testing"
	"time"

	"taskql/ent"
	"taskql/internal/account"
	"taskql/internal/viewer"
)

// Better Auth accepts names of megabytes. What is stored and returned of them is limited.
func TestLongProfiles(t *testing.T) {
	t.Parallel()
	repeat := strings.Repeat
	for name, given := range map[string]struct {
		name, email         string
		image               *string
		wantName, wantEmail string
		wantImage           *string
	}{
		"as long as allowed": {
			repeat("n", 255), repeat("e", 320), ptr(repeat("i", account.MaxImage)),
			repeat("n", 255), repeat("e", 320), ptr(repeat("i", account.MaxImage)),
		},
		"one too many":              {repeat("n", 256), repeat("e", 321), ptr(repeat("i", account.MaxImage+1)), repeat("n", 255), "", nil},
		"3 MB":                      {repeat("n", 3<<20), repeat("e", 3<<20), ptr(repeat("i", 3<<20)), repeat("n", 255), "", nil},
		"characters of three bytes": {repeat("語", 255), repeat("語", 320), nil, repeat("語", 255), repeat("語", 320), nil},
		"characters of four bytes":  {repeat("🙂", 256), "a@example.com", nil, repeat("🙂", 255), "a@example.com", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, s *account.Service, client *ent.Client) {
				v, err := s.Viewer(t.Context(), session("u1", given.name, given.email, given.image))
				if err != nil {
					t.Fatal(err)
				}
				ctx := viewer.NewContext(t.Context(), v)
				for whose, u := range map[string]*ent.User{"stored": client.User.GetX(ctx, "u1"), "shown": must(s.User(ctx, v, "u1"))} {
					if u.Name != given.wantName || u.Email != given.wantEmail {
						t.Errorf("%s: a name of %d and an address of %d bytes", whose, len(u.Name), len(u.Email))
					}
					if (u.Image == nil) != (given.wantImage == nil) || u.Image != nil && *u.Image != *given.wantImage {
						t.Errorf("%s: the image is %v", whose, u.Image != nil)
					}
				}
			})
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Long texts of earlier releases are returned truncated, and stored truncated by the user's next request.
func TestLongRowsOfEarlierReleases(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, s *account.Service, client *ent.Client) {
		long := strings.Repeat("n", 3<<20)
		v := viewer.Viewer{UserID: "u1", WorkspaceID: "u1", Role: viewer.RoleAdmin, Location: time.UTC}
		ctx := viewer.NewContext(t.Context(), v)
		client.Workspace.Create().SetID("u1").ExecX(ctx)
		client.User.Create().SetID("u1").SetName(long).SetEmail(long).ExecX(ctx)
		for what, u := range map[string]*ent.User{"read": must(s.User(ctx, v, "u1")), "changed": must(s.SetTimeZone(ctx, v, "Europe/Berlin"))} {
			if len(u.Name) != account.MaxName || u.Email != "" {
				t.Errorf("%s: a name of %d and an address of %d bytes", what, len(u.Name), len(u.Email))
			}
		}
		if _, err := s.Viewer(ctx, session("u1", long, long, nil)); err != nil {
			t.Fatal(err)
		}
		if u := client.User.GetX(ctx, "u1"); len(u.Name) != account.MaxName || u.Email != "" {
			t.Errorf("stored: a name of %d and an address of %d bytes", len(u.Name), len(u.Email))
		}
	})
}
