package task_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/internal/task"
)

// nested returns a filter with this many levels.
func nested(levels int) *task.Filter {
	f := &task.Filter{}
	for range levels - 1 {
		f = &task.Filter{Not: f}
	}
	return f
}

// comparisons returns a filter with n comparisons.
func comparisons(n int) *task.Filter {
	f := &task.Filter{}
	for range n {
		f.Comparisons = append(f.Comparisons, task.Comparison{Field: "completed", Value: true})
	}
	return f
}

// empty returns n filters without comparisons.
func empty(n int) []*task.Filter {
	filters := make([]*task.Filter, n)
	for i := range filters {
		filters[i] = &task.Filter{}
	}
	return filters
}

// single returns n filters with one comparison each.
func single(n int) []*task.Filter {
	filters := make([]*task.Filter, n)
	for i := range filters {
		filters[i] = comparisons(1)
	}
	return filters
}

func TestFilterLimits(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		search := func(s string) *task.Filter {
			return &task.Filter{Comparisons: []task.Comparison{{Field: "search", Value: s}}}
		}
		tests := map[string]struct {
			filter   *task.Filter
			argument string
		}{
			"5 levels":            {nested(5), ""},
			"6 levels":            {nested(6), "filter"},
			"50 comparisons":      {comparisons(50), ""},
			"51 comparisons":      {comparisons(51), "filter"},
			"26 and 26":           {&task.Filter{Any: []*task.Filter{comparisons(26), comparisons(26)}}, "filter"},
			"any of 50":           {&task.Filter{Any: single(50)}, ""},
			"any of 51":           {&task.Filter{Any: single(51)}, "filter"},
			"all of 50 empty":     {&task.Filter{All: empty(50)}, ""},
			"all of 51 empty":     {&task.Filter{All: empty(51)}, "filter"},
			"any of 51 empty":     {&task.Filter{Any: empty(51)}, "filter"},
			"all of 1,001 empty":  {&task.Filter{All: empty(1001)}, "filter"},
			"any of 1,001 empty":  {&task.Filter{Any: empty(1001)}, "filter"},
			"49, and 2 empty":     {&task.Filter{Any: append(empty(2), comparisons(49))}, "filter"},
			"10 words":            {search(strings.Repeat("ab ", 10)), ""},
			"11 words":            {search(strings.Repeat("ab ", 11)), "filter.search"},
			"200 characters":      {search(strings.Repeat("ä", 200)), ""},
			"201 characters":      {search(strings.Repeat("ä", 201)), "filter.search"},
			"a zero byte":         {search("a\x00b"), ""},
			"only a zero byte":    {search("\x00"), ""},
			"only spaces":         {search("  "), ""},
			"many ids":            {&task.Filter{Comparisons: []task.Comparison{{Field: "id", Op: "in", Value: manyIDs(5000)}}}, ""},
			"many ids left out":   {&task.Filter{Comparisons: []task.Comparison{{Field: "id", Op: "notIn", Value: manyIDs(5000)}}}, ""},
			"all of many tags":    {&task.Filter{Comparisons: []task.Comparison{{Field: "tags", Op: "all", Value: manyIDs(600)}}}, ""},
			"far away in time":    {&task.Filter{Comparisons: []task.Comparison{{Field: "createdAt", Op: "gt", Value: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}}}, ""},
			"long ago":            {&task.Filter{Comparisons: []task.Comparison{{Field: "due", Op: "before", Value: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)}}}, ""},
			"the end of calendar": {&task.Filter{Comparisons: []task.Comparison{{Field: "due", Op: "after", Value: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}}}, ""},
		}
		for name, tt := range tests {
			_, err := env.List(ctx, v, task.ListInput{Filter: tt.filter})
			var bad *task.InputError
			if errors.As(err, &bad); (tt.argument == "") != (err == nil) || bad != nil && bad.Argument != tt.argument {
				t.Errorf("%s: got %v, want an error at %q", name, err, tt.argument)
			}
		}
	})
}

func manyIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = uuid.NewString()
	}
	return ids
}

// What search finds, and which characters are equal for it.
func TestSearch(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		tests := []struct {
			title, search string
			found         bool
		}{
			{"Buy Milk", "milk", true},
			{"Buy Milk", "MILK buy", true},
			{"Buy Milk", "milk bread", false},
			{"Buy Milk", "y M", true}, // Two words, both found.
			{"100% done", "0%", true},
			{"100 done", "0%", false},
			{"a_b", "a_b", true},
			{"axb", "a_b", false},
			{`back\slash`, `k\s`, true},
			{"backslash", `k\s`, false},
			{"Straße", "STRASSE", true},
			{"ÄPFEL", "äpfel", true},
			{"A\u0308pfel", "Äpfel", true}, // A and the dots are two characters.
			{"Ἀθῆναι ΣΟΦΌΣ", "σοφός", true},
			{"it's", "'", true},
			{"日本語の本", "本語", true},
			{"Café Müller", "cafe muller", true}, // Accents are ignored in the text and in the search.
			{"Cafe Muller", "café müller", true},
			{"Ελλάδα", "ελλαδα", true},
			{"ещё", "еще", true},
			{"мой", "мои", false}, // Another letter.
			{"İSTANBUL", "istanbul", true},
			{"ıstanbul", "ISTANBUL", true},
			{"istanbul", "İstanbul", true},
			{"work\u00adshop", "workshop", true}, // A soft hyphen.
			{"workshop", "work\u200bshop", true},
			{"ＷＩＤＥ ｶﾞ", "wide ガ", true},
			{"ﬁle №5", "file no5", true},
			{"Buy Milk", "", true}, // No filter.
			{"Buy Milk", " \t\r\n\u0085\u00a0\u3000", true},
			{"Buy Milk", "\u200b", false}, // Not empty, but only invisible.
			{"Buy Milk", "\u00ad", false},
			{"Buy Milk", "\u2800", false},
			{"Buy Milk", " \ufeff ", false},
			{"Buy Milk", "milk \u200b", true},
			{"Buy Milk", "\u0000", false}, // No title can have it.
			{"Buy Milk", "mi\u0000lk", false},
			{"Buy Milk", "milk \u0007", false},
			{"Buy Milk", "buy\tmilk\n", true},
		}
		for _, tt := range tests {
			made := env.createTask(ctx, t, v, tt.title)
			page, err := env.List(ctx, v, task.ListInput{Filter: &task.Filter{Comparisons: []task.Comparison{{Field: "search", Value: tt.search}}}})
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, e := range page.Edges {
				found = found || e.Node.ID == made.ID
			}
			if found != tt.found {
				t.Errorf("%q in %q: %t, want %t", tt.search, tt.title, found, tt.found)
			}
		}
	})
}
