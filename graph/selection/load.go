package selection

import (
	"context"
	"errors"
	"sync"
)

// Values are the loaded values of one root field. The zero value is empty. They are safe for concurrent use.
type Values struct {
	mu sync.RWMutex
	// slots has a map[*T]V for each field of a plan that is loaded.
	slots []any
}

// Reset drops all values.
func (v *Values) Reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.slots = nil
}

func store[T, V any](v *Values, slot int, objects []*T, valueOf func(*T) V) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(v.slots) <= slot {
		v.slots = append(v.slots, nil)
	}
	values, ok := v.slots[slot].(map[*T]V)
	if !ok {
		values = make(map[*T]V, len(objects))
		v.slots[slot] = values
	}
	for _, object := range objects {
		values[object] = valueOf(object)
	}
}

func find[T, V any](v *Values, slot int, object *T) (V, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if slot >= len(v.slots) {
		return as[V](nil), false
	}
	value, ok := as[map[*T]V](v.slots[slot])[object]
	return value, ok
}

// Loader loads a field's values for all objects at once, and returns a function that has the value of each of them. If it
// returns ErrFallback, nothing is loaded: gqlgen resolves the field.
type Loader[S State, T, V any] func(ctx context.Context, s S, f *Selected[S], objects []*T) (func(object *T) V, error)

// LoadedLeaf is a Leaf whose values are loaded for all objects at once.
func LoadedLeaf[S State, T, V any](load Loader[S, T, V], encode func(b []byte, value V) []byte) Field[S] {
	f := loaded[S, T, V, struct{}](load, nil, func(_ context.Context, _ S, b []byte, _ *Selected[S], value V) ([]byte, error) {
		return encode(b, value), nil
	})
	f.leaf, f.fits = true, anyType
	return f
}

// LoadedObject is an Object whose values are loaded for all objects at once.
func LoadedObject[S State, T, V any](load Loader[S, T, *V]) Field[S] {
	f := loaded(load, func(values []*V, value *V) []*V { return append(values, value) }, appendObject[S, V])
	f.fits = isNamed
	return f
}

// LoadedList is a List whose values are loaded for all objects at once.
func LoadedList[S State, T, V any](load Loader[S, T, []*V]) Field[S] {
	f := loaded(load, func(values, value []*V) []*V { return append(values, value...) }, appendList[S, V])
	f.fits = isRequiredList
	return f
}

// loaded is a field whose values are loaded. add adds the objects of one value to those that have fields below.
func loaded[S State, T, V, E any](
	load Loader[S, T, V], add func(values []*E, value V) []*E,
	encode func(ctx context.Context, s S, b []byte, f *Selected[S], value V) ([]byte, error),
) Field[S] {
	return Field[S]{
		load: func(ctx context.Context, s S, f *Selected[S], objects any) (any, error) {
			list := as[[]*T](objects)
			valueOf, err := load(ctx, s, f, list)
			if err != nil {
				return nil, err
			}
			store(s.Values(), f.slot, list, valueOf)
			if add == nil || !f.loadsBelow {
				return nil, nil //nolint:nilnil // Nothing is selected below that has to be loaded.
			}
			var values []*E
			for _, object := range list {
				values = add(values, valueOf(object))
			}
			return once(values), nil
		},
		encode: func(ctx context.Context, s S, b []byte, f *Selected[S], object any) ([]byte, error) {
			of, ok := object.(*T)
			if !ok {
				return b, ErrFallback
			}
			value, ok := find[T, V](s.Values(), f.slot, of)
			if !ok {
				return b, ErrFallback
			}
			return encode(ctx, s, b, f, value)
		},
	}
}

// Load loads what is selected below the root field's value: a pointer to an object, nil included.
func (p *Plan[S]) Load(ctx context.Context, s S, value any) error {
	if !p.root.loadsBelow {
		return nil
	}
	return p.LoadList(ctx, s, []any{value})
}

// LoadList is Load for a root field whose value is a list.
func (p *Plan[S]) LoadList(ctx context.Context, s S, list []any) error {
	if !p.root.loadsBelow {
		return nil
	}
	for _, set := range p.root.sets {
		if err := set.load(ctx, s, set.of.slice(list)); err != nil {
			return err
		}
	}
	return nil
}

// load loads what is selected of the objects, a []*T or nil.
func (set *Set[S]) load(ctx context.Context, s S, objects any) error {
	if objects == nil {
		return nil
	}
	for i := range set.Fields {
		f := &set.Fields[i]
		if !f.loads && !f.loadsBelow {
			continue
		}
		if err := f.loadFor(ctx, s, objects); err != nil {
			return err
		}
	}
	return nil
}

// loadFor loads the field of the objects, and what is selected below it.
func (f *Selected[S]) loadFor(ctx context.Context, s S, objects any) error {
	var values any
	if f.loads {
		var err error
		values, err = f.load(ctx, s, f, objects)
		if errors.Is(err, ErrFallback) {
			return nil
		}
		if err != nil {
			return err
		}
	} else {
		values = f.children(objects)
	}
	if !f.loadsBelow {
		return nil
	}
	return f.sets[0].load(ctx, s, values)
}

// LoadBelow loads what is selected below a field for the objects that are its values.
func LoadBelow[S State, V any](ctx context.Context, s S, f *Selected[S], values []*V) error {
	if f == nil || !f.loadsBelow {
		return nil
	}
	return f.sets[0].load(ctx, s, f.sets[0].of.slice(elements(values)))
}

// Value returns the loaded value of an object's field. If it isn't loaded yet, Value loads it, and what is selected below
// it, for this object alone.
func Value[V any, S State, T any](ctx context.Context, s S, f *Selected[S], object *T) (V, error) {
	value, ok := find[T, V](s.Values(), f.slot, object)
	if ok {
		return value, nil
	}
	err := f.loadFor(ctx, s, []*T{object})
	value, _ = find[T, V](s.Values(), f.slot, object)
	return value, err
}

func elements[V any](values []V) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}
