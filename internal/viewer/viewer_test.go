package viewer_test

import (
	"context"
	"testing"

	"taskql/internal/viewer"
)

func TestRequester(t *testing.T) {
	t.Parallel()
	ann := viewer.NewContext(t.Context(), viewer.Viewer{UserID: "ann"})
	for name, tt := range map[string]struct {
		ctx context.Context
		id  string
		ok  bool
	}{
		"no request":                      {t.Context(), "", false},
		"a signed-in user":                {ann, "ann", true},
		"a user who is not signed in":     {viewer.WithRefusal(t.Context(), viewer.NotAuthenticated()), "", true},
		"the server itself":               {viewer.AsSystem(t.Context()), "", false},
		"the server itself, in a request": {viewer.AsSystem(ann), "", false},
		"the server, for a user":          {viewer.AsSystemFor(t.Context(), "bob"), "bob", true},
	} {
		if id, ok := viewer.Requester(tt.ctx); id != tt.id || ok != tt.ok {
			t.Errorf("%s: got %q, %t; want %q, %t", name, id, ok, tt.id, tt.ok)
		}
	}
	if !viewer.MayRead(viewer.AsSystemFor(t.Context(), "bob")) {
		t.Error("AsSystemFor may not read")
	}
}
