package timezone_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskql/internal/timezone"
)

// All names load, in any case.
func TestNames(t *testing.T) {
	t.Parallel()
	names := timezone.Names()
	if len(names) < 590 {
		t.Errorf("%d names", len(names))
	}
	for _, name := range names {
		for _, written := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			location, err := timezone.Load(written)
			if err != nil || location.String() != name {
				t.Errorf("%s: got %v, %v; want %s", written, location, err, name)
			}
		}
	}
	// Names that PostgreSQL and clients use.
	for written, want := range map[string]string{
		"asia/karachi": "Asia/Karachi", "utc": "UTC", "ETC/gmt+5": "Etc/GMT+5", "america/port-au-prince": "America/Port-au-Prince",
		"Asia/Calcutta": "Asia/Calcutta", "europe/kyiv": "Europe/Kyiv", "EST5EDT": "EST5EDT",
	} {
		if location, err := timezone.Load(written); err != nil || location.String() != want {
			t.Errorf("%s: got %v, %v; want %s", written, location, err, want)
		}
	}
	if utc, err := timezone.Load("UTC"); err != nil || utc != time.UTC {
		t.Errorf("UTC is %p, not time.UTC; %v", utc, err)
	}
}

// Locations have the right offsets, daylight saving time included.
func TestLocations(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Asia/Karachi": "2026-07-01T17:00:00+05:00", "Europe/Berlin": "2026-07-01T14:00:00+02:00", "America/St_Johns": "2026-07-01T09:30:00-02:30",
	} {
		location, err := timezone.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).In(location).Format(time.RFC3339); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// Load refuses names that are not in the database, even if the host has files of these names.
func TestLoadRefuses(t *testing.T) { //nolint:paralleltest // It sets ZONEINFO.
	host := t.TempDir()
	for _, name := range []string{"localtime", "posixrules", "Own"} {
		if err := os.WriteFile(filepath.Join(host, name), []byte(zoneFile), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("ZONEINFO", host)
	if _, err := time.LoadLocation("Own"); err != nil {
		t.Fatalf("the test's own zone file can't be loaded: %v", err)
	}
	for _, name := range []string{
		"localtime", "posixrules", "Own", "Factory", "factory", "Local", "", "Asia", "Asia/", "Asia//Karachi", "/Asia/Karachi", "./Asia/Karachi",
		"Asia/../Asia/Karachi", "Asia/Karachi ", " Asia/Karachi", "posix/Asia/Karachi", "right/Asia/Karachi", "Asia/Kara\u0441hi", "Asia/\u212aarachi",
		"../etc/passwd", "/etc/localtime", "tzdata.zi", "zone.tab", "leapseconds", "+05:00", "Asia\\Karachi", "Asia/Karachi\x00", "Etc",
	} {
		if location, err := timezone.Load(name); err == nil {
			t.Errorf("%q was loaded as %v", name, location)
		}
	}
}

// zoneFile is a zone file (RFC 9636) for UTC: one type of local time, no transitions.
const zoneFile = "TZif\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x01" + "\x00\x00\x00\x04" +
	"\x00\x00\x00\x00\x00\x00" + "UTC\x00"

// No other package calls time.LoadLocation, which reads the host's files.
func TestOnlyThisPackageLoadsLocations(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	calls := 0
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && path != ".") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(root, path)
		if err != nil || !strings.Contains(string(text), "LoadLocation") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || !strings.HasPrefix(selector.Sel.Name, "LoadLocation") {
				return true
			}
			calls++
			if path != "internal/timezone/timezone.go" {
				t.Errorf("%s calls time.%s: call timezone.Load", path, selector.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil || calls == 0 {
		t.Errorf("found %d calls of time.LoadLocation, want at least one: %v", calls, err)
	}
}
