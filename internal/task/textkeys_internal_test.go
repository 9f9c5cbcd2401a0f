package task

import "testing"

// The search text is right for the previous release, which looks for words with their accents, and for this one. ASCII is
// stored once.
func TestSearchTextOfBothReleases(t *testing.T) {
	t.Parallel()
	description := "Größe"
	for _, tt := range []struct {
		title       string
		description *string
		want        string
	}{
		{"Buy Milk", nil, "buy milk\n"},
		{"Café", nil, "cafe\n\ncafé\n"},
		{"Size", &description, "size\ngrosse\nsize\ngrösse"},
	} {
		if _, got := textKeys(tt.title, tt.description); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.title, got, tt.want)
		}
	}
}
