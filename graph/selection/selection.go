// Package selection compiles a selection set (GraphQL, section 2.4) into a plan that loads what is selected in batches
// and appends a Go value's JSON to a buffer. It does what gqlgen does field by field, CollectFields, CompleteValue and
// serialization (sections 6.3 and 6.4), without a context, a closure and a marshaler for each field of each row.
//
// It encodes only what its table of types describes, without errors and without a null that the schema doesn't allow. For
// everything else Append returns ErrFallback, and gqlgen executes the selection.
package selection

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// ErrFallback reports that a value can't be encoded by a plan. gqlgen has the answer, which may be an error.
var ErrFallback = errors.New("selection: gqlgen has to encode this value")

// State is what fields are loaded and encoded with.
type State interface {
	// Values returns the loaded values of the root field that is being executed.
	Values() *Values
}

// Type describes an object type of the schema: the Go type of its values and how its fields are loaded and encoded.
type Type[S State] struct {
	name   string
	fields Fields[S]
	goType reflect.Type
	isNil  func(object any) bool
	// slice returns the elements as a []*T, each once.
	slice func(elements []any) any

	key         string
	unversioned bool
	derive      func(*Set[S]) any
}

// Fields are the fields of a type by name. __typename needs no entry.
type Fields[S State] map[string]Field[S]

// Of returns the type of that name, whose values are pointers to T in Go.
func Of[T any, S State](name string, fields Fields[S]) Type[S] {
	return Type[S]{
		name: name, fields: fields, goType: reflect.TypeFor[*T](),
		isNil: func(object any) bool {
			v, ok := object.(*T)
			return !ok || v == nil
		},
		slice: func(elements []any) any {
			var objects []*T
			for _, element := range elements {
				if v, ok := element.(*T); ok && v != nil {
					objects = append(objects, v)
				}
			}
			return once(objects)
		},
	}
}

// Name returns the type's name in the schema.
func (t Type[S]) Name() string { return t.name }

// Names returns the names of the fields that have entries.
func (t Type[S]) Names() []string { return slices.Collect(maps.Keys(t.fields)) }

// Has reports whether the table has an entry for the field.
func (t Type[S]) Has(field string) bool {
	_, ok := t.fields[field]
	return ok
}

// Row returns the type with the column that identifies its rows. It is read whatever is selected, and Set.Columns is
// set for such types only.
func (t Type[S]) Row(key string) Type[S] {
	t.key = key
	return t
}

// Unversioned returns the type marked as one whose rows don't carry the version of their workspace.
func (t Type[S]) Unversioned() Type[S] {
	t.unversioned = true
	return t
}

// Versioned reports whether the type's rows carry the version of their workspace.
func (t Type[S]) Versioned() bool { return !t.unversioned }

// MayChangeWithTime reports whether the clock alone may change the value of a field. What has no entry may be anything.
func (t Type[S]) MayChangeWithTime(field string) bool { return !t.Has(field) || t.fields[field].clock }

// FollowsVersion reports whether the value of a field can't change without a new version of its object. That is so if it is part of
// the object, or marked with OfRow, and the clock doesn't change it.
func (t Type[S]) FollowsVersion(field string) bool {
	return t.Has(field) && t.fields[field].ofRow && !t.fields[field].clock
}

// Derive returns the type with a function that is called once for each compiled selection of the type. Its result is
// Set.Derived. It must not keep the document.
func (t Type[S]) Derive(derive func(*Set[S]) any) Type[S] {
	t.derive = derive
	return t
}

// Field describes an output field: what it needs, and how it is encoded. Leaf, Object, List and their variants make one.
type Field[S State] struct {
	encode encoder[S]
	// load loads the field's values for all objects, a []*T, and returns those that have fields below, a []*V or nil.
	load func(ctx context.Context, s S, f *Selected[S], objects any) (any, error)
	// children returns the values of the objects, a []*V or nil, of a field that needs no loading.
	children func(objects any) any
	// fits reports whether the field's type in the schema is one that encode can do.
	fits func(*ast.Type) bool
	// abstract reports whether the field's values may be of several types.
	abstract bool
	// leaf reports whether the field has no selection of its own.
	leaf    bool
	columns []string
	// whole reports whether what is selected below the field needs no columns but these.
	whole bool
	clock bool
	// ofRow reports whether the value is part of its object, and so can't change without it.
	ofRow bool
}

type encoder[S State] func(ctx context.Context, s S, b []byte, f *Selected[S], object any) ([]byte, error)

