package selection

import (
	"context"
	"reflect"
)

// Append appends the JSON of the root field's value: a pointer to an object, or null if it is nil. The error is
// ErrFallback if the value can't be encoded; what was appended has to be dropped then.
func (p *Plan[S]) Append(ctx context.Context, s S, b []byte, value any) ([]byte, error) {
	goType := reflect.TypeOf(value)
	for _, set := range p.root.sets {
		if set.of.goType != goType {
			continue
		}
		if set.of.isNil(value) {
			return appendNull(b, p.root.required)
		}
		return set.Append(ctx, s, b, value)
	}
	return b, ErrFallback
}

// AppendList is Append for a root field whose value is a list.
func (p *Plan[S]) AppendList(ctx context.Context, s S, b []byte, list []any) ([]byte, error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if v == nil {
			b, err = appendNull(b, p.root.elementRequired)
		} else {
			b, err = p.Append(ctx, s, b, v)
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

// Append appends the JSON of an object of the set's type, as it is within the root field's value. It fails like Plan.Append.
func (set *Set[S]) Append(ctx context.Context, s S, b []byte, value any) ([]byte, error) {
	b = append(b, '{')
	for i := range set.Fields {
		f := &set.Fields[i]
		b = append(b, f.key...)
		var err error
		if b, err = f.encode(ctx, s, b, f, value); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendObject[S State, V any](ctx context.Context, s S, b []byte, f *Selected[S], v *V) ([]byte, error) {
	if v == nil {
		return appendNull(b, f.required)
	}
	return f.sets[0].Append(ctx, s, b, v)
}

func appendList[S State, V any](ctx context.Context, s S, b []byte, f *Selected[S], list []*V) ([]byte, error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if v == nil {
			b, err = appendNull(b, f.elementRequired)
		} else {
			b, err = f.sets[0].Append(ctx, s, b, v)
		}
		if err == nil && f.grown != nil {
			err = f.grown(ctx, s, len(b))
		}
		if err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendListOfAny[S State, V any](ctx context.Context, s S, b []byte, f *Selected[S], list []V) ([]byte, error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		set := f.setOf(reflect.TypeOf(v))
		if set == nil {
			return b, ErrFallback
		}
		var err error
		if b, err = set.Append(ctx, s, b, v); err == nil && f.grown != nil {
			err = f.grown(ctx, s, len(b))
		}
		if err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// setOf returns what is selected of values of a Go type; nil if the field has no such values.
func (f *Selected[S]) setOf(goType reflect.Type) *Set[S] {
	for _, set := range f.sets {
		if set.of.goType == goType {
			return set
		}
	}
	return nil
}

func appendNull(b []byte, required bool) ([]byte, error) {
	if required {
		return b, ErrFallback // The null goes up, with an error.
	}
	return append(b, "null"...), nil
}
