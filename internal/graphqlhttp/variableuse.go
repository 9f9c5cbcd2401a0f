package graphqlhttp

import (
	"fmt"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// nonNullUse is the use of a nullable variable for something that can't be null. It is valid because the variable or the
// target has a default (section 5.8.5), but a null value must be refused.
type nonNullUse struct {
	variable *ast.VariableDefinition
	position *ast.Position
	// target is what the variable is used for, as in tasks(scope), and targetType its type.
	target, targetType string
}

// nullError returns the error of a variable that is null but can't be, or nil.
func nullError(uses []nonNullUse, variables map[string]any) *gqlerror.Error {
	for _, use := range uses {
		if value, ok := variables[use.variable.Variable]; ok && value == nil {
			err := invalidValue{message: fmt.Sprintf("can't be null: %s takes %s", use.target, use.targetType), code: CodeBadUserInput}
			return err.at("$"+use.variable.Variable, use.position)
		}
	}
	return nil
}

// nonNullUsesIn returns the nonNullUses in a valid operation.
func nonNullUsesIn(operation *ast.OperationDefinition) []nonNullUse {
	if len(operation.VariableDefinitions) == 0 {
		return nil
	}
	var found []nonNullUse
	visit := func(owner string, argument *ast.Argument) {
		eachVariable(argument.Value, &valuePath{name: argument.Name}, func(value *ast.Value, path *valuePath) {
			variable := operation.VariableDefinitions.ForName(value.Raw)
			if variable != nil && !variable.Type.NonNull && value.ExpectedType != nil && value.ExpectedType.NonNull {
				found = append(found, nonNullUse{
					variable: variable, position: value.Position,
					target: owner + "(" + path.String() + ")", targetType: value.ExpectedType.String(),
				})
			}
		})
	}
	eachDirectiveArgument(operation.Directives, visit)
	eachArgument(operation.SelectionSet, map[string]bool{}, visit)
	return found
}

// variableUse is how often an operation uses a variable.
type variableUse struct {
	variable string
	count    int
}

// valuesUsed counts the values in lists and objects of the variables as often as they are used, because execution copies
// them for each use. It returns 0 if none is used more than once: checkVariables has counted the values themselves.
func valuesUsed(uses []variableUse, variables map[string]any) int {
	sum, repeated := 0, false
	for _, use := range uses {
		value := variables[use.variable]
		switch value.(type) {
		case []any, map[string]any:
			_, values := measure(value)
			sum, repeated = add(sum, times(values, use.count)), repeated || use.count > 1
		}
	}
	if !repeated {
		return 0
	}
	return sum
}

// useCounter counts the uses of variables in a valid document. It holds the counts by fragment and variable.
type useCounter map[string]map[string]int

// operation returns how often an operation uses each of its variables, counting a fragment each time it is spread. It
// returns nil if the operation uses none more than once.
func (c useCounter) operation(operation *ast.OperationDefinition) []variableUse {
	if len(operation.VariableDefinitions) == 0 {
		return nil
	}
	found := c.selection(operation.Directives, operation.SelectionSet)
	var uses []variableUse
	repeated := false
	for _, variable := range operation.VariableDefinitions {
		n := found[variable.Variable]
		uses, repeated = append(uses, variableUse{variable.Variable, n}), repeated || n > 1
	}
	if !repeated {
		return nil
	}
	return uses
}

// selection returns how often a selection set and the directives beside it use each variable.
func (c useCounter) selection(directives ast.DirectiveList, set ast.SelectionSet) map[string]int {
	found := map[string]int{}
	visit := func(_ string, argument *ast.Argument) {
		eachVariable(argument.Value, nil, func(value *ast.Value, _ *valuePath) { found[value.Raw]++ })
	}
	eachDirectiveArgument(directives, visit)
	eachArgument(set, nil, visit)
	eachSpread(set, func(spread *ast.FragmentSpread) {
		if c[spread.Name] == nil {
			c[spread.Name] = c.selection(spread.Definition.Directives, spread.Definition.SelectionSet)
		}
		for variable, n := range c[spread.Name] {
			found[variable] = add(found[variable], n)
		}
	})
	return found
}

// eachSpread calls fn for every spread in a selection set, except those in the fragments that it spreads.
func eachSpread(set ast.SelectionSet, fn func(*ast.FragmentSpread)) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			eachSpread(s.SelectionSet, fn)
		case *ast.InlineFragment:
			eachSpread(s.SelectionSet, fn)
		case *ast.FragmentSpread:
			fn(s)
		}
	}
}

// valuePath is the path of a value in a document from its argument. It is formatted only for messages, since a document can
// have many long paths.
type valuePath struct {
	parent *valuePath // nil for the argument itself
	name   string     // "" for an element of a list
	index  int
}

// String formats the path like input.tagIds[2].
func (p *valuePath) String() string {
	switch {
	case p.parent == nil:
		return p.name
	case p.name == "":
		return p.parent.String() + "[" + strconv.Itoa(p.index) + "]"
	default:
		return p.parent.String() + "." + p.name
	}
}

// eachVariable calls fn for every variable in a value, with its path, which begins with the value's.
func eachVariable(value *ast.Value, path *valuePath, fn func(variable *ast.Value, path *valuePath)) {
	if value.Kind == ast.Variable {
		fn(value, path)
	}
	for i, child := range value.Children {
		eachVariable(child.Value, &valuePath{parent: path, name: child.Name, index: i}, fn)
	}
}

// eachValue calls fn for every argument and every default of a variable in a document.
func eachValue(document *ast.QueryDocument, fn func(name string, value *ast.Value)) {
	argument := func(_ string, argument *ast.Argument) { fn(argument.Name, argument.Value) }
	for _, operation := range document.Operations {
		for _, variable := range operation.VariableDefinitions {
			if variable.DefaultValue != nil {
				fn("$"+variable.Variable, variable.DefaultValue)
			}
			eachDirectiveArgument(variable.Directives, argument)
		}
		eachDirectiveArgument(operation.Directives, argument)
		eachArgument(operation.SelectionSet, nil, argument)
	}
	for _, fragment := range document.Fragments {
		eachDirectiveArgument(fragment.Directives, argument)
		eachArgument(fragment.SelectionSet, nil, argument)
	}
}

// eachArgument calls fn for every argument of the fields and directives in a selection set, with the name of the field or
// directive. Unless seen is nil, it visits each spread fragment once.
func eachArgument(set ast.SelectionSet, seen map[string]bool, fn func(owner string, argument *ast.Argument)) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			for _, argument := range s.Arguments {
				fn(s.Name, argument)
			}
			eachDirectiveArgument(s.Directives, fn)
			eachArgument(s.SelectionSet, seen, fn)
		case *ast.InlineFragment:
			eachDirectiveArgument(s.Directives, fn)
			eachArgument(s.SelectionSet, seen, fn)
		case *ast.FragmentSpread:
			eachDirectiveArgument(s.Directives, fn)
			if seen == nil || seen[s.Name] || s.Definition == nil {
				continue
			}
			seen[s.Name] = true
			eachDirectiveArgument(s.Definition.Directives, fn)
			eachArgument(s.Definition.SelectionSet, seen, fn)
		}
	}
}

// eachDirectiveArgument calls fn for every argument of the directives.
func eachDirectiveArgument(directives ast.DirectiveList, fn func(owner string, argument *ast.Argument)) {
	for _, directive := range directives {
		for _, argument := range directive.Arguments {
			fn("@"+directive.Name, argument)
		}
	}
}
