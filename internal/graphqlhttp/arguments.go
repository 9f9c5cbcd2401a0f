package graphqlhttp

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// size returns how many elements a field returns, at least 1, and the argument that sets this. It returns -1 if the size is
// not the field's to set.
func (a *analysis) size(f *ast.Field, definition *ast.FieldDefinition, price FieldPrice) (int, string) {
	if len(price.Sizes) == 0 && price.Default == 0 {
		return -1, ""
	}
	size, argument := -1, ""
	for _, path := range price.Sizes {
		name, member, _ := strings.Cut(path, ".")
		n, ok := a.sizeIn(f, definition, name, member)
		if ok && n > size {
			size, argument = n, path
		}
	}
	if size < 0 {
		size = price.Default
		if len(price.Sizes) > 0 {
			argument = price.Sizes[0]
		}
	}
	if price.Max > 0 {
		size = min(size, price.Max) // The field itself refuses more, with a better message.
	}
	if price.Batch > 1 {
		size = (size + price.Batch - 1) / price.Batch
	}
	// What is selected on elements is compiled even if there are none. If it were free, a document with nested fragments
	// could make the compiler run for minutes.
	return max(size, 1), argument
}

// sizeIn returns the size that an argument, or a member of it, sets.
func (a *analysis) sizeIn(f *ast.Field, definition *ast.FieldDefinition, name, member string) (int, bool) {
	declared := definition.Arguments.ForName(name)
	isList := a.takesList(declared, member)
	var value *ast.Value
	if argument := f.Arguments.ForName(name); argument != nil {
		value = argument.Value
	} else if declared != nil {
		value = declared.DefaultValue
	}
	for {
		if value != nil && value.Kind == ast.Variable {
			a.usedVariable = true
			if raw, given := a.values[value.Raw]; given {
				return sizeOfJSON(raw, member, isList)
			}
			value = a.defaultOf(value.Raw)
		}
		switch {
		case value == nil:
			return 0, false
		case member == "":
			return sizeOfLiteral(value, isList)
		}
		value, member = value.Children.ForName(member), ""
	}
}

// takesList reports whether an argument, or a member of it, is a list of ids, which may be numbers, instead of a number.
func (a *analysis) takesList(argument *ast.ArgumentDefinition, member string) bool {
	if argument == nil {
		return false
	}
	if member == "" {
		return argument.Type.Elem != nil
	}
	input := a.schema.Types[argument.Type.Name()]
	if input == nil {
		return false
	}
	field := input.Fields.ForName(member)
	return field != nil && field.Type.Elem != nil
}

// defaultOf returns the default of one of the operation's variables, or nil.
func (a *analysis) defaultOf(variable string) *ast.Value {
	if definition := a.variables.ForName(variable); definition != nil {
		return definition.DefaultValue
	}
	return nil
}

// sizeOfLiteral returns the size that a literal sets.
func sizeOfLiteral(value *ast.Value, isList bool) (int, bool) {
	switch {
	case value.Kind == ast.ListValue:
		return len(value.Children), true
	case value.Kind == ast.IntValue && !isList:
		return parseSize(value.Raw)
	case value.Kind == ast.IntValue || value.Kind == ast.StringValue || value.Kind == ast.BlockValue:
		return 1, true // One value stands for a list of it.
	default:
		return 0, false
	}
}

// sizeOfJSON returns the size that a variable's value, or a member of it, sets.
func sizeOfJSON(raw any, member string, isList bool) (int, bool) {
	if member != "" {
		object, _ := raw.(map[string]any)
		raw = object[member]
	}
	switch raw := raw.(type) {
	case []any:
		return len(raw), true
	case json.Number:
		if isList {
			return 1, true
		}
		return parseSize(raw.String())
	case string:
		return 1, true
	case nil:
		return 0, false
	default:
		return 1, true
	}
}

// parseSize parses a size. Negative numbers and what isn't a number, which are refused later, count as 0.
func parseSize(s string) (int, bool) {
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil && math.IsInf(n, 1), n > maxSum:
		return maxSum, true
	case err != nil || n < 0:
		return 0, true
	default:
		return int(n), true
	}
}

// occurrences counts how often a field's arguments have a member of the name that is not null.
func (a *analysis) occurrences(f *ast.Field, name string) int {
	n := 0
	for _, argument := range f.Arguments {
		if argument.Name == name && argument.Value != nil && argument.Value.Kind != ast.NullValue {
			n++
		}
		n = add(n, a.inLiteral(argument.Value, name))
	}
	return n
}

// inLiteral counts the members of the name in a literal.
func (a *analysis) inLiteral(value *ast.Value, name string) int {
	if value == nil {
		return 0
	}
	if value.Kind == ast.Variable {
		return a.inVariable(value.Raw, name)
	}
	n := 0
	for _, child := range value.Children {
		if child.Name == name {
			n++
		}
		n = add(n, a.inLiteral(child.Value, name))
	}
	return n
}

// inVariable counts the members of the name in a variable's value. It does so once, however often the variable is used.
func (a *analysis) inVariable(variable, name string) int {
	a.usedVariable = true
	if n, ok := a.inputs[variable][name]; ok {
		return n
	}
	if a.inputs == nil {
		a.inputs = map[string]map[string]int{}
	}
	if a.inputs[variable] == nil {
		a.inputs[variable] = map[string]int{}
	}
	a.inputs[variable][name] = 0 // A default that is the variable itself is invalid: the recursion ends here.
	n := 0
	if raw, given := a.values[variable]; given {
		n = inJSON(raw, name)
	} else if value := a.defaultOf(variable); value != nil {
		n = a.inLiteral(value, name)
	}
	a.inputs[variable][name] = n
	return n
}

// inJSON counts the members of the name in a value.
func inJSON(value any, name string) int {
	n := 0
	switch value := value.(type) {
	case []any:
		for _, child := range value {
			n = add(n, inJSON(child, name))
		}
	case map[string]any:
		for key, child := range value {
			if key == name && child != nil {
				n++
			}
			n = add(n, inJSON(child, name))
		}
	}
	return n
}
