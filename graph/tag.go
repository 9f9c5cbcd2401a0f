package graph

import (
	"context"
	"slices"
	"time"

	"taskql/ent"
	enttag "taskql/ent/tag"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

func findTags(ctx context.Context, r *rootField, ids, columns []string) (map[string]model.Node, error) {
	return asNodes(r.resolver.services.Tasks.Tags(ctx, r.viewer, ids, columns...))
}

func tagTypes() []objectType {
	types := []objectType{
		selection.Of[ent.Tag]("Tag", fields{
			"id":            leaf(func(b []byte, t *ent.Tag) []byte { return selection.AppendUUID(b, t.ID) }).From(enttag.FieldID),
			"version":       integer(func(t *ent.Tag) int { return t.Version }).From(enttag.FieldVersion),
			"name":          text(func(t *ent.Tag) string { return t.Name }).From(enttag.FieldName),
			"color":         text(func(t *ent.Tag) string { return t.Color }).From(enttag.FieldColor),
			"workspace":     selection.LoadedObject(loadWorkspaces[ent.Tag]),
			"openTaskCount": selection.LoadedLeaf(loadOpenTaskCounts, appendInt),
			"createdAt":     moment(func(t *ent.Tag) time.Time { return t.CreatedAt }).From(enttag.FieldCreatedAt),
			"updatedAt":     moment(func(t *ent.Tag) time.Time { return t.UpdatedAt }).From(enttag.FieldUpdatedAt),
		}).Row(enttag.FieldID),
		selection.Of[task.DeleteTagResult]("DeleteTagPayload", fields{
			"deletedTagId": nullable(func(r *task.DeleteTagResult) *string { return r.DeletedTagID }, selection.AppendString),
			"version":      nullable((*task.DeleteTagResult).Version, appendInt),
			"userErrors":   list(func(r *task.DeleteTagResult) []*workspace.UserError { return r.UserErrors }),
		}),
	}
	for _, verb := range []string{"Create", "Update"} {
		types = append(types, selection.Of[task.TagResult](verb+"TagPayload", fields{
			"tag":        object(func(r *task.TagResult) *ent.Tag { return r.Tag }),
			"version":    nullable((*task.TagResult).Version, appendInt),
			"userErrors": list(func(r *task.TagResult) []*workspace.UserError { return r.UserErrors }),
		}))
	}
	return slices.Concat(types, connectionTypes[ent.Tag]("Tag"))
}
