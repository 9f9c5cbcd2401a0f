package selection

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Grown is called after each element of a list with the length of the JSON so far. An error ends the encoding, and Append
// returns it.
type Grown[S State] func(ctx context.Context, s S, length int) error

// Compiler compiles selections of a schema's types.
type Compiler[S State] struct {
	schema *ast.Schema
	types  map[string]Type[S]
	grown  Grown[S]
}

// NewCompiler returns a compiler for the types. Selections of other types can't be encoded.
func NewCompiler[S State](schema *ast.Schema, grown Grown[S], types ...Type[S]) *Compiler[S] {
	c := &Compiler[S]{schema: schema, grown: grown, types: make(map[string]Type[S], len(types))}
	for _, t := range types {
		c.types[t.name] = t
	}
	return c
}

// Type returns the entry of the type with that name.
func (c *Compiler[S]) Type(name string) (Type[S], bool) {
	t, ok := c.types[name]
	return t, ok
}

// Plan is the compiled selection of a root field, or of another field whose values are encoded by themselves. It is safe
// for concurrent use. It keeps fields of the document in memory, but not the document.
type Plan[S State] struct {
	// Encodable reports whether the plan can encode the selection. If it can't, gqlgen has to.
	Encodable bool

	root    Selected[S]
	loading map[place]*Selected[S]
}

// place is a field of a type at a path of response keys. At a place, a field has one selection and one set of arguments.
type place struct{ typ, path string }

// Selected is a selected field, compiled.
type Selected[S State] struct {
	*ast.Field

	// Path is the field's path in the response, indices left out.
	Path string

	// key is the response key with its quotes and colon, after a comma if the field is not the first.
	key    string
	encode encoder[S]
	load   func(ctx context.Context, s S, f *Selected[S], objects any) (any, error)
	// children returns the values of the field of objects, if it has a selection and isn't loaded.
	children func(objects any) any
	columns  []string
	whole    bool
	// required and elementRequired report whether the schema has no null there.
	required, elementRequired bool
	// sets are what is selected of the types that the value may have; none for a scalar or an enum.
	sets  []*Set[S]
	grown Grown[S]
	// slot is the field's number among those that are loaded; loads reports whether it is one of them, and loadsBelow
	// whether a field below it is.
	slot              int
	loads, loadsBelow bool
}

// Set is a selection set of an object type, compiled: fragments are inlined, and @skip and @include applied.
type Set[S State] struct {
	Fields []Selected[S]
	// Columns are those that the fields need of a row; nil if a field needs all of them, or the type has no rows.
	Columns []string
	// Derived is what the type's function has derived from the set.
	Derived any

	of Type[S]
}

// Selects reports whether any of the fields is selected.
func (set *Set[S]) Selects(names ...string) bool {
	return slices.ContainsFunc(set.Fields, func(f Selected[S]) bool { return slices.Contains(names, f.Name) })
}

// Below returns what is selected below the fields of the first name, below those the fields of the second name, and so on.
func (set *Set[S]) Below(names ...string) []*Set[S] {
	sets := []*Set[S]{set}
	for _, name := range names {
		var below []*Set[S]
		for _, s := range sets {
			for _, f := range s.Fields {
				if f.Name == name {
					below = append(below, f.sets...)
				}
			}
		}
		sets = below
	}
	return sets
}

// Loads reports whether the field's values are loaded, and not part of its object.
func (f *Selected[S]) Loads() bool { return f.loads }

// Set returns what is selected of the field's values, whose type is an object type.
func (f *Selected[S]) Set() *Set[S] { return f.sets[0] }

// Set returns what is selected of the root field's values of a type; nil if it has none.
func (p *Plan[S]) Set(typ string) *Set[S] {
	for _, set := range p.root.sets {
		if set.of.name == typ {
			return set
		}
	}
	return nil
}

// At returns the field of a type at a path of response keys; nil if it needs no loading.
func (p *Plan[S]) At(typ, path string) *Selected[S] { return p.loading[place{typ, path}] }

// Compile compiles the selection of a field of the operation.
func (c *Compiler[S]) Compile(operation *graphql.OperationContext, field graphql.CollectedField) *Plan[S] {
	p := &Plan[S]{Encodable: true, loading: map[place]*Selected[S]{}}
	r := compilation[S]{Compiler: c, operation: operation, plan: p}
	p.root = r.value(field, field.Alias)
	if len(p.root.sets) == 0 {
		p.Encodable = false
	}
	return p
}