// From returns the field with the columns of its object's row that it needs.
func (f Field[S]) From(columns ...string) Field[S] {
	f.columns = columns
	return f
}

// FromAll is From for an object that has all it needs with these columns, whatever is selected of it.
func (f Field[S]) FromAll(columns ...string) Field[S] {
	f.columns, f.whole = columns, true
	return f
}

// ChangesWithTime returns the field marked as one whose value the clock alone may change.
func (f Field[S]) ChangesWithTime() Field[S] {
	f.clock = true
	return f
}

// OfRow returns the field marked as one whose object gets a new version if it is something else, although it is loaded. If what it
// is changes by itself, that is another object's change.
func (f Field[S]) OfRow() Field[S] {
	f.ofRow = true
	return f
}

// Leaf is a field that is a scalar, an enum or a list of those. What encode appends must be JSON, null only if the schema
// allows it.
func Leaf[S State, T any](encode func(b []byte, object *T) []byte) Field[S] {
	f := LeafWith(func(_ context.Context, _ S, b []byte, object *T) ([]byte, error) { return encode(b, object), nil })
	f.ofRow = true
	return f
}

// LeafWith is a Leaf that needs more than its object, or can fail.
func LeafWith[S State, T any](encode func(ctx context.Context, s S, b []byte, object *T) ([]byte, error)) Field[S] {
	return Field[S]{leaf: true, fits: anyType, encode: func(ctx context.Context, s S, b []byte, _ *Selected[S], object any) ([]byte, error) {
		of, ok := object.(*T)
		if !ok {
			return b, ErrFallback
		}
		return encode(ctx, s, b, of)
	}}
}

// Object is a field whose value is an object, or null.
func Object[S State, T, V any](get func(object *T) *V) Field[S] {
	return Field[S]{
		fits: isNamed, ofRow: true,
		encode: func(ctx context.Context, s S, b []byte, f *Selected[S], object any) ([]byte, error) {
			of, ok := object.(*T)
			if !ok {
				return b, ErrFallback
			}
			return appendObject(ctx, s, b, f, get(of))
		},
		children: func(objects any) any {
			var values []*V
			for _, object := range as[[]*T](objects) {
				if v := get(object); v != nil {
					values = append(values, v)
				}
			}
			return notEmpty(values)
		},
	}
}

// List is a field whose value is a list of objects. A nil list is an empty one, as it is for gqlgen if the schema says
// that it is never null. If the schema doesn't, the field can't be encoded.
func List[S State, T, V any](get func(object *T) []*V) Field[S] {
	return Field[S]{
		fits: isRequiredList, ofRow: true,
		encode: func(ctx context.Context, s S, b []byte, f *Selected[S], object any) ([]byte, error) {
			of, ok := object.(*T)
			if !ok {
				return b, ErrFallback
			}
			return appendList(ctx, s, b, f, get(of))
		},
		children: func(objects any) any {
			var values []*V
			for _, object := range as[[]*T](objects) {
				for _, v := range get(object) {
					if v != nil {
						values = append(values, v)
					}
				}
			}
			return notEmpty(values)
		},
	}
}

// ListOfAny is a List whose elements may be of several types, those of a union. Each is a pointer to a Go type of the table, and
// nothing below them is loaded.
func ListOfAny[S State, T, V any](get func(object *T) []V) Field[S] {
	return Field[S]{
		fits: isRequiredList, ofRow: true, abstract: true,
		encode: func(ctx context.Context, s S, b []byte, f *Selected[S], object any) ([]byte, error) {
			of, ok := object.(*T)
			if !ok {
				return b, ErrFallback
			}
			return appendListOfAny(ctx, s, b, f, get(of))
		},
		children: func(any) any { return nil },
	}
}

func anyType(*ast.Type) bool { return true }

func isNamed(t *ast.Type) bool { return t.Elem == nil }

func isRequiredList(t *ast.Type) bool { return t.NonNull && t.Elem != nil && t.Elem.Elem == nil }

// notEmpty returns the objects, nil if there are none.
func notEmpty[T any](objects []*T) any {
	if len(objects) == 0 {
		return nil
	}
	return objects
}

// once returns the objects that aren't nil, each once; nil if there are none.
func once[T any](objects []*T) any {
	seen := make(map[*T]bool, len(objects))
	return notEmpty(slices.DeleteFunc(objects, func(object *T) bool {
		known := object == nil || seen[object]
		seen[object] = true
		return known
	}))
}

func as[T any](v any) T {
	t, _ := v.(T)
	return t
}
