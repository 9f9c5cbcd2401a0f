package task

import (
	"strings"
	"testing"

	"taskql/internal/workspace"
)

func TestTitle(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in, want string
		code           workspace.Code
	}{
		{name: "plain", in: "Buy milk", want: "Buy milk"},
		{name: "trimmed", in: " \t\u00a0Buy milk\u2003\n", want: "Buy milk"},
		{name: "200 characters", in: strings.Repeat("ü", 200), want: strings.Repeat("ü", 200)},
		{name: "200 after trimming", in: " " + strings.Repeat("a", 200) + " ", want: strings.Repeat("a", 200)},
		{name: "an emoji of several characters", in: "👩‍👩‍👧‍👦", want: "👩‍👩‍👧‍👦"},
		{name: "empty", in: "", code: workspace.CodeBlank},
		{name: "spaces", in: " \t\n ", code: workspace.CodeBlank},
		{name: "no width", in: "\u200b\u200d\ufeff", code: workspace.CodeBlank},
		{name: "Hangul fillers", in: "\u3164\u115f", code: workspace.CodeBlank},
		{name: "the empty Braille cell", in: "\u2800", code: workspace.CodeBlank},
		{name: "variation selectors", in: "\ufe0f", code: workspace.CodeBlank},
		{name: "invisible characters at the ends", in: "\ufeffBuy milk\u200b", want: "Buy milk"},
		{name: "a newer emoji", in: "\U0001fadf", want: "\U0001fadf"},
		{name: "200 in the normal form C", in: strings.Repeat("u\u0308", 200), want: strings.Repeat("u\u0308", 200)},
		{name: "201 in the normal form C", in: strings.Repeat("\u0958", 101), code: workspace.CodeTooLong},
		{name: "201 characters", in: strings.Repeat("ü", 201), code: workspace.CodeTooLong},
		{name: "two lines", in: "Buy\nmilk", code: workspace.CodeInvalid},
		{name: "line separator", in: "Buy\u2028milk", code: workspace.CodeInvalid},
		{name: "NUL", in: "Buy\x00milk", code: workspace.CodeInvalid},
		{name: "escape", in: "\x1b[31mred", code: workspace.CodeInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var errs workspace.Violations
			got := checkTitle(&errs, tt.in)
			checkViolations(t, errs, tt.code, "title")
			if tt.code == "" && got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	tests := []struct {
		name     string
		in, want *string
		code     workspace.Code
	}{
		{name: "null"},
		{name: "blank is null", in: text(" \n\t\u200b")},
		{name: "a newer emoji", in: text("\U0001fadf"), want: text("\U0001fadf")},
		{name: "a Hangul filler is null", in: text("\u3164\n")},
		{name: "10,000 in the normal form C", in: text(strings.Repeat("u\u0308", 10_000)), want: text(strings.Repeat("u\u0308", 10_000))},
		{name: "kept as it is", in: text("  two\r\n\tlines "), want: text("  two\r\n\tlines ")},
		{name: "10,000 characters", in: text(strings.Repeat("ü", 10_000)), want: text(strings.Repeat("ü", 10_000))},
		{name: "10,001 characters", in: text(strings.Repeat("ü", 10_001)), code: workspace.CodeTooLong},
		{name: "NUL", in: text("a\x00"), code: workspace.CodeInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var errs workspace.Violations
			got := checkDescription(&errs, tt.in)
			checkViolations(t, errs, tt.code, "description")
			if tt.code == "" && !equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// checkViolations checks that there is one violation with this code and field, or none if the code is empty.
func checkViolations(t *testing.T, errs workspace.Violations, code workspace.Code, field string) {
	t.Helper()
	switch {
	case code == "" && len(errs) == 0:
	case len(errs) == 1 && errs[0].Code == code && strings.Join(errs[0].Field, ".") == "input."+field && errs[0].Message != "":
	default:
		t.Errorf("got %d violations, want %q at input.%s", len(errs), code, field)
		for _, e := range errs {
			t.Logf("%+v", *e)
		}
	}
}
