package project

import (
	entproject "taskql/ent/project"
	entsection "taskql/ent/section"
)

// projectColumns and sectionColumns are the columns of the tables. The feed's tokens contain their indices: a new column goes to the
// end, and none is removed.
var (
	projectColumns = []string{ //nolint:gochecknoglobals // A table.
		entproject.FieldID, entproject.FieldWorkspaceID, entproject.FieldVersion, entproject.FieldName, entproject.FieldDescription,
		entproject.FieldColor, entproject.FieldPosition, entproject.FieldArchivedAt, entproject.FieldDeletedAt,
		entproject.FieldCreatedAt, entproject.FieldUpdatedAt,
	}
	sectionColumns = []string{ //nolint:gochecknoglobals // A table.
		entsection.FieldID, entsection.FieldWorkspaceID, entsection.FieldVersion, entsection.FieldProjectID, entsection.FieldName,
		entsection.FieldPosition, entsection.FieldCreatedAt, entsection.FieldUpdatedAt,
	}
)
