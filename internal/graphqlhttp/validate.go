package graphqlhttp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	gqlvalidator "github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// documentValidator validates documents (GraphQL specification, October 2021, section 5) and coerces variables.
type documentValidator struct {
	schema  *ast.Schema
	rules   *rules.Rules
	coercer *coercer
	cache   documentCache
}

// newValidator returns a validator without a cache, with rules of the schema's own. Unless it may suggest names, rules with "Did you mean" are replaced.
func newValidator(schema *ast.Schema, scalars map[string]CheckScalar, own []core.Rule, suggest bool) *documentValidator {
	v := &documentValidator{schema: schema, rules: rules.NewDefaultRules(), coercer: &coercer{schema: schema, scalars: scalars, names: suggest}}
	v.rules.AddRule(idLiteralsFirst, idLiterals)
	for _, rule := range own {
		v.rules.AddRule(rule.Name, rule.RuleFunc)
	}
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

// outOf64Bits is gqlparser's message for an Int of more than 64 bits. outOfRange replaces it.
const (
	outOf64Bits = "Int cannot represent non 32-bit signed integer value: "
	outOfRange  = "Int must be a whole number between -2147483648 and 2147483647, not "
)

// idLiteralsFirst is the name of a rule that must run first: gqlparser sorts rules by name.
const idLiteralsFirst = "0 IDLiterals"

// idLiterals turns numbers that are ids into strings. They may have any number of digits (section 3.5.5), but gqlparser
// refuses those of more than 64 bits.
func idLiterals(observers *core.Events, _ core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, value *ast.Value) {
		if value.Kind == ast.IntValue && value.Definition != nil && value.Definition.Name == "ID" {
			value.Kind = ast.StringValue
		}
	})
}

// check validates the operation's document, unless that was done before, and returns the variables' values. Else it
// returns what is wrong.
func (v *documentValidator) check(op *operation) (map[string]any, gqlerror.List) {
	if !op.document.valid {
		if errs := v.validate(op.document); len(errs) > 0 {
			return nil, errs
		}
		v.cache.add(op.query, op.document)
	}
	if op.definition == nil {
		return nil, gqlerror.List{noOperation(op)}
	}
	variables, err := v.coercer.variables(op.definition, op.variables)
	if err == nil {
		err = nullError(op.document.nonNullUses[op.definition], variables)
	}
	if err != nil {
		return nil, gqlerror.List{err}
	}
	return variables, nil
}

// noOperation is the error of a document that has no operation of the name, or several and the name is missing.
func noOperation(op *operation) *gqlerror.Error {
	if op.name == "" {
		return validationError(nil, fmt.Sprintf("The document has %d operations: say which one in operationName.", len(op.document.tree.Operations)))
	}
	return validationError(nil, "The document has no operation named "+strconv.Quote(op.name)+".")
}

// validate validates a document and finds out how its operations use their variables. No other goroutine may use the
// document meanwhile.
func (v *documentValidator) validate(d *document) gqlerror.List {
	if len(d.tree.Operations) == 0 {
		return gqlerror.List{validationError(nil, "The document has no operation.")}
	}
	errs := gqlvalidator.ValidateWithRules(v.schema, d.tree, v.rules)
	for _, err := range errs {
		errcode.Set(err, errcode.ValidationFailed)
		err.Message = strings.Replace(err.Message, outOf64Bits, outOfRange, 1)
	}
	if len(errs) == 0 {
		errs = v.literals(d.tree)
	}
	if len(errs) > 0 {
		return errs
	}
	d.nonNullUses = map[*ast.OperationDefinition][]nonNullUse{}
	d.uses = map[*ast.OperationDefinition][]variableUse{}
	counter := useCounter{}
	for _, operation := range d.tree.Operations {
		if found := nonNullUsesIn(operation); len(found) > 0 {
			d.nonNullUses[operation] = found
		}
		if found := counter.operation(operation); len(found) > 0 {
			d.uses[operation] = found
		}
	}
	d.valid = true
	return nil
}

// validationError is an error at a position in the document, or about all of it if the position is nil.
func validationError(at *ast.Position, message string) *gqlerror.Error {
	err := gqlerror.Errorf("%s", message)
	if at != nil {
		err = gqlerror.ErrorPosf(at, "%s", message)
	}
	err.Extensions = map[string]any{"code": errcode.ValidationFailed}
	return err
}

// literals checks the literals of a document that is valid by gqlparser's rules, which don't check values of the schema's
// own scalars, and accept {} for any type.
func (v *documentValidator) literals(document *ast.QueryDocument) gqlerror.List {
	var errs gqlerror.List
	eachValue(document, func(name string, value *ast.Value) {
		errs = append(errs, v.literal(value, &valuePath{name: name})...)
	})
	return errs
}

// literal checks a value in the document.
//
// It also removes the link from a variable to its definition. In a fragment that several operations spread it leads to the
// last operation's, and gqlparser would use that one's default for the others as well.
func (v *documentValidator) literal(value *ast.Value, path *valuePath) gqlerror.List {
	var errs gqlerror.List
	switch {
	case value.Kind == ast.Variable:
		value.VariableDefinition = nil
	case value.Kind == ast.NullValue || value.Definition == nil:
	case value.Kind == ast.ListValue && value.ExpectedType.Elem != nil:
		for i, child := range value.Children {
			errs = append(errs, v.literal(child.Value, &valuePath{parent: path, index: i})...)
		}
	case value.Kind == ast.ObjectValue && value.Definition.Kind == ast.InputObject:
		for _, child := range value.Children {
			errs = append(errs, v.literal(child.Value, &valuePath{parent: path, name: child.Name})...)
		}
	default:
		if _, err := v.coercer.value(ast.NamedType(value.Definition.Name, nil), literalValue(value)); err != nil {
			errs = append(errs, err.at(path.String(), value.Position))
		}
	}
	return errs
}
