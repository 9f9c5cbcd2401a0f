package graph

import (
	"context"
	"errors"
	"slices"
	"time"

	"taskql/ent"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/account"
	"taskql/internal/workspace"
)

// findUser finds the viewer. Nobody sees other users.
func findUser(ctx context.Context, r *rootField, ids, _ []string) (map[string]model.Node, error) {
	if !slices.Contains(ids, r.viewer.UserID) {
		return nil, nil //nolint:nilnil // None is found.
	}
	user, err := r.resolver.services.Accounts.User(ctx, r.viewer, r.viewer.UserID)
	if errors.Is(err, account.ErrNotFound) {
		return nil, nil //nolint:nilnil // As above.
	}
	return map[string]model.Node{r.viewer.UserID: user}, err
}

func userTypes() []objectType {
	return []objectType{
		selection.Of[ent.User]("User", fields{
			"id":        text(func(u *ent.User) string { return u.ID }),
			"name":      text(func(u *ent.User) string { return u.Name }),
			"email":     text(func(u *ent.User) string { return u.Email }),
			"image":     nullable(func(u *ent.User) *string { return u.Image }, selection.AppendString),
			"timeZone":  text(func(u *ent.User) string { return u.TimeZone }),
			"createdAt": moment(func(u *ent.User) time.Time { return u.CreatedAt }),
		}).Unversioned(),
		selection.Of[model.UpdateViewerPayload]("UpdateViewerPayload", fields{
			"viewer":     object(func(r *model.UpdateViewerPayload) *ent.User { return r.Viewer }),
			"userErrors": list(func(r *model.UpdateViewerPayload) []*workspace.UserError { return r.UserErrors }),
		}),
	}
}
