package task

import "taskql/internal/workspace"

// The limits of texts, in characters: see text.Length.
const (
	MaxTitle       = 200
	MaxDescription = 10_000
	MaxTagName     = 50
)

// checkTitle checks and trims a title: 1 to 200 characters on one line.
func checkTitle(errs *workspace.Violations, s string) string {
	return errs.CheckLine("title", "task", s, MaxTitle)
}

// checkTagName checks and trims a tag's name: 1 to 50 characters on one line.
func checkTagName(errs *workspace.Violations, s string) string {
	return errs.CheckLine("name", "tag", s, MaxTagName)
}

// checkDescription checks a description: up to 10,000 characters. It returns nil if the description is blank.
func checkDescription(errs *workspace.Violations, s *string) *string {
	return errs.CheckText("description", s, MaxDescription)
}
