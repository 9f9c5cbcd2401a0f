package rrule_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"taskql/internal/rrule"
)

// The rules in docs/recurrence.md are valid, those said to be stored are canonical, and the others are as written, but for SKIP.
func TestDocumentedRules(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/recurrence.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile("(?m)^\\|.*`(FREQ=[^`]+)`").FindAllStringSubmatch(string(page), -1)
	if len(rules) < 35 {
		t.Fatalf("%d rules", len(rules))
	}
	for _, found := range rules {
		rule, err := rrule.Parse(found[1])
		if err != nil {
			t.Errorf("%s: %v", found[1], err)
		} else if got := rule.String(); got != found[1] && !strings.Contains(found[1], "SKIP") {
			t.Errorf("%s is stored as %s", found[1], got)
		}
	}
	for _, stored := range regexp.MustCompile("(?m)^\\| `(FREQ=.*SKIP.*)` \\| `(FREQ=.*)` \\|$").FindAllStringSubmatch(string(page), -1) {
		if rule, err := rrule.Parse(stored[1]); err != nil || rule.String() != stored[2] {
			t.Errorf("%s is stored as %v, %v; the page says %s", stored[1], rule, err, stored[2])
		}
	}
}
