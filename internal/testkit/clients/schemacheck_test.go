package clients_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"taskql/internal/testkit"
)

const released = `
type Query { a(x: Int, y: Int = 1): String  b: Int  c: Thing  d(i: In, o: One): E }
interface Thing { id: ID! }
type T implements Thing { id: ID! }
type S { id: ID! }
union U = T | S
enum E { ONE TWO }
input In { x: Int  y: Int = 1  z: Int }
input One { x: Int }
scalar Old
`

// TestSchemaCheck: every kind of breaking change fails, unless it is written down with a reason; dangerous ones are
// told; harmless ones pass.
func TestSchemaCheck(t *testing.T) {
	t.Parallel()
	dir := testkit.NodePackages(t, "clients")
	for _, tt := range []struct {
		name, old, new string // what replaces what in the released schema
		code           int
		want           string // a part of the output
	}{
		{"nothing", "", "", 0, ""},
		{"field added", "b: Int", "b: Int more: Int", 0, ""},
		{"type removed", "scalar Old", "", 1, "breaking: Old was removed."},
		{"field removed", "b: Int", "", 1, "breaking: Query.b was removed."},
		{"field's type changed", "b: Int", "b: String", 1, "breaking: Query.b changed type from Int to String."},
		{"field made nullable", "type S { id: ID! }", "type S { id: ID }", 1, "breaking: S.id changed type from ID! to ID."},
		{"argument removed", "a(x: Int, ", "a(", 1, "breaking: Query.a arg x was removed."},
		{"argument made required", "x: Int, y", "x: Int!, y", 1, "breaking: Query.a arg x has changed type from Int to Int!."},
		{"required argument added", "b: Int", "b(n: Int!): Int", 1, "breaking: A required arg n on Query.b was added."},
		{"enum value removed", "ONE TWO", "ONE", 1, "breaking: TWO was removed from enum type E."},
		{"input field removed", "  z: Int }", "}", 1, "breaking: In.z was removed."},
		{"input field made required", "z: Int", "z: Int!", 1, "breaking: In.z changed type from Int to Int!."},
		{"required input field added", "z: Int", "z: Int w: Int!", 1, "breaking: A required field w on input type In was added."},
		{"union member removed", "T | S", "T", 1, "breaking: S was removed from union type U."},
		{"interface removed", "T implements Thing", "T", 1, "breaking: T no longer implements interface Thing."},
		{"kind changed", "scalar Old", "enum Old { A }", 1, "breaking: Old changed from a Scalar type to an Enum type."},
		{"one of", "input One {", "input One @oneOf {", 1, "breaking: One became @oneOf."},
		{"enum value added", "ONE TWO", "ONE TWO THREE", 0, "dangerous: THREE was added to enum type E."},
		{"union member added", "union U = T", "type N { id: ID! } union U = N | T", 0, "dangerous: N was added to union type U."},
		{"optional argument added", "b: Int", "b(n: Int): Int", 0, "dangerous: An optional arg n on Query.b was added."},
		{"argument's default changed", "y: Int = 1):", "y: Int = 2):", 0, "dangerous: Query.a arg y has changed defaultValue from 1 to 2."},
		{"input field's default changed", "y: Int = 1  z", "y: Int = 2  z", 0, "dangerous: In.y has changed its default from 1 to 2."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(released, tt.old) {
				t.Fatalf("no %q in the schema", tt.old)
			}
			after := strings.Replace(released, tt.old, tt.new, 1)
			code, out := schemaCheck(t, dir, after, "")
			if code != tt.code || !strings.Contains(out, tt.want) || (tt.want == "" && out != "") {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tt.code, tt.want, out)
			}
		})
	}
}

// TestBreakingChangeIsWrittenDown checks that a breaking change is accepted only with a reason, and only if it was
// made.
func TestBreakingChangeIsWrittenDown(t *testing.T) {
	t.Parallel()
	dir := testkit.NodePackages(t, "clients")
	after := strings.Replace(released, "scalar Old", "", 1)
	for _, tt := range []struct {
		accepted string
		code     int
		want     string
	}{
		{"- `Old was removed.` Nobody used it.\n", 0, "accepted: Old was removed."},
		{"- `Old was removed.`\n", 1, "without a reason: Old was removed."},
		{"- `Old was removed.` Nobody used it.\n- `Query.b was removed.` So.\n", 1, "written down, but not made: Query.b was removed."},
	} {
		if code, out := schemaCheck(t, dir, after, tt.accepted); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s", tt.accepted, code, tt.code, tt.want, out)
		}
	}
}

// TestReleasedContract is the check itself, on the committed files.
func TestReleasedContract(t *testing.T) {
	t.Parallel()
	dir := testkit.NodePackages(t, "clients")
	code, out := node(t, dir, "schema-check.mjs",
		"../../../docs/schema/released.graphql", "../../../docs/schema/schema.graphql", "../../../docs/schema/breaking.md")
	if code != 0 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func schemaCheck(t *testing.T, dir, after, accepted string) (int, string) {
	t.Helper()
	tmp := t.TempDir()
	args := []string{"schema-check.mjs"}
	for _, file := range []struct{ name, text string }{{"released", released}, {"present", after}, {"accepted", accepted}} {
		path := filepath.Join(tmp, file.name)
		if err := os.WriteFile(path, []byte(file.text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	return node(t, dir, args...)
}

// node runs a script to its end and returns its exit code and what it printed.
func node(t *testing.T, dir string, args ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}
