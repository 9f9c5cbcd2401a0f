package graphqlhttp

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

func TestByteLRU(t *testing.T) {
	t.Parallel()
	const each = 1000
	c := newByteLRU[int](maxShare * (each + entryBytes + 1))
	for i := range maxShare + 4 {
		c.add(string(rune('a'+i)), i, each)
		c.get("a") // used always
		if c.bytes > c.limit {
			t.Fatalf("%d bytes of %d", c.bytes, c.limit)
		}
	}
	for key, want := range map[string]bool{"a": true, "b": false, "e": false, "f": true, "t": true} {
		if _, ok := c.get(key); ok != want {
			t.Errorf("%s: kept %v", key, ok)
		}
	}
	if c.cache.Len() != maxShare {
		t.Errorf("%d kept, want %d", c.cache.Len(), maxShare)
	}
	c.add("a", 7, each/2) // again, and smaller
	if v, _ := c.get("a"); v != 7 || c.bytes != c.limit-each/2 {
		t.Errorf("%d, %d bytes", v, c.bytes)
	}
	c.add("z", 1, c.limit)
	if _, ok := c.get("z"); ok {
		t.Error("one that fills the whole is kept")
	}
}

// distinctDocument returns document number i of about length bytes. Most of it is a comment, since validating many fields takes
// quadratic time.
func distinctDocument(i, length int) string {
	fields := strings.Repeat(" hello", 60)
	return fmt.Sprintf("query Q%d {%s number} #%s", i, fields, strings.Repeat("x", max(0, length-len(fields))))
}

// TestCacheIsBounded is not parallel, because it measures the memory of the whole process.
func TestCacheIsBounded(t *testing.T) { //nolint:paralleltest // See above.
	for _, length := range []int{15 << 10, 60 << 10} {
		h := newHandler(t, func(cfg *Config) {
			cfg.Schema = schemaWithoutCalls{cfg.Schema}
			cfg.Limits.RootFields = 100
		})
		before := heap()
		for i := range 1000 {
			if w := send(t, h, query(distinctDocument(i, length)).as(acceptGraphQL)); w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		grown := heap() - before
		t.Logf("1,000 documents of %d bytes: %d KiB more", length, grown>>10)
		if grown > cachedBytes*5/4 {
			t.Errorf("1,000 documents of %d bytes: %d bytes more, %d are allowed", length, grown, cachedBytes)
		}
		runtime.KeepAlive(h)
	}
}

// A document that came by GET is cached without the rest of its URL.
func TestURLsAreNotCached(t *testing.T) { //nolint:paralleltest // It measures the whole process's memory.
	h := newHandler(t, func(cfg *Config) { cfg.Schema = schemaWithoutCalls{cfg.Schema} })
	rest := "&more=" + strings.Repeat("x", 16_000)
	before := heap()
	for i := range 1500 {
		r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/graphql?query={a%d:hello}%s", i, rest), http.NoBody)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	grown := heap() - before
	t.Logf("1,500 short documents in long URLs: %d KiB more", grown>>10)
	if grown > cachedBytes*5/4 {
		t.Errorf("%d bytes more, %d are allowed", grown, cachedBytes)
	}
	runtime.KeepAlive(h)
}

// The estimate of a document's size is at most twice, and at least two thirds of its real size.
func TestSizeOf(t *testing.T) { //nolint:paralleltest // It measures the whole process's memory.
	var arguments strings.Builder
	for i := range 300 {
		fmt.Fprintf(&arguments, ` a%d: echo(input: {text: "t"}) @include(if: true)`, i)
	}
	for name, text := range map[string]string{"fields": distinctDocument(0, 0), "arguments": "{" + arguments.String() + "}"} {
		const copies = 20
		kept := make([]*document, copies)
		before := heap()
		for i := range kept {
			tree, err := parser.ParseQuery(&ast.Source{Input: text})
			if err != nil {
				t.Fatal(err)
			}
			kept[i] = &document{tree: tree}
		}
		actual := (heap() - before) / copies
		estimate := sizeOf(kept[0])
		t.Logf("%s: %d bytes of text, estimate %d, real %d", name, len(text), estimate, actual)
		if estimate < actual*2/3 || estimate > actual*2 {
			t.Errorf("%s: estimate %d, real %d", name, estimate, actual)
		}
		runtime.KeepAlive(kept)
	}
}
