package testkit_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestSuitesAreRun checks that every suite that tests name has a target in the Makefile that CI runs.
func TestSuitesAreRun(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "grep", "-rhoE", "--include=*_test.go", "--exclude-dir=node_modules",
		`testkit\.Suite\(t, "[a-z]+"\)`, "../..").Output()
	if err != nil {
		t.Fatal(err)
	}
	makefile, ci := read(t, "../../Makefile"), read(t, "../../.ci/run")
	suites := map[string]bool{}
	for _, match := range regexp.MustCompile(`"([a-z]+)"`).FindAllStringSubmatch(string(out), -1) {
		suites[match[1]] = true
	}
	if len(suites) < 2 {
		t.Fatalf("only %v found", suites)
	}
	for suite := range suites {
		if target := "test-" + suite; !strings.Contains(makefile, "\n"+target+":") || !strings.Contains(ci, "make "+target+"\n") {
			t.Errorf("the suite %q has no target %s in the Makefile that .ci/run calls", suite, target)
		}
	}
}
