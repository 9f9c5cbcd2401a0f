package importer

import (
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"taskql/internal/task"
)

// importID returns the id here of a row of the source, which is the same in every import: its own if that is a UUID, or a UUID
// derived from it (RFC 9562, version 5).
func importID(kind, owner, id string) uuid.UUID {
	if u, err := uuid.Parse(id); err == nil && u != uuid.Nil && u != uuid.Max {
		return u
	}
	return derivedID(kind, owner, id)
}

func derivedID(kind, owner, id string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("taskql:import:"+kind+"\n"+owner+"\n"+id))
}

// notes are what was left out of, or changed in, a row that is imported.
type notes []note

// note is a reason, which is the same for all rows so that they can be counted, and the value that it is about; "" if the reason
// suffices.
type note struct{ reason, value string }

func (n *notes) add(format string, args ...any) {
	*n = append(*n, note{reason: fmt.Sprintf(format, args...)})
}

// hexColor matches a color in hexadecimal as in CSS, #rrggbb or #rgb.
var hexColor = regexp.MustCompile(`^#(?:[0-9a-f]{6}|[0-9a-f]{3})$`)

// tag converts a row to a tag.
func (s *source) tag(row sourceTag, owner string) (task.ImportedTag, notes) {
	var n notes
	tag := task.ImportedTag{ID: importID("tag", owner, row.id.String), Name: oneLine(&n, "name", row.name.String)}
	tag.CreatedAt = n.time("the time it was made", s.tagCreated, row.created)
	tag.Color = n.color(row.color)
	return tag, n
}

// color converts a color; nil stands for one of the palette.
func (n *notes) color(value sql.NullString) *string {
	color := strings.ToLower(strings.TrimSpace(value.String))
	switch {
	case color == "":
		return nil
	case !hexColor.MatchString(color):
		n.add("its color is not #rrggbb: it has one of the palette")
		return nil
	case len(color) == len("#rgb"):
		color = "#" + strings.Repeat(color[1:2], 2) + strings.Repeat(color[2:3], 2) + strings.Repeat(color[3:4], 2)
	}
	return &color
}

// task converts a row to a task, and zone is the time zone of moments.
func (s *source) task(row sourceTask, owner string, zone *time.Location, c copied) (task.ImportedTask, notes) {
	var n notes
	t := task.ImportedTask{
		ID: importID("task", owner, row.id.String), Title: oneLine(&n, "title", row.title.String),
		Priority: n.priority(row.priority), Due: n.due("the time it is due", s.due, row.due),
		CreatedAt: n.time("the time it was made", s.taskCreated, row.created), UpdatedAt: n.time("the time of its last change", s.taskUpdated, row.updated),
	}
	if row.description.Valid {
		text := row.description.String
		t.Description = &text
	}
	if n.completed(row) {
		at := n.time("the time it was completed", s.completedAt, row.completedAt)
		t.CompletedAt = new(firstNonZero(at, t.UpdatedAt, t.CreatedAt))
	}
	if at := n.time("the time it was deleted", s.deletedAt, row.deletedAt); !at.IsZero() || isTrue(row.isDeleted) {
		t.DeletedAt = new(firstNonZero(at, t.UpdatedAt, t.CreatedAt))
	}
	t.Recurrence = n.recurrence(s, row, t, zone)
	t.ProjectID = n.project(row, c.projects)
	listed := map[uuid.UUID]bool{}
	for _, id := range row.tags {
		switch tag, ok := c.tags[canonicalID(id)]; {
		case !ok:
			n.add("one of its tags does not exist, or is another user's, or was not taken: it goes without")
		case !listed[tag]:
			listed[tag] = true
			t.TagIDs = append(t.TagIDs, tag)
		}
	}
	return t, n
}

// oneLine replaces line breaks and control characters by spaces, because titles and names here can't have them.
func oneLine(n *notes, what, text string) string {
	text = strings.TrimSpace(text)
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
	if line != text {
		n.add("its %s has line breaks or control characters: they are spaces now", what)
	}
	return line
}

// priority converts a number from 1 to 3 or a word. Null is no priority.
func (n *notes) priority(value sql.NullString) task.Priority {
	switch strings.ToLower(strings.TrimSpace(value.String)) {
	case "", "none":
		return task.PriorityNone
	case "1", "low":
		return task.PriorityLow
	case "2", "medium":
		return task.PriorityMedium
	case "3", "high":
		return task.PriorityHigh
	case "urgent":
		return task.PriorityUrgent
	default:
		n.add("its priority %.20q is unknown: it has none", value.String)
		return task.PriorityNone
	}
}

// due converts a due time. Midnight UTC stands for a day, because the original's day picker sent it so.
func (n *notes) due(what, column string, value sql.NullString) *task.DueInput {
	at := n.time(what, column, value)
	if at.IsZero() {
		return nil
	}
	if at.Equal(at.Truncate(24 * time.Hour)) {
		return &task.DueInput{Date: &at}
	}
	return &task.DueInput{At: &task.MomentInput{At: at}}
}

// layouts are the formats of times in columns of text.
var layouts = []string{ //nolint:gochecknoglobals // A constant table.
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly,
}

// time parses a time as table.moment returns it. It returns zero if there is none. A time without a zone is in UTC.
func (n *notes) time(what, column string, value sql.NullString) time.Time {
	text := strings.TrimSpace(value.String)
	if text == "" {
		return time.Time{}
	}
	at := parseTime(text)
	if at.Year() <= 1 || at.Year() > 9998 { // In every time zone its year has four digits.
		reason := fmt.Sprintf("%s (%s) is no time of the years 2 to 9998: it goes without", what, column)
		*n = append(*n, note{reason: reason, value: formatTime(text, at)})
		return time.Time{}
	}
	return at
}

// formatTime returns a time as the source's database writes it.
func formatTime(text string, at time.Time) string {
	if strings.HasPrefix(text, microseconds) {
		return at.Format("2006-01-02 15:04:05.999999999Z07:00")
	}
	return text
}

func parseTime(text string) time.Time {
	if number, ok := strings.CutPrefix(text, microseconds); ok {
		if micro, err := strconv.ParseInt(number, 10, 64); err == nil {
			return time.UnixMicro(micro).UTC()
		}
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// completed reports whether one of the columns says that the task is completed.
func (n *notes) completed(row sourceTask) bool {
	var yes, no bool
	for _, flag := range []sql.NullString{row.isComplete, row.completed} {
		if flag.Valid {
			yes, no = yes || isTrue(flag), no || !isTrue(flag)
		}
	}
	if row.status.Valid {
		switch strings.ToLower(strings.TrimSpace(row.status.String)) {
		case "completed", "complete", "done":
			yes = true
		case "pending", "in_progress", "todo", "open", "":
			no = true
		default:
			n.add("its status %.20q is unknown: it counts as not completed", row.status.String)
			no = true
		}
	}
	if yes && no {
		n.add("one column says that it is completed, another that it is not: it is taken as completed")
	}
	return yes
}

func isTrue(flag sql.NullString) bool {
	switch strings.ToLower(flag.String) {
	case "true", "t", "1", "yes", "y":
		return true
	default:
		return false
	}
}

// firstNonZero returns the first time that is not zero; zero, for which ImportTasks takes the current time, if there is none.
func firstNonZero(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
