package graphqlhttp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// CheckScalar says why a value is none of its scalar's; nil where it is one. The value is a variable's as JSON has it,
// with numbers as json.Number, or a literal's, with numbers as int64 and float64. The message goes on after the value's
// name, and is shown to the client.
type CheckScalar = func(value any) error

// values checks all scalars of an operation before anything of it runs. The executor looks at a value when its field's
// turn comes, and by then the mutations before it have happened (October 2021, section 6.1.2, wants a request error).
type values struct {
	schema  *ast.Schema
	scalars map[string]CheckScalar
}

// given returns what is wrong with the operation's variables; nil where nothing is.
func (v values) given(operation *graphql.OperationContext) *gqlerror.Error {
	for _, definition := range operation.Operation.VariableDefinitions {
		if value, ok := operation.Variables[definition.Variable]; ok {
			if err := v.variable(definition.Type, value, "$"+definition.Variable); err != nil {
				return badValue(err, definition.Position)
			}
		}
	}
	return nil
}

// errBadValue carries the path of a bad value and what is wrong with it.
type errBadValue struct {
	path string
	err  error
}

func (e *errBadValue) Error() string { return e.path + " " + e.err.Error() }

func badValue(err error, at *ast.Position) *gqlerror.Error {
	out := gqlerror.ErrorPosf(at, "%s", err)
	out.Extensions = map[string]any{"code": CodeBadUserInput}
	return out
}

// variable checks a value that came as JSON.
func (v values) variable(t *ast.Type, value any, path string) error {
	if value == nil {
		return nil // Where it may not be, the executor has said so.
	}
	if t.Elem != nil {
		// One value stands for a list of it (section 3.11), and validation has made it one, of the value's own Go type.
		for i, element := range graphql.CoerceList(value) {
			if err := v.variable(t.Elem, element, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	}
	definition := v.schema.Types[t.NamedType]
	switch definition.Kind {
	case ast.Scalar:
		return v.scalar(t.NamedType, value, path)
	case ast.InputObject:
		fields, ok := value.(map[string]any)
		if !ok {
			return nil // The executor has refused it.
		}
		for _, field := range definition.Fields {
			if value, ok := fields[field.Name]; ok {
				if err := v.variable(field.Type, value, path+"."+field.Name); err != nil {
					return err
				}
			}
		}
	default:
	}
	return nil
}

func (v values) scalar(name string, value any, path string) error {
	check, ok := v.scalars[name]
	if !ok {
		return nil
	}
	if err := check(value); err != nil {
		return &errBadValue{path: path, err: err}
	}
	return nil
}

// selections checks the literals in the arguments of all fields, each fragment once.
func (v values) selections(set ast.SelectionSet, seen map[string]bool) *gqlerror.Error {
	for _, selection := range set {
		var below ast.SelectionSet
		switch s := selection.(type) {
		case *ast.Field:
			for _, argument := range s.Arguments {
				if err := v.literal(argument.Value, argument.Name); err != nil {
					return badValue(err, argument.Position)
				}
			}
			below = s.SelectionSet
		case *ast.InlineFragment:
			below = s.SelectionSet
		case *ast.FragmentSpread:
			if seen[s.Name] || s.Definition == nil {
				continue
			}
			seen[s.Name] = true
			below = s.Definition.SelectionSet
		}
		if err := v.selections(below, seen); err != nil {
			return err
		}
	}
	return nil
}

// literal checks a value in the document.
func (v values) literal(value *ast.Value, path string) error {
	switch {
	case value.Kind == ast.Variable || value.Kind == ast.NullValue:
		return nil
	case value.Kind == ast.ListValue:
		for i, child := range value.Children {
			if err := v.literal(child.Value, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case value.Kind == ast.ObjectValue:
		for _, child := range value.Children {
			if err := v.literal(child.Value, path+"."+child.Name); err != nil {
				return err
			}
		}
		return nil
	case value.Definition == nil || value.Definition.Kind != ast.Scalar:
		return nil
	}
	plain, err := value.Value(nil)
	if err != nil {
		return &errBadValue{path: path, err: errors.New("can't be read: it is too large")}
	}
	return v.scalar(value.Definition.Name, plain, path)
}

// maxMessage is the most bytes of an error's message: it may quote what the client sent.
const maxMessage = 500

// shortened cuts long messages.
func shortened(errs gqlerror.List) {
	for _, err := range errs {
		if len(err.Message) > maxMessage {
			cut := []rune(err.Message[:maxMessage])
			err.Message = string(slices.DeleteFunc(cut, func(r rune) bool { return r == '\uFFFD' })) + "…"
		}
	}
}
