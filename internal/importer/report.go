package importer

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"taskql/internal/project"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// maxExamples is how many rows the report lists for each reason, unless it is verbose.
const maxExamples = 10

// report collects the results of an import.
type report struct {
	dryRun, verbose bool

	users        int
	taken, known map[string]int // by kind: "task", "tag" or "category"
	refused      findings       // not taken
	changed      findings       // taken, but not as it was
	strays       []string
}

func newReport(dryRun, verbose bool) *report {
	return &report{
		dryRun: dryRun, verbose: verbose, taken: map[string]int{}, known: map[string]int{},
		refused: findings{}, changed: findings{},
	}
}

// findings are the affected rows by finding.
type findings map[finding][]affectedRow

// finding is a kind of rows and a reason why they were not imported, or were changed.
type finding struct{ kind, reason string }

// affectedRow is the id of a row, and the value that the finding is about; "" if the finding suffices.
type affectedRow struct{ id, value string }

// String returns the id, and the value if there is one.
func (a affectedRow) String() string {
	if a.value == "" {
		return quote(a.id)
	}
	return quote(a.id) + ": " + quote(a.value)
}

// quote returns s in quotes, which make spaces and control characters visible. It shortens long texts.
func quote(s string) string {
	const maxBytes = 80
	if len(s) > maxBytes {
		return strconv.Quote(s[:maxBytes]) + "…"
	}
	return strconv.Quote(s)
}

func (f findings) add(kind, id string, n note) {
	key := finding{kind, n.reason}
	f[key] = append(f[key], affectedRow{id, n.value})
}

func (r *report) refuse(kind, id, reason string) { r.refused.add(kind, id, note{reason: reason}) }

// note adds the changes of a row that was imported.
func (r *report) note(kind, id string, noted notes) {
	for _, n := range noted {
		r.changed.add(kind, id, n)
	}
}

func (r *report) orphan(what string, n int) {
	r.strays = append(r.strays, fmt.Sprintf("%d %s", n, what))
}

// add adds the result of a row.
func (r *report) add(kind, id string, outcome task.ImportOutcome, noted notes) {
	switch {
	case len(outcome.Problems) > 0:
		for _, p := range outcome.Problems {
			r.refuse(kind, id, problemReason(kind, p))
		}
		return
	case outcome.Known:
		r.known[kind]++
		return
	}
	r.taken[kind]++
	r.note(kind, id, noted)
}

// problemReason returns a reason that is the same for all rows with this problem: without the row's own numbers.
func problemReason(kind string, p *workspace.UserError) string {
	field := ""
	if len(p.Field) > 1 {
		field = strings.Join(p.Field[1:], ".")
	}
	switch {
	case p.Code == workspace.CodeBlank:
		return "its " + field + " is blank"
	case p.Code == workspace.CodeTooLong && field == "title":
		return fmt.Sprintf("its title has more than %d characters", task.MaxTitle)
	case p.Code == workspace.CodeTooLong && field == "name" && kind == "category":
		return fmt.Sprintf("its name has more than %d characters", project.MaxName)
	case p.Code == workspace.CodeTooLong && field == "name":
		return fmt.Sprintf("its name has more than %d characters", task.MaxTagName)
	case p.Code == workspace.CodeTooLong && field == "description":
		return fmt.Sprintf("its description has more than %d characters", task.MaxDescription)
	case p.Code == workspace.CodeTaken:
		return "its id is in use here, for something of another user"
	default:
		return p.Message
	}
}

func (r *report) incomplete() bool {
	return len(r.refused) > 0 || len(r.changed) > 0 || len(r.strays) > 0
}

// write writes the report.
func (r *report) write(w io.Writer) error {
	var b strings.Builder
	if r.dryRun {
		b.WriteString("Dry run: nothing was changed. This is what would become of everything.\n")
	}
	counts := func(of map[string]int) string {
		return fmt.Sprintf("%d tasks, %d tags and %d categories", of["task"], of["tag"], of["category"])
	}
	fmt.Fprintf(&b, "%d users: %s taken; %s were here already, by id or by name\n", r.users, counts(r.taken), counts(r.known))
	r.refused.write(&b, "\nNot taken:\n", r.verbose)
	if len(r.strays) > 0 {
		if len(r.refused) == 0 {
			b.WriteString("\nNot taken:\n")
		}
		slices.Sort(r.strays)
		for _, s := range r.strays {
			fmt.Fprintf(&b, "  %s\n", s)
		}
	}
	r.changed.write(&b, "\nTaken, but not as they were:\n", r.verbose)
	if len(r.refused) > 0 {
		b.WriteString("\nMend these in the source and give the same command again: what is here already stays as it is.\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (f findings) write(b *strings.Builder, title string, all bool) {
	if len(f) == 0 {
		return
	}
	b.WriteString(title)
	keys := make([]finding, 0, len(f))
	for k := range f {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b finding) int { return strings.Compare(a.kind+a.reason, b.kind+b.reason) })
	for _, k := range keys {
		rows := f[k]
		fmt.Fprintf(b, "  %d %s: %s\n", len(rows), plural(k.kind, len(rows)), k.reason)
		shown := len(rows)
		if !all {
			shown = min(shown, maxExamples)
		}
		for _, row := range rows[:shown] {
			fmt.Fprintf(b, "    %s\n", row)
		}
		if more := len(rows) - shown; more > 0 {
			fmt.Fprintf(b, "    and %d more, which --verbose lists\n", more)
		}
	}
}

func plural(kind string, n int) string {
	switch {
	case n == 1:
		return kind
	case kind == "category":
		return "categories"
	default:
		return kind + "s"
	}
}
