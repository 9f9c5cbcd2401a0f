package graph

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"

	"taskql/graph/generated"
)

// Schema is the schema that is served. It lacks @defer, which gqlgen puts into every schema: nothing here defers anything.
// Its includeDeprecated takes no null, as in the specification of September 2025 (section 4): gqlgen fails on null.
func Schema() *ast.Schema {
	schema := *generated.NewExecutableSchema(generated.Config{}).Schema()
	schema.Directives = maps.Clone(schema.Directives)
	delete(schema.Directives, "defer")
	schema.Types = maps.Clone(schema.Types)
	for name, definition := range schema.Types {
		if strings.HasPrefix(name, "__") {
			schema.Types[name] = withoutNull(definition, "includeDeprecated")
		}
	}
	return &schema
}

// withoutNull returns a copy of a type in which the fields' argument of that name takes no null.
func withoutNull(definition *ast.Definition, argument string) *ast.Definition {
	copied := *definition
	copied.Fields = slices.Clone(definition.Fields)
	for i, field := range definition.Fields {
		at := slices.IndexFunc(field.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Name == argument })
		if at < 0 {
			continue
		}
		taken, f := *field.Arguments[at], *field
		taken.Type = ast.NonNullNamedType(taken.Type.NamedType, taken.Type.Position)
		f.Arguments = slices.Clone(field.Arguments)
		f.Arguments[at] = &taken
		copied.Fields[i] = &f
	}
	return &copied
}

// WriteSDL writes the schema that is served in GraphQL's schema definition language, with its descriptions. The text
// depends on the schema alone: types are sorted by name, fields stand as in graph/schema. It fails only if w does.
func WriteSDL(w io.Writer) error {
	out := &firstError{w: w}
	formatter.NewFormatter(out, formatter.WithIndent("  ")).FormatSchema(Schema())
	return out.err
}

// firstError writes until the first error and keeps it, because the formatter drops errors.
type firstError struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (f *firstError) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.w.Write(p)
	if err != nil {
		f.err = fmt.Errorf("writing the schema: %w", err)
	}
	return n, f.err
}
