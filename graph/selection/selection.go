// Package selection compiles a selection set (GraphQL, section 2.4) into functions that append a Go value's JSON to a
// buffer. It does what gqlgen does field by field, CollectFields, CompleteValue and serialization (sections 6.3 and
// 6.4), without a context, a closure and a marshaler for each field of each row.
//
// It writes only what it knows for sure: types and fields of a table, without errors and without a null where the schema
// has none. For everything else there is no answer from here, and gqlgen executes the selection as it would have.
package selection

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// ErrOrdinary says that a value can't be written here: the ordinary way of execution has the answer, also where that is
// an error.
var ErrOrdinary = errors.New("selection: not to be written here")

// Type says how the values of one object type of the schema are written. S is what its fields are read with.
type Type[S any] struct {
	name   string
	fields map[string]Field[S]
	goType reflect.Type
	isNil  func(object any) bool
}

// Field says how one field of an object is written. Make it by Leaf, Object or List.
type Field[S any] struct {
	write writer[S]
	// fits says whether the field's type in the schema is one that write can do.
	fits func(*ast.Type) bool
	// leaf is true where the field has no selection of its own.
	leaf bool
}

type writer[S any] func(ctx context.Context, s S, b []byte, f *field[S], object any) ([]byte, error)

// Fields are the fields of a type by name. Those that are left out are gqlgen's. (__typename needs no entry.)
type Fields[S any] map[string]Field[S]

// Of returns the type of that name, whose values are pointers to T in Go.
func Of[T, S any](name string, fields Fields[S]) Type[S] {
	return Type[S]{
		name: name, fields: fields, goType: reflect.TypeFor[*T](),
		isNil: func(object any) bool {
			v, ok := object.(*T)
			return !ok || v == nil
		},
	}
}

// Leaf is a field that is a scalar, an enum or a list of those: what it appends must be JSON, null only where the schema
// allows it.
func Leaf[S, T any](write func(b []byte, object *T) []byte) Field[S] {
	return LeafAt(func(_ context.Context, _ S, _ string, b []byte, object *T) ([]byte, error) {
		return write(b, object), nil
	})
}

// LeafAt is a Leaf that needs more than its object, or can fail. The path is the field's in the answer, indices left out.
func LeafAt[S, T any](write func(ctx context.Context, s S, path string, b []byte, object *T) ([]byte, error)) Field[S] {
	return Field[S]{leaf: true, fits: func(*ast.Type) bool { return true }, write: func(ctx context.Context, s S, b []byte, f *field[S], object any) ([]byte, error) {
		of, ok := object.(*T)
		if !ok {
			return b, ErrOrdinary
		}
		return write(ctx, s, f.path, b, of)
	}}
}

// Object is a field whose value is an object, or null. The path that get is given is the field's in the answer, indices
// left out.
func Object[S, T, V any](get func(s S, path string, object *T) (*V, error)) Field[S] {
	return Field[S]{fits: func(t *ast.Type) bool { return t.Elem == nil }, write: func(ctx context.Context, s S, b []byte, f *field[S], object any) ([]byte, error) {
		of, ok := object.(*T)
		if !ok {
			return b, ErrOrdinary
		}
		v, err := get(s, f.path, of)
		if err != nil {
			return b, err
		}
		if v == nil {
			return appendNull(b, f.required)
		}
		return f.objects[0].append(ctx, s, b, v)
	}}
}

