package project

import (
	"context"
	"fmt"

	entproject "taskql/ent/project"
	entsection "taskql/ent/section"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// feedKinds returns what projects and sections add to the feed of changes.
func (s *Service) feedKinds() []workspace.FeedKind {
	return []workspace.FeedKind{
		{Kind: workspace.KindProject, Order: 5, Table: entproject.Table, Columns: projectColumns, Read: s.changedProjects},
		{Kind: workspace.KindSection, Order: 6, Table: entsection.Table, Columns: sectionColumns, Read: s.changedSections},
	}
}

// changedProjects reads projects for the feed, those that are archived or in the trash included.
func (s *Service) changedProjects(ctx context.Context, v viewer.Viewer, in workspace.FeedRange, columns []string) ([]workspace.FeedRow, bool, error) {
	q := s.client.Project.Query().Where(workspace.Scope(v), in.Restrict)
	if len(columns) > 0 {
		q.Select(workspace.FeedColumns(columns)...)
	}
	projects, err := q.All(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("reading projects: %w", err)
	}
	rows := make([]workspace.FeedRow, 0, in.Limit)
	left := in.TextBytes
	for _, p := range projects {
		if p.Description != nil {
			left -= len(*p.Description)
		}
		if len(rows) == in.Limit || in.TextBytes > 0 && left < 0 && len(rows) > 0 {
			return rows, true, nil
		}
		rows = append(rows, workspace.FeedRow{Version: p.Version, ID: p.ID, UpdatedAt: p.UpdatedAt, Value: p})
	}
	return rows, false, nil
}

// changedSections reads sections for the feed.
func (s *Service) changedSections(ctx context.Context, v viewer.Viewer, in workspace.FeedRange, columns []string) ([]workspace.FeedRow, bool, error) {
	q := s.client.Section.Query().Where(workspace.Scope(v), in.Restrict)
	if len(columns) > 0 {
		q.Select(workspace.FeedColumns(columns)...)
	}
	sections, err := q.All(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("reading sections: %w", err)
	}
	rows := make([]workspace.FeedRow, min(len(sections), in.Limit))
	for i := range rows {
		rows[i] = workspace.FeedRow{Version: sections[i].Version, ID: sections[i].ID, UpdatedAt: sections[i].UpdatedAt, Value: sections[i]}
	}
	return rows, len(sections) > in.Limit, nil
}
