package testkit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// entity lists what the package of every versioned entity may import. It may not import another entity's.
var entity = []string{ //nolint:gochecknoglobals // As below.
	"internal/keyset", "internal/sqlstate", "internal/text", "internal/viewer", "internal/workspace", "ent",
}

// mayImport lists the packages of ours that each of our packages may import. A name includes all packages below it.
// ARCHITECTURE.md describes the same, and new packages are added to both.
var mayImport = map[string][]string{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"cmd/server": {
		"graph", "internal/server", "internal/config", "internal/database", "internal/doctor", "internal/importer", "internal/telemetry",
	},
	"ent":                  {"ent", "internal/viewer"},
	"graph":                {"graph", "internal/viewer", "internal/access", "internal/account", "internal/feed", "internal/history", "internal/keyset", "internal/listdiff", "internal/live", "internal/project", "internal/recurrence", "internal/reminder", "internal/task", "internal/workspace", "ent"},
	"graph/scalar":         {"internal/timezone"},
	"graph/selection":      {},
	"internal/access":      {"internal/sqlstate", "internal/viewer", "internal/workspace", "ent"},
	"internal/account":     {"internal/viewer", "internal/betterauth", "internal/sqlstate", "internal/timezone", "internal/workspace", "ent"},
	"internal/betterauth":  {},
	"internal/config":      {},
	"internal/database":    {"internal/database", "internal/semaphore", "internal/sqlstate", "internal/viewer", "ent"},
	"internal/devauth":     {"internal/betterauth"},
	"internal/doctor":      {"internal/betterauth", "internal/config", "internal/database", "internal/feed"},
	"internal/feed":        {"internal/keyset", "internal/sqlstate", "internal/viewer", "internal/workspace"},
	"internal/fracindex":   {},
	"internal/graphqlhttp": {"internal/streamconn", "internal/websocket"},
	"internal/history":     {"internal/keyset", "internal/viewer", "internal/workspace", "ent"},
	"internal/hooks":       {},
	"internal/keyset":      {},
	"internal/importer": {
		"internal/account", "internal/betterauth", "internal/database", "internal/project", "internal/recurrence", "internal/rrule", "internal/task",
		"internal/text", "internal/timezone", "internal/viewer", "internal/workspace", "ent",
	},
	"internal/listdiff":   {},
	"internal/live":       {},
	"internal/playground": {},
	"internal/project":    slices.Concat(entity, []string{"internal/fracindex"}),
	"internal/ratelimit":  {},
	"internal/rrule":      {},
	"internal/recurrence": slices.Concat(entity, []string{"internal/rrule", "internal/timezone"}),
	"internal/reminder":   slices.Concat(entity, []string{"internal/rrule", "internal/timezone"}),
	"internal/semaphore":  {},
	"internal/server": {
		"graph", "ent", "internal/access", "internal/account", "internal/betterauth", "internal/config", "internal/database",
		"internal/devauth", "internal/feed", "internal/graphqlhttp", "internal/history", "internal/hooks", "internal/live", "internal/playground", "internal/project", "internal/ratelimit", "internal/recurrence", "internal/reminder",
		"internal/streamconn", "internal/task", "internal/telemetry", "internal/ticket", "internal/viewer", "internal/workspace",
	},
	"internal/sqlstate":   {},
	"internal/streamconn": {},
	"internal/telemetry":  {},
	"internal/task":       slices.Concat(entity, []string{"internal/fracindex", "internal/history", "internal/project", "internal/recurrence", "internal/reminder", "internal/rrule", "internal/timezone"}),
	"internal/testkit":    {"internal", "ent", "graph"},
	"internal/text":       {},
	"internal/ticket":     {"internal/viewer", "ent"},
	"internal/timezone":   {},
	"internal/viewer":     {},
	"internal/websocket":  {"internal/streamconn"},
	"internal/workspace":  {"internal/semaphore", "internal/sqlstate", "internal/text", "internal/viewer", "ent"},
}

// generators lists what commands below a package may import in addition. They are not part of the server.
var generators = map[string][]string{ //nolint:gochecknoglobals // As above.
	"internal/database": {"internal/testkit"},
}

type goPackage struct {
	ImportPath, Name string
	Imports          []string
}

func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range ownPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, "taskql/")
		entry := entryOf(name)
		if entry == "" {
			t.Errorf("%s is a new package: add it to mayImport here and to ARCHITECTURE.md", name)
			continue
		}
		allowed := mayImport[entry]
		if p.Name == "main" && entry != "cmd/server" {
			allowed = append(slices.Clone(allowed), generators[entry]...)
		}
		for _, imported := range p.Imports {
			if own, ok := strings.CutPrefix(imported, "taskql/"); ok && !slices.ContainsFunc(allowed, func(a string) bool { return below(own, a) }) {
				t.Errorf("%s may not import %s", name, own)
			}
		}
	}
}

// entryOf returns the longest name in mayImport that includes the package, or "" if there is none.
func entryOf(name string) string {
	entry := ""
	for candidate := range mayImport {
		if below(name, candidate) && len(candidate) > len(entry) {
			entry = candidate
		}
	}
	return entry
}

// below reports whether a package is the other one or below it.
func below(name, other string) bool { return name == other || strings.HasPrefix(name, other+"/") }

// ownPackages returns the packages of this module.
func ownPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Imports", "taskql/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
