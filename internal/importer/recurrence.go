package importer

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"taskql/internal/recurrence"
	"taskql/internal/rrule"
	"taskql/internal/task"
)

// noRecurrence are the words for a task that doesn't repeat.
var noRecurrence = map[string]bool{ //nolint:gochecknoglobals // A constant table.
	"": true, "none": true, "never": true, "no": true, "false": true, "f": true, "0": true, "once": true, "null": true,
}

// recurrenceRules are the rules of the words in the column, without spaces, hyphens and underscores. The column for the interval
// multiplies the one here.
var recurrenceRules = map[string]struct { //nolint:gochecknoglobals // A constant table.
	freq     string
	interval int
	parts    string
}{
	"daily": {"DAILY", 1, ""}, "day": {"DAILY", 1, ""}, "days": {"DAILY", 1, ""}, "everyday": {"DAILY", 1, ""},
	"weekly": {"WEEKLY", 1, ""}, "week": {"WEEKLY", 1, ""}, "weeks": {"WEEKLY", 1, ""},
	"biweekly": {"WEEKLY", 2, ""}, "fortnightly": {"WEEKLY", 2, ""},
	"weekdays": {"WEEKLY", 1, ";BYDAY=MO,TU,WE,TH,FR"}, "weekday": {"WEEKLY", 1, ";BYDAY=MO,TU,WE,TH,FR"},
	"weekends": {"WEEKLY", 1, ";BYDAY=SA,SU"},
	"monthly":  {"MONTHLY", 1, ""}, "month": {"MONTHLY", 1, ""}, "months": {"MONTHLY", 1, ""},
	"quarterly": {"MONTHLY", 3, ""},
	"yearly":    {"YEARLY", 1, ""}, "year": {"YEARLY", 1, ""}, "years": {"YEARLY", 1, ""}, "annually": {"YEARLY", 1, ""}, "annual": {"YEARLY", 1, ""},
}

// recurrence converts how an open task repeats. It returns nil if the task does not, or can't here.
func (n *notes) recurrence(s *source, row sourceTask, t task.ImportedTask, zone *time.Location) *recurrence.Input {
	word := strings.ToLower(strings.TrimSpace(row.recurrence.String))
	if t.CompletedAt != nil || noRecurrence[word] || row.recurring.Valid && !isTrue(row.recurring) {
		return nil
	}
	leave := func(format string, args ...any) *recurrence.Input {
		*n = append(*n, note{reason: fmt.Sprintf(format, args...) + ": it does not repeat here", value: row.recurrence.String})
		return nil
	}
	switch {
	case t.DeletedAt != nil:
		return leave("it repeats (%s), but is in the trash", s.recurrence)
	case t.Due == nil:
		return leave("it repeats (%s), but is due at no time", s.recurrence)
	}
	start := startOf(t.Due, zone)
	text, ok := ruleOf(word, row, start.Date)
	if !ok {
		return leave("its recurrence (%s) is unknown", s.recurrence)
	}
	if until := n.due("the time it repeats until", s.recurrenceEnd, row.recurrenceEnd); until != nil {
		text += ";UNTIL=" + startOf(until, zone).Date.Format("20060102")
	}
	rule, err := rrule.Parse(text)
	if err == nil {
		err = rule.CheckStart(start)
	}
	if refused := (*rrule.Error)(nil); errors.As(err, &refused) {
		return leave("its recurrence (%s) can't be used: %s", s.recurrence, strings.TrimSuffix(refused.Message, "."))
	}
	if !rule.Meets(start) {
		return leave("its recurrence (%s) leaves out the day on which it is due", s.recurrence)
	}
	return &recurrence.Input{Rule: rule.String(), Mode: recurrence.Schedule, CatchUp: recurrence.NextFuture}
}

// startOf returns when a series starts.
func startOf(due *task.DueInput, zone *time.Location) rrule.Time {
	if due.Date != nil {
		return rrule.Time{Date: *due.Date}
	}
	year, month, day := due.At.At.In(zone).Date()
	return rrule.Time{Date: time.Date(year, month, day, 0, 0, 0, 0, time.UTC), At: &due.At.At, Zone: zone}
}

// ruleOf returns the rule of a word, or of a text that is a rule. Where a month is too short, it has the month's last day, as in
// programs that add months to a time.
func ruleOf(word string, row sourceTask, start time.Time) (string, bool) {
	if rule := strings.TrimPrefix(word, "rrule:"); strings.HasPrefix(rule, "freq=") {
		return rule, true
	}
	known, ok := recurrenceRules[strings.NewReplacer(" ", "", "-", "", "_", "").Replace(word)]
	if !ok {
		return "", false
	}
	interval, ok := intervalOf(row.recurrenceInterval)
	if !ok {
		return "", false
	}
	rule := fmt.Sprintf("FREQ=%s;INTERVAL=%d%s", known.freq, interval*known.interval, known.parts)
	switch day := start.Day(); {
	case known.freq == "MONTHLY" && day > 28:
		rule += fmt.Sprintf(";BYMONTHDAY=%d;SKIP=BACKWARD", day)
	case known.freq == "YEARLY" && day == 29 && start.Month() == time.February:
		rule += ";BYMONTH=2;BYMONTHDAY=29;SKIP=BACKWARD"
	}
	return rule, true
}

// intervalOf reads the column for every how many days, weeks, months or years. Null is 1.
func intervalOf(value sql.NullString) (int, bool) {
	text := strings.TrimSpace(value.String)
	if text == "" {
		return 1, true
	}
	interval, err := strconv.Atoi(text)
	return interval, err == nil && interval >= 1 && interval <= rrule.MaxInterval
}
