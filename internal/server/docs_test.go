package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"taskql/internal/websocket"
)

// TestReasonsAreDocumented compares the table in docs/authentication.md with the reasons in the code.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(doc), "## Refusal reasons and what to do")
	if !ok {
		t.Fatal("the section is gone")
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|(.*)$").FindAllStringSubmatch(table, -1) {
		documented = append(documented, row[1])
		if cells := strings.Count(row[2], " |"); cells != 3 {
			t.Errorf("%s has %d cells, want client, cause and cure", row[1], cells)
		}
	}
	want := append(reasons(t), reasonCSRF, reasonUserErased, reasonTicket)
	slices.Sort(want)
	slices.Sort(documented)
	if !slices.Equal(want, documented) {
		t.Errorf("the document has %q\nthe code has   %q", documented, want)
	}
	text, _, _ := strings.Cut(table, "are logged as")
	_, text, _ = strings.Cut(text, "\nThe reasons ")
	var warnings []string
	for _, match := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(text, -1) {
		warnings = append(warnings, match[1])
	}
	slices.Sort(warnings)
	want = slices.DeleteFunc(want, func(reason string) bool { return refusalLevel(reason) != slog.LevelWarn })
	if !slices.Equal(want, warnings) {
		t.Errorf("the document has the warnings %q\nthe code has                %q", warnings, want)
	}
}

// reasons returns the constants of type Reason in betterauth's source.
func reasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../betterauth/refusal.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != "Reason" {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, value)
		return true
	})
	return found
}

// TestStreamsAreDocumented compares the tables of docs/live.md with the close codes in the code and the schema's reasons for
// resets.
func TestStreamsAreDocumented(t *testing.T) {
	t.Parallel()
	doc := readDoc(t, "../../docs/live.md")
	_, doc, ok := strings.Cut(doc, "## Errors and close codes")
	if !ok {
		t.Fatal("the section is gone")
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([0-9, ]+) \|`).FindAllStringSubmatch(doc, -1) {
		for code := range strings.SplitSeq(row[1], ", ") {
			documented[code] = true
		}
	}
	codes := regexp.MustCompile(`(?m)^\tstatus\w+\s+websocket\.Status = (\d+)`).FindAllStringSubmatch(readDoc(t, "../graphqlhttp/websocket.go"), -1)
	if len(codes) < 7 {
		t.Errorf("only %d codes of the protocol found", len(codes))
	}
	for _, code := range []websocket.Status{
		websocket.StatusNormal, websocket.StatusProtocolError, websocket.StatusUnsupported, websocket.StatusInvalidText,
		websocket.StatusPolicy, websocket.StatusTooBig, websocket.StatusInternal, websocket.StatusRestart, websocket.StatusTryLater,
	} {
		codes = append(codes, []string{"", strconv.Itoa(int(code))})
	}
	for _, code := range codes {
		if !documented[code[1]] {
			t.Errorf("docs/live.md doesn't say when a WebSocket is closed with %s", code[1])
		}
		delete(documented, code[1])
	}
	for left := range documented {
		t.Errorf("docs/live.md has the close code %s, which is not in the code", left)
	}

	_, enum, _ := strings.Cut(readDoc(t, "../../docs/schema/schema.graphql"), "enum ResetReason {")
	enum, _, _ = strings.Cut(enum, "\n}")
	reasons := regexp.MustCompile(`(?m)^  ([A-Z_]+)$`).FindAllStringSubmatch(enum, -1)
	if len(reasons) < 5 {
		t.Errorf("only %d reasons for resets found", len(reasons))
	}
	for _, reason := range reasons {
		if !strings.Contains(doc, "| `"+reason[1]+"` |") {
			t.Errorf("docs/live.md doesn't explain the reset %s", reason[1])
		}
	}
}

func readDoc(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
