package doctor

import "testing"

func TestReadAPIKey(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"abc", " abc\n", `"abc"`, "'abc'", "x-api-key: abc", "X-API-Key:abc", "-H 'x-api-key: abc'"} {
		if got := readAPIKey(text, "x-api-key"); got != "abc" {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := readAPIKey("team:abc", "x-api-key"); got != "team:abc" {
		t.Errorf("%q", got)
	}
}