// compilation is the compilation of one plan.
type compilation[S State] struct {
	*Compiler[S]

	operation *graphql.OperationContext
	plan      *Plan[S]
	slots     int
}

// value compiles what is selected below a field, but not how its value is read.
func (c *compilation[S]) value(f graphql.CollectedField, path string) Selected[S] {
	out := Selected[S]{Field: f.Field, Path: path, grown: c.grown}
	if f.Definition == nil || len(f.Deferrables) > 0 || slices.ContainsFunc(f.Directives, func(d *ast.Directive) bool { return d.Name != "skip" && d.Name != "include" }) {
		c.plan.Encodable = false
	}
	if f.Definition == nil {
		return out
	}
	t := f.Definition.Type
	out.required, out.elementRequired = t.NonNull, t.Elem != nil && t.Elem.NonNull
	def := c.schema.Types[t.Name()]
	if def == nil || t.Elem != nil && t.Elem.Elem != nil { // No list of lists is known.
		c.plan.Encodable = false
	}
	if def == nil || !def.IsCompositeType() {
		return out
	}
	possible := []*ast.Definition{def}
	if def.IsAbstractType() {
		possible = c.schema.GetPossibleTypes(def)
	}
	for _, d := range possible {
		set := c.set(d, f.Selections, path)
		out.sets = append(out.sets, set)
		out.loadsBelow = out.loadsBelow || slices.ContainsFunc(set.Fields, func(f Selected[S]) bool { return f.loads || f.loadsBelow })
	}
	return out
}

// set compiles what is selected of one type.
func (c *compilation[S]) set(def *ast.Definition, selected ast.SelectionSet, path string) *Set[S] {
	t, ok := c.types[def.Name]
	if !ok {
		t.name, c.plan.Encodable = def.Name, false
	}
	satisfies := []string{def.Name}
	for _, d := range c.schema.GetImplements(def) {
		satisfies = append(satisfies, d.Name)
	}
	set := &Set[S]{of: t}
	keys := map[string]bool{}
	for _, f := range graphql.CollectFields(c.operation, selected, satisfies) {
		if keys[f.Alias] {
			continue // gqlgen writes the first of one key.
		}
		keys[f.Alias] = true
		compiled := c.field(t, f, path+"."+f.Alias)
		compiled.key = `"` + f.Alias + `":`
		if len(set.Fields) > 0 {
			compiled.key = "," + compiled.key
		}
		set.Fields = append(set.Fields, compiled)
	}
	for i := range set.Fields {
		if f := &set.Fields[i]; f.loads || f.loadsBelow {
			c.plan.loading[place{t.name, f.Path}] = f
		}
	}
	if t.key != "" {
		if columns, ok := rowColumns([]string{t.key}, set); ok {
			set.Columns = slices.Clip(columns) // Several requests use them: who appends must get a copy.
		}
	}
	if t.derive != nil {
		set.Derived = t.derive(set)
	}
	return set
}

// field compiles one field of a type.
func (c *compilation[S]) field(t Type[S], f graphql.CollectedField, path string) Selected[S] {
	out := c.value(f, path)
	if f.Name == "__typename" {
		name := `"` + t.name + `"`
		out.encode = func(_ context.Context, _ S, b []byte, _ *Selected[S], _ any) ([]byte, error) {
			return append(b, name...), nil
		}
		return out
	}
	known, ok := t.fields[f.Name]
	if !ok || !known.fits(f.Definition.Type) || known.leaf != (len(out.sets) == 0) || len(out.sets) > 1 && !known.abstract || known.abstract && out.loadsBelow {
		c.plan.Encodable, out.loadsBelow = false, false
		return out
	}
	out.encode, out.load, out.children, out.columns, out.whole = known.encode, known.load, known.children, known.columns, known.whole
	if known.load != nil {
		out.loads, out.slot = true, c.slots
		c.slots++
	}
	return out
}

// rowColumns adds the columns that the set's fields need of a row. It is false if a field has no entry. Objects that are
// not loaded are made from their parent's row.
func rowColumns[S State](columns []string, set *Set[S]) ([]string, bool) {
	for _, f := range set.Fields {
		if f.encode == nil {
			return nil, false
		}
		for _, column := range f.columns {
			if !slices.Contains(columns, column) {
				columns = append(columns, column)
			}
		}
		if f.loads || f.whole || len(f.sets) == 0 {
			continue
		}
		var ok bool
		for _, below := range f.sets {
			if columns, ok = rowColumns(columns, below); !ok {
				return nil, false
			}
		}
	}
	return columns, true
}
