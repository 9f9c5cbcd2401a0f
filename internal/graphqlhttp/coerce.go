package graphqlhttp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// CheckScalar returns an error if a value is not valid for its scalar. Numbers are json.Number. The message continues the
// value's name ("must be even"), and is shown to the client.
type CheckScalar = func(value any) error

// coercer coerces the variables of an operation and checks literals (GraphQL specification, October 2021, sections 3.10 to
// 3.12 and 6.1.2; section 3.10.1 of September 2025 for @oneOf). gqlparser ignores the case of enum values and doesn't know
// @oneOf.
type coercer struct {
	schema  *ast.Schema
	scalars map[string]CheckScalar
	// names is whether messages may list an enum's values.
	names bool
}

// variables coerces the given values of an operation's variables. It changes the given lists and objects: single values
// become lists of one, and objects get their defaults.
func (c *coercer) variables(operation *ast.OperationDefinition, given map[string]any) (map[string]any, *gqlerror.Error) {
	if len(operation.VariableDefinitions) == 0 {
		return nil, nil //nolint:nilnil // No variables, and no error.
	}
	values := make(map[string]any, len(operation.VariableDefinitions))
	for _, variable := range operation.VariableDefinitions {
		value, ok := given[variable.Variable]
		if !ok {
			switch {
			case variable.DefaultValue != nil:
				value = literalValue(variable.DefaultValue)
			case variable.Type.NonNull:
				return nil, invalid("is required: it is of type %s", variable.Type).at("$"+variable.Variable, variable.Position)
			default:
				continue
			}
		}
		value, err := c.value(variable.Type, value)
		if err != nil {
			return nil, err.at("$"+variable.Variable, variable.Position)
		}
		values[variable.Variable] = value
	}
	return values, nil
}

// value coerces one value.
func (c *coercer) value(t *ast.Type, value any) (any, *invalidValue) {
	if value == nil {
		if t.NonNull {
			return nil, invalid("can't be null: it is of type %s", t)
		}
		return nil, nil //nolint:nilnil // Null is a value, and there is no error.
	}
	if t.Elem != nil {
		return c.list(t.Elem, value)
	}
	switch definition := c.schema.Types[t.NamedType]; definition.Kind {
	case ast.Enum:
		name, ok := value.(string)
		if !ok || definition.EnumValues.ForName(name) == nil {
			return nil, c.notInEnum(definition, value)
		}
		return value, nil
	case ast.InputObject:
		object, ok := value.(map[string]any)
		if !ok {
			return nil, invalid("must be an object of type %s", definition.Name)
		}
		return object, c.object(definition, object)
	default:
		return value, c.scalar(definition.Name, value)
	}
}

// list coerces a list. A single value stands for a list of it (section 3.11).
func (c *coercer) list(of *ast.Type, value any) (any, *invalidValue) {
	list, ok := value.([]any)
	if !ok {
		element, err := c.value(of, value)
		return []any{element}, err
	}
	for i, element := range list {
		coerced, err := c.value(of, element)
		if err != nil {
			return nil, err.inList(i)
		}
		list[i] = coerced
	}
	return list, nil
}

// object coerces an input object (section 3.10).
func (c *coercer) object(definition *ast.Definition, object map[string]any) *invalidValue {
	unknown := len(object)
	for _, field := range definition.Fields {
		value, given := object[field.Name]
		switch {
		case given:
			unknown--
		case field.DefaultValue != nil:
			value = literalValue(field.DefaultValue)
		case field.Type.NonNull:
			return invalid("is required: it is of type %s", field.Type).inField(field.Name)
		default:
			continue
		}
		coerced, err := c.value(field.Type, value)
		if err != nil {
			return err.inField(field.Name)
		}
		if !given || field.Type.Elem != nil { // Only a list can be another value than the one given.
			object[field.Name] = coerced
		}
	}
	if unknown > 0 {
		return unknownField(definition, object)
	}
	if definition.Directives.ForName("oneOf") != nil {
		return oneField(definition, object)
	}
	return nil
}

