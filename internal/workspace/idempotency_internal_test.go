package workspace

import (
	"slices"
	"strings"
	"testing"
)

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in    string
		codes []Code
	}{
		"a UUID":         {in: "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d"},
		"255 characters": {in: strings.Repeat("ü", 255)},
		"256 characters": {in: strings.Repeat("ü", 256), codes: []Code{CodeTooLong}},
		"blank":          {in: " ", codes: []Code{CodeBlank}},
		"NUL":            {in: "a\x00", codes: []Code{CodeInvalid}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var errs Violations
			errs.checkIdempotencyKey(&tt.in)
			var codes []Code
			for _, e := range errs {
				codes = append(codes, e.Code)
				if strings.Join(e.Field, ".") != "input.idempotencyKey" || e.Message == "" {
					t.Errorf("got %+v", e)
				}
			}
			if !slices.Equal(codes, tt.codes) {
				t.Errorf("got %v, want %v", codes, tt.codes)
			}
		})
	}
}
