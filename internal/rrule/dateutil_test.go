package rrule_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"taskql/internal/rrule"
)

// Random rules have the occurrences that python-dateutil finds. To compare more of them:
//
//	DATEUTIL_RULES=20000 go test ./internal/rrule -run TestDateutil -v
func TestDateutil(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import dateutil.rrule").Run(); err != nil {
		t.Skip("the test needs python3-dateutil")
	}
	type dateutilCase struct {
		Rule  string `json:"rule"`
		Start string `json:"start"`
		End   string `json:"end"`
		Limit int    `json:"limit"`
	}
	const format, limit = "2006-01-02T15:04:05", 20
	rules, random := 300, rand.New(rand.NewPCG(2, 0))
	if more, err := strconv.Atoi(os.Getenv("DATEUTIL_RULES")); err == nil {
		rules = more
	}
	var cases []dateutilCase
	var input bytes.Buffer
	for range rules {
		text, start := randomRule(random)
		cases = append(cases, dateutilCase{text, start.Format(format), start.AddDate(rrule.Years, 0, 0).Format(format), limit})
		if err := json.NewEncoder(&input).Encode(cases[len(cases)-1]); err != nil {
			t.Fatal(err)
		}
	}
	python := exec.CommandContext(t.Context(), "python3", "testdata/expand.py")
	var complaint bytes.Buffer
	python.Stdin, python.Stderr = &input, &complaint
	output, err := python.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &complaint)
	}
	answers := json.NewDecoder(bytes.NewReader(output))
	none := 0
	for _, c := range cases {
		var want, got []string
		if err := answers.Decode(&want); err != nil {
			t.Fatalf("%s from %s: %v", c.Rule, c.Start, err)
		}
		rule, err := rrule.Parse(c.Rule)
		if err != nil {
			t.Fatal(c.Rule, err)
		}
		start, err := time.Parse(format, c.Start)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range rule.First(moment(start, time.UTC), limit) {
			got = append(got, o.At.Format(format))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s from %s:\n got %v\nwant %v", c.Rule, c.Start, got, want)
		}
		if len(want) == 0 {
			none++
		}
	}
	t.Logf("%d rules, %d of them without an occurrence", len(cases), none)
}