// unknownField returns the error of an object with fields that its type doesn't have. It names the first by name, since
// objects have no order.
func unknownField(definition *ast.Definition, object map[string]any) *invalidValue {
	var unknown []string
	for name := range object {
		if definition.Fields.ForName(name) == nil {
			unknown = append(unknown, name)
		}
	}
	return invalid("is not a field of %s", definition.Name).inField(slices.Min(unknown))
}

// oneField checks an object whose type has @oneOf.
func oneField(definition *ast.Definition, object map[string]any) *invalidValue {
	if len(object) != 1 {
		return invalid("must have exactly one field of %s, and has %d", definition.Name, len(object))
	}
	for name, value := range object {
		if value == nil {
			return invalid("can't be null: it is the one field of %s", definition.Name).inField(name)
		}
	}
	return nil
}

// notInEnum returns the error of a value that its enum doesn't have.
func (c *coercer) notInEnum(definition *ast.Definition, value any) *invalidValue {
	values, not := "", ""
	if c.names {
		var names []string
		for _, value := range definition.EnumValues {
			names = append(names, value.Name)
		}
		values = " (" + strings.Join(names, ", ") + ")"
	}
	if name, ok := value.(string); ok {
		not = ", not " + strconv.Quote(name)
	}
	return invalid("must be a value of %s%s%s", definition.Name, values, not)
}

// scalar checks a scalar's value.
func (c *coercer) scalar(name string, value any) *invalidValue {
	check, ok := c.scalars[name]
	if !ok {
		return nil
	}
	err := check(value)
	if err == nil {
		return nil
	}
	// Clients match these codes. A value of another type, such as true for an Int, is a validation error. A number that is out
	// of range or given for a String, and what the schema's own scalars refuse, is bad input.
	code := CodeBadUserInput
	if c.schema.Types[name].BuiltIn && (name == "Boolean" || !isNumber(value)) {
		code = errcode.ValidationFailed
	}
	return &invalidValue{message: err.Error(), code: code}
}

// isNumber reports whether a value is a number, or a string that holds a whole one.
func isNumber(value any) bool {
	switch value := value.(type) {
	case json.Number:
		return true
	case string:
		_, err := strconv.ParseInt(value, 10, 64)
		return err == nil
	default:
		return false
	}
}

// literalValue returns the value of a literal without variables, for the coercer. Numbers keep their digits.
func literalValue(literal *ast.Value) any {
	switch literal.Kind {
	case ast.IntValue, ast.FloatValue:
		return json.Number(literal.Raw)
	case ast.BooleanValue:
		return literal.Raw == "true"
	case ast.ListValue:
		list := make([]any, len(literal.Children))
		for i, child := range literal.Children {
			list[i] = literalValue(child.Value)
		}
		return list
	case ast.ObjectValue:
		object := make(map[string]any, len(literal.Children))
		for _, child := range literal.Children {
			object[child.Name] = literalValue(child.Value)
		}
		return object
	case ast.StringValue, ast.BlockValue, ast.EnumValue:
		return literal.Raw
	default: // null; there are no variables
		return nil
	}
}

// invalidValue is the error of a value.
type invalidValue struct {
	// path leads to the value from its variable or argument, as in .tagIds[2].
	path string
	// message continues the value's name.
	message, code string
}

// invalid returns the error of a value of another type.
func invalid(format string, args ...any) *invalidValue {
	return &invalidValue{message: fmt.Sprintf(format, args...), code: errcode.ValidationFailed}
}

// inField returns the error with the field of the object that the value is in.
func (e *invalidValue) inField(name string) *invalidValue {
	e.path = "." + name + e.path
	return e
}

// inList returns the error with the index of the list that the value is in.
func (e *invalidValue) inList(index int) *invalidValue {
	e.path = "[" + strconv.Itoa(index) + "]" + e.path
	return e
}

// at returns the client's error for a value of a variable or argument at a position in the document.
func (e *invalidValue) at(name string, position *ast.Position) *gqlerror.Error {
	err := gqlerror.ErrorPosf(position, "%s", name+e.path+" "+e.message)
	err.Extensions = map[string]any{"code": e.code}
	return err
}
