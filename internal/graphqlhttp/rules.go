package graphqlhttp

import (
	"strings"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	gqlvalidator "github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// validator validates documents (GraphQL specification, October 2021, section 5).
type validator struct {
	schema  *ast.Schema
	rules   *rules.Rules
	coercer *coercer
}

// newValidator returns a validator. Unless it may suggest names, the rules that answer "Did you mean" are replaced.
func newValidator(schema *ast.Schema, scalars map[string]CheckScalar, suggest bool) *validator {
	v := &validator{schema: schema, rules: rules.NewDefaultRules(), coercer: &coercer{schema: schema, scalars: scalars, names: suggest}}
	v.rules.AddRule(idLiteralsFirst, idLiterals)
	if suggest {
		return v
	}
	for _, quiet := range []core.Rule{
		rules.FieldsOnCorrectTypeRuleWithoutSuggestions, rules.KnownArgumentNamesRuleWithoutSuggestions,
		rules.KnownTypeNamesRuleWithoutSuggestions, rules.ScalarLeafsRuleWithoutSuggestions, rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
	} {
		v.rules.RemoveRule(strings.TrimSuffix(quiet.Name, "WithoutSuggestions"))
		v.rules.AddRule(quiet.Name, quiet.RuleFunc)
	}
	return v
}

// outOf64Bits is gqlparser's message about an Int of more than 64 bits, and outOfRange what is said in its place.
const (
	outOf64Bits = "Int cannot represent non 32-bit signed integer value: "
	outOfRange  = "Int must be a whole number between -2147483648 and 2147483647, not "
)

// idLiteralsFirst names a rule so that it comes first: gqlparser sorts rules by name.
const idLiteralsFirst = "0 IDLiterals"

// idLiterals makes strings of whole numbers that stand for ids, which may have any number of digits (section 3.5.5).
// gqlparser reads them into 64 bits and refuses longer ones.
func idLiterals(observers *core.Events, _ core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, value *ast.Value) {
		if value.Kind == ast.IntValue && value.Definition != nil && value.Definition.Name == "ID" {
			value.Kind = ast.StringValue
		}
	})
}

// validate validates a document and finds the usages in its operations, and how often they use their variables. No other
// goroutine may use the document before it returns.
func (v *validator) validate(document *knownDocument) gqlerror.List {
	if len(document.document.Operations) == 0 {
		return gqlerror.List{validationError(nil, "The document has no operation.")}
	}
	errs := gqlvalidator.ValidateWithRules(v.schema, document.document, v.rules)
	for _, err := range errs {
		errcode.Set(err, errcode.ValidationFailed)
		err.Message = strings.Replace(err.Message, outOf64Bits, outOfRange, 1)
	}
	if len(errs) == 0 {
		errs = v.literals(document.document)
	}
	if len(errs) > 0 {
		return errs
	}
	document.usages = map[*ast.OperationDefinition][]usage{}
	document.uses = map[*ast.OperationDefinition][]variableUse{}
	counter := useCounter{}
	for _, operation := range document.document.Operations {
		if found := usagesIn(operation); len(found) > 0 {
			document.usages[operation] = found
		}
		if found := counter.of(operation); len(found) > 0 {
			document.uses[operation] = found
		}
	}
	document.valid = true
	return nil
}

// validationError is the error of a place in the document, or of all of it.
func validationError(at *ast.Position, message string) *gqlerror.Error {
	err := gqlerror.Errorf("%s", message)
	if at != nil {
		err = gqlerror.ErrorPosf(at, "%s", message)
	}
	err.Extensions = map[string]any{"code": errcode.ValidationFailed}
	return err
}

// literals checks the literals of a document that gqlparser's rules have passed: they look at no value of a scalar that the
// schema defines, and take {} for a value of any type.
func (v *validator) literals(document *ast.QueryDocument) gqlerror.List {
	var errs gqlerror.List
	eachValue(document, func(name string, value *ast.Value) {
		errs = append(errs, v.literal(value, &valuePath{name: name})...)
	})
	return errs
}

// literal checks a value in the document.
//
// It also removes the link from a variable to its definition. In a fragment of several operations that is the last
// operation's, whose default gqlparser would use for the others as well.
func (v *validator) literal(value *ast.Value, at *valuePath) gqlerror.List {
	var errs gqlerror.List
	switch {
	case value.Kind == ast.Variable:
		value.VariableDefinition = nil
	case value.Kind == ast.NullValue || value.Definition == nil:
	case value.Kind == ast.ListValue && value.ExpectedType.Elem != nil:
		for i, child := range value.Children {
			errs = append(errs, v.literal(child.Value, &valuePath{parent: at, index: i})...)
		}
	case value.Kind == ast.ObjectValue && value.Definition.Kind == ast.InputObject:
		for _, child := range value.Children {
			errs = append(errs, v.literal(child.Value, &valuePath{parent: at, name: child.Name})...)
		}
	default:
		if _, err := v.coercer.value(ast.NamedType(value.Definition.Name, nil), literalValue(value), at); err != nil {
			errs = append(errs, err.at(value.Position))
		}
	}
	return errs
}

