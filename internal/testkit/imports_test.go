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

// mayImport says which of our packages each of our packages may import, as ARCHITECTURE.md does. A name stands for
// the package and everything below it. A new package is added here and there.
var mayImport = map[string][]string{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"cmd/server": {
		"graph", "internal/server", "internal/config", "internal/database", "internal/doctor", "internal/importer", "internal/telemetry",
	},
	"ent":                  {"ent", "internal/viewer"},
	"graph":                {"graph", "internal/viewer", "internal/account", "internal/keyset", "internal/task", "ent"},
	"graph/scalar":         {"internal/timezone"},
	"graph/selection":      {},
	"internal/account":     {"internal/viewer", "internal/betterauth", "internal/sqlstate", "internal/timezone", "ent"},
	"internal/betterauth":  {},
	"internal/config":      {},
	"internal/database":    {"internal/database", "internal/semaphore", "internal/sqlstate", "internal/viewer", "ent"},
	"internal/devauth":     {"internal/betterauth"},
	"internal/doctor":      {"internal/betterauth", "internal/config", "internal/database"},
	"internal/fracindex":   {},
	"internal/graphqlhttp": {},
	"internal/hooks":       {},
	"internal/keyset":      {},
	"internal/importer": {
		"internal/account", "internal/betterauth", "internal/database", "internal/task", "internal/timezone", "internal/viewer", "ent",
	},
	"internal/playground": {},
	"internal/ratelimit":  {},
	"internal/semaphore":  {},
	"internal/server": {
		"graph", "ent", "internal/account", "internal/betterauth", "internal/config", "internal/database",
		"internal/devauth", "internal/graphqlhttp", "internal/hooks", "internal/playground", "internal/ratelimit", "internal/task",
		"internal/telemetry", "internal/viewer",
	},
	"internal/sqlstate":  {},
	"internal/telemetry": {},
	"internal/task": {
		"internal/fracindex", "internal/keyset", "internal/semaphore", "internal/sqlstate", "internal/text", "internal/timezone",
		"internal/viewer", "internal/workspace", "ent",
	},
	"internal/testkit":   {"internal", "ent", "graph"},
	"internal/text":      {},
	"internal/timezone":  {},
	"internal/viewer":    {},
	"internal/workspace": {"internal/viewer", "ent"},
}

// The generators that a command below one of our rooms may run on: they are not part of the server.
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
		room := roomOf(name)
		if room == "" {
			t.Errorf("%s is a new package: add it to mayImport here and to ARCHITECTURE.md", name)
			continue
		}
		allowed := mayImport[room]
		if p.Name == "main" && room != "cmd/server" {
			allowed = append(slices.Clone(allowed), generators[room]...)
		}
		for _, imported := range p.Imports {
			if own, ok := strings.CutPrefix(imported, "taskql/"); ok && !slices.ContainsFunc(allowed, func(a string) bool { return below(own, a) }) {
				t.Errorf("%s may not import %s", name, own)
			}
		}
	}
}

// roomOf is the longest name in mayImport that the package stands under.
func roomOf(name string) string {
	room := ""
	for r := range mayImport {
		if below(name, r) && len(r) > len(room) {
			room = r
		}
	}
	return room
}

func below(name, room string) bool { return name == room || strings.HasPrefix(name, room+"/") }

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
