package testkit_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"

	"taskql/internal/testkit"
)

// readYAML reads a YAML file of the repository. A duplicate key is an error.
func readYAML[T any](t *testing.T, file string) T {
	t.Helper()
	var into T
	if err := yaml.Unmarshal([]byte(read(t, file)), &into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return into
}

type workflow struct {
	On          map[string]any    `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency map[string]string `yaml:"concurrency"`
	Jobs        map[string]struct {
		Steps []struct {
			Uses string         `yaml:"uses"`
			With map[string]any `yaml:"with"`
			Run  string         `yaml:"run"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

// TestWorkflowRunsOnlyCI checks that CI runs only .ci/run, which can be run anywhere. The actions around it must be
// pinned to commits, and may only read.
func TestWorkflowRunsOnlyCI(t *testing.T) {
	t.Parallel()
	w := readYAML[workflow](t, "../../.github/workflows/ci.yml")
	if _, push := w.On["push"]; !push || len(w.On) != 2 {
		t.Errorf("it runs on %v, want push and pull_request", w.On)
	}
	if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
		t.Errorf("its permissions are %v, want contents: read alone", w.Permissions)
	}
	if w.Concurrency["group"] == "" {
		t.Error("it has no concurrency group")
	}
	if len(w.Jobs) != 1 {
		t.Errorf("%d jobs, want 1", len(w.Jobs))
	}
	var runs, uses []string
	for _, job := range w.Jobs {
		for _, step := range job.Steps {
			if step.Run != "" {
				runs = append(runs, step.Run)
			}
			name, commit, _ := strings.Cut(step.Uses, "@")
			if step.Uses != "" {
				uses = append(uses, name)
			}
			if step.Uses != "" && !regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(commit) {
				t.Errorf("%s is not pinned to a commit", step.Uses)
			}
		}
	}
	if !slices.Equal(runs, []string{".ci/run"}) {
		t.Errorf("it runs %q, want .ci/run alone", runs)
	}
	if want := []string{"actions/checkout", "actions/setup-go", "actions/setup-node"}; !slices.Equal(uses, want) {
		t.Errorf("it uses %q, want %q", uses, want)
	}
	if info, err := os.Stat("../../.ci/run"); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf(".ci/run is not executable: %v", err)
	}
}