// usage is the use of a variable in a place that takes no null, though the variable's type does. It is valid if the
// variable or the place has a default (section 5.8.5). Null must then be refused when it is given.
type usage struct {
	variable *ast.VariableDefinition
	position *ast.Position
	// place is what takes the value, as in tasks(scope), and wants its type.
	place, wants string
}

// usagesIn returns the usages in a valid operation.
func usagesIn(operation *ast.OperationDefinition) []usage {
	if len(operation.VariableDefinitions) == 0 {
		return nil
	}
	var found []usage
	note := func(of string, argument *ast.Argument) {
		eachVariable(argument.Value, &valuePath{name: argument.Name}, func(value *ast.Value, at *valuePath) {
			variable := operation.VariableDefinitions.ForName(value.Raw)
			if variable != nil && !variable.Type.NonNull && value.ExpectedType != nil && value.ExpectedType.NonNull {
				found = append(found, usage{
					variable: variable, position: value.Position,
					place: of + "(" + at.String() + ")", wants: value.ExpectedType.String(),
				})
			}
		})
	}
	eachOfDirectives(operation.Directives, note)
	eachArgument(operation.SelectionSet, map[string]bool{}, note)
	return found
}

// variableUse is how often an operation uses a variable.
type variableUse struct {
	variable string
	times    int
}

// useCounter counts the uses of variables in a valid document: those in its fragments, which are kept by name.
type useCounter map[string]map[string]int

// of returns how often an operation uses each of its variables, a fragment counted wherever it is spread; nil where it
// uses none more than once.
func (c useCounter) of(operation *ast.OperationDefinition) []variableUse {
	if len(operation.VariableDefinitions) == 0 {
		return nil
	}
	found := c.in(operation.Directives, operation.SelectionSet)
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

func (c useCounter) in(directives ast.DirectiveList, set ast.SelectionSet) map[string]int {
	found := map[string]int{}
	note := func(_ string, argument *ast.Argument) {
		eachVariable(argument.Value, nil, func(value *ast.Value, _ *valuePath) { found[value.Raw]++ })
	}
	eachOfDirectives(directives, note)
	eachArgument(set, nil, note)
	eachSpread(set, func(spread *ast.FragmentSpread) {
		if c[spread.Name] == nil {
			c[spread.Name] = c.in(spread.Definition.Directives, spread.Definition.SelectionSet)
		}
		for variable, n := range c[spread.Name] {
			found[variable] = add(found[variable], n)
		}
	})
	return found
}

// eachSpread calls fn with the spreads in a selection set, those in fragments left out.
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

// eachVariable calls fn with the variables in a value.
func eachVariable(value *ast.Value, at *valuePath, fn func(*ast.Value, *valuePath)) {
	if value.Kind == ast.Variable {
		fn(value, at)
	}
	for i, child := range value.Children {
		eachVariable(child.Value, &valuePath{parent: at, name: child.Name, index: i}, fn)
	}
}

// eachValue calls fn with the values of a document's arguments and variables' defaults, and with their names.
func eachValue(document *ast.QueryDocument, fn func(name string, value *ast.Value)) {
	argument := func(_ string, argument *ast.Argument) { fn(argument.Name, argument.Value) }
	for _, operation := range document.Operations {
		for _, variable := range operation.VariableDefinitions {
			if variable.DefaultValue != nil {
				fn("$"+variable.Variable, variable.DefaultValue)
			}
			eachOfDirectives(variable.Directives, argument)
		}
		eachOfDirectives(operation.Directives, argument)
		eachArgument(operation.SelectionSet, nil, argument)
	}
	for _, fragment := range document.Fragments {
		eachOfDirectives(fragment.Directives, argument)
		eachArgument(fragment.SelectionSet, nil, argument)
	}
}

// eachArgument calls fn with the arguments of a selection set's fields and directives, and with what takes them. Unless
// seen is nil, it goes into fragments, each once.
func eachArgument(set ast.SelectionSet, seen map[string]bool, fn func(of string, argument *ast.Argument)) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			for _, argument := range s.Arguments {
				fn(s.Name, argument)
			}
			eachOfDirectives(s.Directives, fn)
			eachArgument(s.SelectionSet, seen, fn)
		case *ast.InlineFragment:
			eachOfDirectives(s.Directives, fn)
			eachArgument(s.SelectionSet, seen, fn)
		case *ast.FragmentSpread:
			eachOfDirectives(s.Directives, fn)
			if seen == nil || seen[s.Name] || s.Definition == nil {
				continue
			}
			seen[s.Name] = true
			eachOfDirectives(s.Definition.Directives, fn)
			eachArgument(s.Definition.SelectionSet, seen, fn)
		}
	}
}

func eachOfDirectives(directives ast.DirectiveList, fn func(of string, argument *ast.Argument)) {
	for _, directive := range directives {
		for _, argument := range directive.Arguments {
			fn("@"+directive.Name, argument)
		}
	}
}
