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

// idOf is the id that a thing of the source has here, always the same: its own where that is a UUID, else one made of
// it (RFC 9562, version 5).
func idOf(kind, owner, id string) uuid.UUID {
	if u, err := uuid.Parse(id); err == nil && u != uuid.Nil && u != uuid.Max {
		return u
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("taskql:import:"+kind+"\n"+owner+"\n"+id))
}

// notes are what was left out of, or changed in, a thing that is taken.
type notes []note

// note is a sentence without the thing's own values, so that those of many can be counted, and the value that it is about,
// "" if the sentence tells enough.
type note struct{ reason, value string }

func (n *notes) add(format string, args ...any) {
	*n = append(*n, note{reason: fmt.Sprintf(format, args...)})
}

// hexColor is a color as stylesheets write it, in the long or the short way.
var hexColor = regexp.MustCompile(`^#(?:[0-9a-f]{6}|[0-9a-f]{3})$`)

// tag makes a tag of a row.
func (s *source) tag(row sourceTag, owner string) (task.ImportedTag, notes) {
	var n notes
	tag := task.ImportedTag{ID: idOf("tag", owner, row.id.String), Name: oneLine(&n, "name", row.name.String)}
	tag.CreatedAt = n.time("the time it was made", s.tagCreated, row.created)
	if color := strings.ToLower(strings.TrimSpace(row.color.String)); color != "" {
		switch {
		case !hexColor.MatchString(color):
			n.add("its color is not #rrggbb: it has one of the palette")
		case len(color) == len("#rgb"):
			color = "#" + strings.Repeat(color[1:2], 2) + strings.Repeat(color[2:3], 2) + strings.Repeat(color[3:4], 2)
			fallthrough
		default:
			tag.Color = &color
		}
	}
	return tag, n
}

// task makes a task of a row. tags are the ids here of the owner's tags, by those they have there.
func (s *source) task(row sourceTask, owner string, tags map[string]uuid.UUID) (task.ImportedTask, notes) {
	var n notes
	t := task.ImportedTask{
		ID: idOf("task", owner, row.id.String), Title: oneLine(&n, "title", row.title.String),
		Priority: n.priority(row.priority), Due: n.due(s.due, row.due),
		CreatedAt: n.time("the time it was made", s.taskCreated, row.created), UpdatedAt: n.time("the time of its last change", s.taskUpdated, row.updated),
	}
	if row.description.Valid {
		text := row.description.String
		t.Description = &text
	}
	if n.completed(row) {
		at := n.time("the time it was completed", s.completedAt, row.completedAt)
		t.CompletedAt = new(firstTime(at, t.UpdatedAt, t.CreatedAt))
	}
	if at := n.time("the time it was deleted", s.deletedAt, row.deletedAt); !at.IsZero() || isTrue(row.isDeleted) {
		t.DeletedAt = new(firstTime(at, t.UpdatedAt, t.CreatedAt))
	}
	listed := map[uuid.UUID]bool{}
	for _, id := range row.tags {
		switch tag, ok := tags[canonical(id)]; {
		case !ok:
			n.add("one of its tags does not exist, or is another user's, or was not taken: it goes without")
		case !listed[tag]:
			listed[tag] = true
			t.TagIDs = append(t.TagIDs, tag)
		}
	}
	return t, n
}

// oneLine puts a text on one line: titles and names have no line breaks here.
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

// priority reads a number, 1 to 3, or a word; null is none.
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

// due reads when it is due. Midnight UTC is a day: that is how the day picker of the original's pages sent it.
func (n *notes) due(column string, value sql.NullString) *task.DueInput {
	at := n.time("the time it is due", column, value)
	if at.IsZero() {
		return nil
	}
	if at.Equal(at.Truncate(24 * time.Hour)) {
		return &task.DueInput{Date: &at}
	}
	return &task.DueInput{At: &task.MomentInput{At: at}}
}

// layouts are how times may be written in columns of text.
var layouts = []string{ //nolint:gochecknoglobals // A constant table.
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly,
}

// time reads a moment as table.moment writes it; zero where there is none. One without a zone is UTC.
func (n *notes) time(what, column string, value sql.NullString) time.Time {
	text := strings.TrimSpace(value.String)
	if text == "" {
		return time.Time{}
	}
	at := parseTime(text)
	if at.Year() <= 1 || at.Year() > 9998 { // A day more or less, in whatever zone, is still a year of four digits.
		reason := fmt.Sprintf("%s (%s) is no time of the years 2 to 9998: it goes without", what, column)
		*n = append(*n, note{reason: reason, value: written(text, at)})
		return time.Time{}
	}
	return at
}

// written is a time as the source's database writes it.
func written(text string, at time.Time) string {
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

// completed looks at each of the columns that may say so.
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

// firstTime is the first that is one, else zero: then it is the time of the import.
func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