// TestIssueForms checks the issue forms. GitHub shows an error instead of an invalid form, but only to people who
// report a bug.
func TestIssueForms(t *testing.T) {
	t.Parallel()
	type form struct {
		Name, Description string
		Labels            []string
		Body              []struct {
			Type, ID   string
			Attributes struct {
				Label, Description, Value, Render string
				Options                           []string
			}
			Validations struct{ Required bool }
		}
	}
	files, err := filepath.Glob("../../.github/ISSUE_TEMPLATE/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	forms := 0
	for _, file := range files {
		if filepath.Base(file) == "config.yml" {
			if config := readYAML[map[string]any](t, file); config["blank_issues_enabled"] != false {
				t.Errorf("%s: blank issues are enabled", file)
			}
			continue
		}
		forms++
		f := readYAML[form](t, file)
		if f.Name == "" || f.Description == "" || len(f.Labels) == 0 || len(f.Body) == 0 {
			t.Errorf("%s needs a name, a description, labels and a body", file)
		}
		required, ids := false, map[string]bool{}
		for i, field := range f.Body {
			a := field.Attributes
			required = required || field.Validations.Required
			switch {
			case field.Type == "markdown":
				if a.Value == "" {
					t.Errorf("%s: text %d is empty", file, i)
				}
				continue
			case !slices.Contains([]string{"input", "textarea", "dropdown"}, field.Type):
				t.Errorf("%s: field %d is of the unknown type %q", file, i, field.Type)
			case field.ID == "" || ids[field.ID] || a.Label == "":
				t.Errorf("%s: field %d needs a label and an id of its own, not %q", file, i, field.ID)
			case (field.Type == "dropdown") != (len(a.Options) > 1):
				t.Errorf("%s: field %s has %d options", file, field.ID, len(a.Options))
			}
			ids[field.ID] = true
		}
		if !required {
			t.Errorf("%s requires nothing", file)
		}
	}
	if forms != 2 {
		t.Errorf("%d issue forms, want 2", forms)
	}
}

// TestOneGoAndNode checks that the dev container, CI, the image and go.mod have the same versions.
func TestOneGoAndNode(t *testing.T) {
	t.Parallel()
	var container struct {
		Build    struct{ Dockerfile string }
		Features map[string]struct{ Version string }
	}
	if err := json.Unmarshal([]byte(read(t, "../../.devcontainer/devcontainer.json")), &container); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("../../.devcontainer/" + container.Build.Dockerfile); err != nil {
		t.Error(err)
	}
	versions := map[string]string{}
	for feature, options := range container.Features {
		name, major, ok := strings.Cut(filepath.Base(feature), ":")
		if !ok || !regexp.MustCompile(`^[0-9]+$`).MatchString(major) {
			t.Errorf("the feature %s is not pinned to a major version", feature)
		}
		versions[name] = options.Version
	}
	mod, err := modfile.Parse("go.mod", []byte(read(t, "../../go.mod")), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(semver.MajorMinor("v"+mod.Go.Version), "v")
	if versions["go"] != want {
		t.Errorf("the dev container has Go %s, go.mod %s", versions["go"], want)
	}
	if image := "FROM golang:" + want + "-"; !strings.Contains(read(t, "../../Dockerfile"), image) {
		t.Errorf("the Dockerfile has no %s", image)
	}
	for _, job := range readYAML[workflow](t, "../../.github/workflows/ci.yml").Jobs {
		for _, step := range job.Steps {
			if node, ok := step.With["node-version"]; ok && yamlText(t, node) != versions["node"] {
				t.Errorf("CI has Node %v, the dev container %s", node, versions["node"])
			}
			if file, ok := step.With["go-version-file"]; ok && file != "go.mod" {
				t.Errorf("CI takes its Go from %v", file)
			}
		}
	}
}

// TestDevContainerHasCIsPackages checks that the dev container has the packages that .ci/run installs, and a C
// compiler.
func TestDevContainerHasCIsPackages(t *testing.T) {
	t.Parallel()
	script := read(t, "../../.ci/run")
	want := []string{"build-essential"}
	for _, match := range regexp.MustCompile(`missing\+=\(([a-z0-9-]+)\)|for program in ([a-z0-9 -]+);`).FindAllStringSubmatch(script, -1) {
		want = append(want, strings.Fields(match[1]+match[2])...)
	}
	install := regexp.MustCompile(`apt-get install -y --no-install-recommends ([a-z0-9 -]+) \\`).FindStringSubmatch(read(t, "../../.devcontainer/Dockerfile"))
	if install == nil {
		t.Fatal("the dev container installs nothing")
	}
	got := strings.Fields(install[1])
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || len(want) < 8 {
		t.Errorf("the dev container installs %q, want %q", got, want)
	}
}

// TestReadmeStopsSignedOut checks that README's first task stops with a message if no server is running.
func TestReadmeStopsSignedOut(t *testing.T) {
	t.Parallel()
	testkit.RequirePrograms(t, "sh", "curl")
	_, section, _ := strings.Cut(read(t, "../../README.md"), "\n## A first task\n")
	_, block, _ := strings.Cut(section, "\n```sh\n")
	block, _, _ = strings.Cut(block, "\n```\n")
	// Nothing listens on port 1.
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(block, "http://localhost:8000", "http://127.0.0.1:1"))
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if want := "Sign-in failed: does the server run, and is the password right?\n"; err == nil || string(out) != want {
		t.Errorf("%v, and it printed\n%s", err, out)
	}
}

func yamlText(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// TestChangelog checks that CHANGELOG.md is in the format of keepachangelog.com, on which `make release` relies.
func TestChangelog(t *testing.T) {
	t.Parallel()
	text := read(t, "../../CHANGELOG.md")
	headings := regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(text, -1)
	if len(headings) < 2 || headings[0][1] != "[Unreleased]" {
		t.Fatalf("the first section must be [Unreleased], and a version must follow it: %q", headings)
	}
	last, lastDate := "v999999.0.0", "9999-12-31"
	for _, heading := range headings[1:] {
		match := regexp.MustCompile(`^\[([0-9]+\.[0-9]+\.[0-9]+)\] - ([0-9]{4}-[0-9]{2}-[0-9]{2})$`).FindStringSubmatch(heading[1])
		if match == nil {
			t.Errorf("%q is not [x.y.z] - YYYY-MM-DD", heading[1])
			continue
		}
		version, date := "v"+match[1], match[2]
		if _, err := time.Parse(time.DateOnly, date); err != nil || date > lastDate {
			t.Errorf("%s: the date is wrong or out of order", heading[1])
		}
		if semver.Compare(version, last) >= 0 {
			t.Errorf("%s comes after %s: the newest comes first", version, last)
		}
		last, lastDate = version, date
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains([]string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}, heading[1]) {
			t.Errorf("%q is no kind of change", heading[1])
		}
	}
}
