package task

import (
	"strings"

	"taskql/internal/text"
	"taskql/internal/workspace"
)

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
	if s == nil || text.IsBlank(*s) {
		return nil
	}
	if n := text.Length(*s); n > MaxDescription {
		errs.Add(workspace.CodeTooLong, "description", "A description has at most %d characters; this one has %d.", MaxDescription, n)
	}
	if strings.ContainsRune(*s, 0) {
		errs.Add(workspace.CodeInvalid, "description", "A description can't hold the character U+0000.")
	}
	return s
}
