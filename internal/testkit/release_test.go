package testkit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"taskql/internal/testkit"
)

// checkout is a small repository with .ci/release, and a make that imitates the real targets.
type checkout struct {
	t       *testing.T
	dir     string
	environ []string
}

const changelog = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- Projects.\n\n## [0.1.0] - 2026-11-29\n\n- All.\n\n[0.2.0]: https://example.com\n"

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	c := &checkout{t: t, dir: t.TempDir()}
	tools := t.TempDir()
	c.environ = append(
		os.Environ(), "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
	)
	c.write(filepath.Join(tools, "make"), "#!/bin/sh\necho \"make $*\"\ncase $* in\n  check) exit ${CHECK:-0} ;;\n  freeze-schema) cp docs/schema/schema.graphql docs/schema/released.graphql ;;\nesac\n")
	c.write(filepath.Join(c.dir, ".ci/release"), read(t, "../../.ci/release"))
	c.write(filepath.Join(c.dir, "CHANGELOG.md"), changelog)
	c.write(filepath.Join(c.dir, "docs/schema/schema.graphql"), "type Query { new: Int }\n")
	c.write(filepath.Join(c.dir, "docs/schema/released.graphql"), "type Query { old: Int }\n")
	c.git("init", "-q", "-b", "main")
	c.git("add", "-A")
	c.git("commit", "-q", "-m", "all")
	return c
}

func (c *checkout) write(path, text string) {
	c.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		c.t.Fatal(err)
	}
}

func (c *checkout) git(args ...string) string {
	c.t.Helper()
	out, err := c.run("git", args...)
	if err != nil {
		c.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(out)
}

func (c *checkout) run(name string, args ...string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), name, args...)
	cmd.Dir, cmd.Env = c.dir, c.environ
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestRelease makes a release: it is checked, the schema is saved in a commit, and the tag contains the changelog's
// section.
func TestRelease(t *testing.T) {
	t.Parallel()
	testkit.RequirePrograms(t, "git")
	c := newCheckout(t)
	c.publish()
	c.git("tag", "v0.1.0")
	out, err := c.run(".ci/release", "0.2.0")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.HasPrefix(out, "make check\nmake freeze-schema\ntagged v0.2.0 at ") || !strings.Contains(out, "git push origin main v0.2.0") {
		t.Errorf("it printed\n%s", out)
	}
	if got := c.git("tag", "-l", "--format=%(contents)", "v0.2.0"); got != "taskql 0.2.0\n\n### Added\n\n- Projects." {
		t.Errorf("the tag says\n%s", got)
	}
	if got := c.git("describe"); got != "v0.2.0" {
		t.Errorf("git describe prints %s", got)
	}
	if got := c.git("log", "--format=%s"); got != "docs: freeze the schema of 0.2.0\nall" {
		t.Errorf("the commits are\n%s", got)
	}
	if got := c.git("show", "v0.2.0:docs/schema/released.graphql"); got != "type Query { new: Int }" {
		t.Errorf("the released schema is %s", got)
	}
	if out, err := c.run(".ci/release", "0.2.0"); err == nil || !strings.Contains(out, "v0.2.0 exists already") {
		t.Errorf("again: %v\n%s", err, out)
	}
	// The same schema needs no commit.
	c.commitChangelog("## [0.10.0] - 2026-12-24\n\n- More.\n")
	before := c.git("rev-parse", "HEAD")
	if out, err := c.run(".ci/release", "0.10.0"); err != nil || c.git("rev-parse", "HEAD") != before || c.git("rev-parse", "v0.10.0^{}") != before {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestReleaseIsRefused checks that nothing is committed or tagged if a condition is not met.
func TestReleaseIsRefused(t *testing.T) {
	t.Parallel()
	testkit.RequirePrograms(t, "git")
	tests := []struct {
		name, version string
		arrange       func(c *checkout)
		want          string
	}{
		{"no version", "", func(*checkout) {}, `VERSION is ""`},
		{"git's description", "v0.1.0-3-gabcdef", func(*checkout) {}, "must look like 0.2.0"},
		{"another branch", "0.2.0", func(c *checkout) { c.git("switch", "-q", "-c", "topic") }, `this is the branch "topic"`},
		{"a changed file", "0.2.0", func(c *checkout) { c.write(filepath.Join(c.dir, "CHANGELOG.md"), changelog+"\n") }, "uncommitted changes"},
		{"a new file", "0.2.0", func(c *checkout) { c.write(filepath.Join(c.dir, "x"), "") }, "uncommitted changes"},
		{"no section", "0.3.0", func(*checkout) {}, `nothing under "## [0.3.0] - YYYY-MM-DD"`},
		{"a section without a date", "0.3.0", func(c *checkout) { c.commitChangelog("## [0.3.0]\n\n- More.\n") }, "nothing under"},
		{"an empty section", "0.3.0", func(c *checkout) { c.commitChangelog("## [0.3.0] - 2026-12-24\n\n## [0.2.0] - 2026-12-01\n\n- x\n") }, "nothing under"},
		{"a dot that is none", "0.2.0", func(c *checkout) { c.commitChangelog("## [0x2.0] - 2026-12-24\n\n- x\n") }, "nothing under"},
		{"a version below the newest tag", "0.9.0", func(c *checkout) { c.git("tag", "v0.10.0"); c.git("tag", "v0.2.0") }, "0.9.0 is not above the newest tag, v0.10.0"},
		{"a main behind its upstream", "0.2.0", func(c *checkout) {
			other := filepath.Join(c.t.TempDir(), "other")
			c.git("clone", "-q", c.publish(), other)
			c.git("-C", other, "commit", "-q", "--allow-empty", "-m", "newer")
			c.git("-C", other, "push", "-q")
		}, "main is behind origin/main"},
		{"an upstream that is gone", "0.2.0", func(c *checkout) {
			if err := os.RemoveAll(c.publish()); err != nil {
				c.t.Error(err)
			}
		}, "origin/main can't be fetched"},
		{"a failed check", "0.2.0", func(c *checkout) { c.environ = append(c.environ, "CHECK=3") }, "make check"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			tt.arrange(c)
			before := c.git("rev-parse", "HEAD") + c.git("tag")
			out, err := c.run(".ci/release", tt.version)
			if err == nil || !strings.Contains(out, tt.want) {
				t.Errorf("%v, want %q:\n%s", err, tt.want, out)
			}
			if after := c.git("rev-parse", "HEAD") + c.git("tag"); after != before {
				t.Errorf("it committed or tagged: %s, before %s", after, before)
			}
		})
	}
}

// publish pushes main to a new repository, makes that the upstream and returns its path.
func (c *checkout) publish() string {
	c.t.Helper()
	dir := filepath.Join(c.t.TempDir(), "upstream")
	c.git("init", "-q", "--bare", "-b", "main", dir)
	c.git("remote", "add", "origin", dir)
	c.git("push", "-q", "-u", "origin", "main")
	return dir
}

func (c *checkout) commitChangelog(text string) {
	c.t.Helper()
	c.write(filepath.Join(c.dir, "CHANGELOG.md"), text)
	c.git("commit", "-q", "-a", "-m", "changelog")
}
