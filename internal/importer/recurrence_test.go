package importer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"taskql/ent"
	"taskql/ent/occurrence"
	enttask "taskql/ent/task"
	"taskql/internal/importer"
	"taskql/internal/viewer"
)

// A sibling of the original whose tasks repeat. The 30th and 31st of March 2026 are Monday and Tuesday.
const recurringSource = `
CREATE TABLE tasks (id text, title text, user_id text, completed boolean, deleted_at timestamptz, due_date timestamptz, is_recurring boolean,
  recurrence_pattern text, recurrence_interval int, recurrence_end_date timestamptz);
INSERT INTO tasks (id, user_id, title, due_date, is_recurring, recurrence_pattern, recurrence_interval, recurrence_end_date) VALUES
  ('01', 'ada', 'daily', '2026-03-30 00:00:00+00', true, 'daily', NULL, NULL),
  ('02', 'ada', 'moment', '2026-03-31 09:30:00+00', true, 'Weekly ', 2, NULL),
  ('03', 'ada', 'month end', '2026-03-31 00:00:00+00', NULL, 'MONTHLY', NULL, NULL),
  ('04', 'ada', 'month', '2026-03-15 00:00:00+00', NULL, 'monthly', 3, '2026-12-31 00:00:00+00'),
  ('05', 'ada', 'leap day', '2028-02-29 00:00:00+00', NULL, 'yearly', NULL, NULL),
  ('06', 'ada', 'weekdays', '2026-03-31 00:00:00+00', NULL, 'weekdays', NULL, NULL),
  ('07', 'ada', 'fortnightly', '2026-03-31 00:00:00+00', NULL, 'bi-weekly', NULL, NULL),
  ('08', 'ada', 'a rule', '2026-03-31 00:00:00+00', NULL, 'RRULE:FREQ=MONTHLY;BYDAY=-1TU', NULL, NULL),
  ('09', 'ada', 'none', '2026-03-31 00:00:00+00', NULL, 'none', NULL, NULL),
  ('10', 'ada', 'off', '2026-03-31 00:00:00+00', false, 'daily', NULL, NULL),
  ('11', 'ada', 'no due', NULL, true, 'daily', NULL, NULL),
  ('12', 'ada', 'cron', '2026-03-31 00:00:00+00', true, '0 9 * * 1', NULL, NULL),
  ('13', 'ada', 'interval', '2026-03-31 00:00:00+00', true, 'daily', 0, NULL),
  ('14', 'ada', 'Sunday', '2026-03-29 00:00:00+00', true, 'weekdays', NULL, NULL),
  ('15', 'ada', 'over', '2026-03-31 00:00:00+00', true, 'daily', NULL, '2026-03-01 00:00:00+00'),
  ('16', 'ada', 'hourly', '2026-03-31 00:00:00+00', true, 'FREQ=HOURLY', NULL, NULL);
INSERT INTO tasks (id, user_id, title, due_date, recurrence_pattern, completed, deleted_at) VALUES
  ('17', 'ada', 'completed', '2026-03-31 00:00:00+00', 'daily', true, NULL), ('18', 'ada', 'deleted', '2026-03-31 00:00:00+00', 'daily', false, '2026-04-01 00:00:00+00');`

const recurringWant = `daily: FREQ=DAILY from 2026-03-30, 1 is open
moment: FREQ=WEEKLY;INTERVAL=2 from 2026-03-31 09:30 UTC, 1 is open
month end: FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1 from 2026-03-31, 1 is open
month: FREQ=MONTHLY;INTERVAL=3;UNTIL=20261231 from 2026-03-15, 1 is open
leap day: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1 from 2028-02-29, 1 is open
weekdays: FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR from 2026-03-31, 1 is open
fortnightly: FREQ=WEEKLY;INTERVAL=2 from 2026-03-31, 1 is open
a rule: FREQ=MONTHLY;BYDAY=-1TU from 2026-03-31, 1 is open
none
off
no due
cron
interval
Sunday
over
hourly
completed
deleted
`