// List is a field whose value is a list of objects. A nil list is an empty one, as it is for gqlgen where the schema says
// that it is never null; where the schema does not say that, the field is not written here.
func List[S, T, V any](get func(s S, path string, object *T) ([]*V, error)) Field[S] {
	return Field[S]{fits: func(t *ast.Type) bool { return t.NonNull && t.Elem != nil && t.Elem.Elem == nil }, write: func(ctx context.Context, s S, b []byte, f *field[S], object any) ([]byte, error) {
		of, ok := object.(*T)
		if !ok {
			return b, ErrOrdinary
		}
		list, err := get(s, f.path, of)
		if err != nil {
			return b, err
		}
		b = append(b, '[')
		for i, v := range list {
			if i > 0 {
				b = append(b, ',')
			}
			if v == nil {
				b, err = appendNull(b, f.elementRequired)
			} else {
				b, err = f.objects[0].append(ctx, s, b, v)
			}
			if err == nil && f.grown != nil {
				err = f.grown(ctx, s, len(b))
			}
			if err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	}}
}

func appendNull(b []byte, required bool) ([]byte, error) {
	if required {
		return b, ErrOrdinary // The null goes up, with an error.
	}
	return append(b, "null"...), nil
}

// field is a field that is selected, compiled.
type field[S any] struct {
	// key is the response key with its quotes and colon, after a comma where the field is not the first.
	key   string
	path  string
	write writer[S]
	// required and elementRequired say that the schema has no null there.
	required, elementRequired bool
	// objects are the types that the value may have.
	objects []*object[S]
	grown   Grown[S]
}

// object is what is selected of one type, compiled.
type object[S any] struct {
	of     Type[S]
	fields []field[S]
}

func (o *object[S]) append(ctx context.Context, s S, b []byte, value any) ([]byte, error) {
	b = append(b, '{')
	for i := range o.fields {
		f := &o.fields[i]
		b = append(b, f.key...)
		var err error
		if b, err = f.write(ctx, s, b, f, value); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// Plan is a root field's selection, compiled. It holds nothing of the document.
type Plan[S any] struct {
	root field[S]
	note atomic.Pointer[any]
}

// Note returns what is noted of the selection, and the first time, has it made. It stays as long as the plan, and is every
// request's: it must hold nothing of the document or of a request, and not be changed.
func (p *Plan[S]) Note(made func() any) any {
	if note := p.note.Load(); note != nil {
		return *note
	}
	note := made()
	p.note.Store(&note)
	return note
}

// Append appends the value that the root field's resolver returned: a pointer to an object, or a list of interface values
// that hold pointers or nil. Where the error is not nil, what was appended is to be thrown away and the value left to
// gqlgen.
func (p *Plan[S]) Append(ctx context.Context, s S, b []byte, value any) ([]byte, error) {
	return p.root.append(ctx, s, b, value)
}

func (f *field[S]) append(ctx context.Context, s S, b []byte, value any) ([]byte, error) {
	goType := reflect.TypeOf(value)
	for _, o := range f.objects {
		if o.of.goType == goType && !o.of.isNil(value) {
			return o.append(ctx, s, b, value)
		}
	}
	return b, ErrOrdinary
}

// AppendList is Append for a root field whose value is a list.
func AppendList[S, V any](ctx context.Context, p *Plan[S], s S, b []byte, list []V) ([]byte, error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if any(v) == nil {
			b, err = appendNull(b, p.root.elementRequired)
		} else {
			b, err = p.root.append(ctx, s, b, v)
		}
		if err == nil && p.root.grown != nil {
			err = p.root.grown(ctx, s, len(b))
		}
		if err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// compiler compiles one root field.
type compiler[S any] struct {
	types     map[string]Type[S]
	grown     Grown[S]
	schema    *ast.Schema
	operation *graphql.OperationContext
}

// plan compiles a root field; nil where any part of it is gqlgen's.
func (c compiler[S]) plan(root graphql.CollectedField) *Plan[S] {
	f, ok := c.value(root, string([]byte(root.Alias)))
	if !ok || len(f.objects) == 0 {
		return nil
	}
	return &Plan[S]{root: f}
}

// value compiles what is selected below a field, but not how its value is read.
func (c compiler[S]) value(f graphql.CollectedField, path string) (field[S], bool) {
	if f.Definition == nil || len(f.Deferrables) > 0 || slices.ContainsFunc(f.Directives, func(d *ast.Directive) bool { return d.Name != "skip" && d.Name != "include" }) {
		return field[S]{}, false
	}
	t := f.Definition.Type
	out := field[S]{path: path, required: t.NonNull, elementRequired: t.Elem != nil && t.Elem.NonNull, grown: c.grown}
	if t.Elem != nil && t.Elem.Elem != nil {
		return field[S]{}, false // No list of lists is known.
	}
	def := c.schema.Types[t.Name()]
	if def == nil || !def.IsCompositeType() {
		return out, def != nil
	}
	possible := []*ast.Definition{def}
	if def.IsAbstractType() {
		possible = c.schema.GetPossibleTypes(def)
	}
	for _, d := range possible {
		o, ok := c.object(d, f.Selections, path)
		if !ok {
			return field[S]{}, false
		}
		out.objects = append(out.objects, o)
	}
	return out, true
}

// object compiles what is selected of one type.
func (c compiler[S]) object(def *ast.Definition, selected ast.SelectionSet, path string) (*object[S], bool) {
	t, ok := c.types[def.Name]
	if !ok {
		return nil, false
	}
	satisfies := []string{def.Name}
	for _, d := range c.schema.GetImplements(def) {
		satisfies = append(satisfies, d.Name)
	}
	o := &object[S]{of: t}
	keys := map[string]bool{}
	for _, f := range graphql.CollectFields(c.operation, selected, satisfies) {
		if keys[f.Alias] {
			continue // gqlgen writes the first of one key.
		}
		keys[f.Alias] = true
		compiled, ok := c.field(t, f, path+"."+f.Alias)
		if !ok {
			return nil, false
		}
		compiled.key = `"` + f.Alias + `":`
		if len(o.fields) > 0 {
			compiled.key = "," + compiled.key
		}
		o.fields = append(o.fields, compiled)
	}
	return o, true
}

// field compiles one field of a type.
func (c compiler[S]) field(t Type[S], f graphql.CollectedField, path string) (field[S], bool) {
	out, ok := c.value(f, path)
	if !ok {
		return field[S]{}, false
	}
	if f.Name == "__typename" {
		name := `"` + t.name + `"`
		out.write = func(_ context.Context, _ S, b []byte, _ *field[S], _ any) ([]byte, error) {
			return append(b, name...), nil
		}
		return out, true
	}
	known, ok := t.fields[f.Name]
	// An abstract type below the root would need its value's type looked up: there is none.
	if !ok || !known.fits(f.Definition.Type) || known.leaf != (len(out.objects) == 0) || len(out.objects) > 1 {
		return field[S]{}, false
	}
	out.write = known.write
	return out, true
}
