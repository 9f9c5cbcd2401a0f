package graph

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"taskql/graph/model"
	"taskql/internal/viewer"
)

// convert returns the domain's input for an input of the API in which absent and null differ: each field goes to the field of
// the same name, also in an embedded struct. It panics if the fields or their types differ, whatever the values are.
func convert[Out, In any](in In) Out {
	var out Out
	copyFields(reflect.ValueOf(&out).Elem(), reflect.ValueOf(in))
	return out
}

func copyFields(dst, src reflect.Value) {
	if got, want := countFields(dst.Type()), src.NumField(); got > want {
		panic(fmt.Sprintf("%s has fields that %s doesn't have", dst.Type(), src.Type()))
	}
	for i := range src.NumField() {
		name := src.Type().Field(i).Name
		field := dst.FieldByNameFunc(func(s string) bool { return strings.EqualFold(s, name) })
		if !field.IsValid() {
			panic(fmt.Sprintf("%s has no field %s", dst.Type(), name))
		}
		copyField(field, src.Field(i))
	}
}

// countFields counts the fields of a struct with those of embedded structs.
func countFields(t reflect.Type) int {
	n := 0
	for f := range t.Fields() {
		if f.Anonymous {
			n += countFields(f.Type)
		} else {
			n++
		}
	}
	return n
}

// copyField copies a value as it is, the fields of an input, or a graphql.Omittable: to a workspace.Optional, or else only its value.
func copyField(dst, src reflect.Value) {
	switch {
	case src.Type() == dst.Type():
		dst.Set(src)
	case src.Kind() == reflect.Pointer:
		copyFields(dst, src.Elem())
	default:
		omittable := src.MethodByName("ValueOK").Call(nil)
		value, set := omittable[0], omittable[1]
		if dst.Type() != value.Type() {
			dst.FieldByName("Set").Set(set)
			dst = dst.FieldByName("Value")
		}
		dst.Set(value)
	}
}

// updateViewer sets the fields that are present. A null time zone is UTC.
func (r *Resolver) updateViewer(ctx context.Context, v viewer.Viewer, in model.UpdateViewerInput) (*model.UpdateViewerPayload, error) {
	zone, set := in.TimeZone.ValueOK()
	if !set {
		user, err := r.services.Accounts.User(ctx, v, v.UserID)
		return &model.UpdateViewerPayload{Viewer: user}, err
	}
	name := "UTC"
	if zone != nil {
		name = *zone
	}
	user, err := r.services.Accounts.SetTimeZone(ctx, v, name)
	return &model.UpdateViewerPayload{Viewer: user}, err
}
