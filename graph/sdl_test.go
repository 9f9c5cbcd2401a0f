package graph_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/graph"
)

// sdlFile is the committed copy of the schema, for clients' tools.
const sdlFile = "../docs/schema/schema.graphql"

// The committed copy is the schema that is served; -update writes it.
func TestCommittedSDL(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := graph.WriteSDL(&out); err != nil {
		t.Fatal(err)
	}
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(sdlFile, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(sdlFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, out.Bytes()) {
		t.Errorf("%s is not the schema that is served: run make schema", sdlFile)
	}
}

// The printed text is a schema with the types, fields and descriptions of graph/schema.
func TestSDLIsWhole(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := graph.WriteSDL(&out); err != nil {
		t.Fatal(err)
	}
	printed, err := gqlparser.LoadSchema(&ast.Source{Name: "printed", Input: out.String()})
	if err != nil {
		t.Fatal(err)
	}
	written := loadSchema(t, schemaFiles(t)...)
	for name, want := range written.Types {
		got := printed.Types[name]
		if got == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		if got.Description != want.Description {
			t.Errorf("%s is described as %q, not %q", name, got.Description, want.Description)
		}
		for _, field := range want.Fields {
			other := got.Fields.ForName(field.Name)
			if other == nil || other.Description != field.Description {
				t.Errorf("%s.%s is missing, or its description", name, field.Name)
			}
		}
		compareTypes(t, want, got)
	}
}

// A writer that fails is told.
func TestSDLWriterFails(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	if err := graph.WriteSDL(failing{full}); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