// The column may have another name, and say only that a task repeats.
const recurringFlag = `
CREATE TABLE tasks (id int, title text, user_id text, due_date date, recurring text);
INSERT INTO tasks VALUES (1, 'every day', 'ada', '2026-03-30', 'Every day'), (2, 'somehow', 'ada', '2026-03-30', 'true'), (3, 'not', 'ada', '2026-03-30', 'false');`

func TestRecurrenceFlag(t *testing.T) {
	t.Parallel()
	from := createSource(t, recurringFlag)
	eachTarget(t, func(t *testing.T, to target) {
		report, err := to.run(t, importer.Config{From: from})
		if !errors.Is(err, importer.ErrIncomplete) || !strings.Contains(report, "1 task: its recurrence (recurring) is unknown: it does not repeat here\n    \"2\": \"true\"") {
			t.Errorf("%v\n%s", err, report)
		}
		if got, want := to.recurrences(t), "every day: FREQ=DAILY from 2026-03-30, 1 is open\nsomehow\nnot\n"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// Tasks that repeat become series; what can't is reported, and the task is imported all the same.
func TestRecurrences(t *testing.T) {
	t.Parallel()
	from := createSource(t, recurringSource)
	eachTarget(t, func(t *testing.T, to target) {
		for _, dry := range []bool{true, false} {
			report, err := to.run(t, importer.Config{From: from, Users: []string{"ada"}, DryRun: dry, Verbose: true})
			if !errors.Is(err, importer.ErrIncomplete) {
				t.Fatalf("dry run %v: %v\n%s", dry, err, report)
			}
			for _, want := range []string{
				"18 tasks",
				"1 task: it repeats (recurrence_pattern), but is due at no time: it does not repeat here\n    \"11\": \"daily\"",
				"2 tasks: its recurrence (recurrence_pattern) is unknown: it does not repeat here\n    \"12\": \"0 9 * * 1\"\n    \"13\": \"daily\"",
				"1 task: its recurrence (recurrence_pattern) leaves out the day on which it is due: it does not repeat here\n    \"14\": \"weekdays\"",
				"1 task: its recurrence (recurrence_pattern) can't be used: UNTIL is before the start, so the rule has no occurrence: choose a later UNTIL: it does not repeat here\n    \"15\"",
				"1 task: its recurrence (recurrence_pattern) can't be used: FREQ is DAILY, WEEKLY, MONTHLY or YEARLY",
				"1 task: it repeats (recurrence_pattern), but is in the trash: it does not repeat here\n    \"18\"",
			} {
				if !strings.Contains(report, want) {
					t.Errorf("dry run %v: the report lacks %q:\n%s", dry, want, report)
				}
			}
		}
		if got := to.recurrences(t); got != recurringWant {
			t.Errorf("got\n%s\nwant\n%s", got, recurringWant)
		}
	})
}

// recurrences returns how the tasks repeat.
func (to target) recurrences(t *testing.T) string {
	t.Helper()
	ctx := viewer.AsSystem(t.Context())
	var b strings.Builder
	for _, e := range to.client.Task.Query().Order(ent.Asc(enttask.FieldPosition)).AllX(ctx) {
		b.WriteString(e.Title)
		if e.RecurrenceID != nil {
			r := to.client.Recurrence.GetX(ctx, *e.RecurrenceID)
			fmt.Fprintf(&b, ": %s from %s", r.Rule, r.StartDate.Format("2006-01-02"))
			if r.StartAt != nil {
				fmt.Fprintf(&b, " %s %s", r.StartAt.UTC().Format("15:04"), *r.TimeZone)
			}
			open := to.client.Occurrence.Query().Where(occurrence.RecurrenceID(r.ID)).OnlyX(ctx)
			fmt.Fprintf(&b, ", %d is %s", *e.OccurrenceNumber, strings.ToLower(open.Outcome))
		}
		b.WriteString("\n")
	}
	return b.String()
}
