package graphqlhttp

import (
	"reflect"

	"github.com/vektah/gqlparser/v2/ast"
)

// operationBytes is what an operation takes in one of a document's maps, which grow by doubling.
const operationBytes = 2 * (8 + 16 + 1)

// sizeOf estimates the memory of a parsed document without its text.
func sizeOf(d *document) int64 {
	m := estimate{bytes: sizeFor[document]()}
	for _, operation := range d.tree.Operations {
		m.add(sizeFor[ast.OperationDefinition]() + 3*operationBytes)
		m.bytes += 2 * sizeFor[variableUse]() * int64(len(d.uses[operation]))
		for _, u := range d.nonNullUses[operation] {
			m.bytes += 2*sizeFor[nonNullUse]() + int64(len(u.target)+len(u.targetType))
		}
		for _, variable := range operation.VariableDefinitions {
			m.add(sizeFor[ast.VariableDefinition]() + sizeFor[ast.Type]() + sizeFor[ast.Position]())
			m.value(variable.DefaultValue)
			m.directives(variable.Directives)
		}
		m.directives(operation.Directives)
		m.selections(operation.SelectionSet)
	}
	for _, fragment := range d.tree.Fragments {
		m.add(sizeFor[ast.FragmentDefinition]())
		m.directives(fragment.Directives)
		m.selections(fragment.SelectionSet)
	}
	return m.bytes
}

// estimate sums up the sizes of a document's nodes. Each has a position and an element of a slice. Slices grow by
// doubling, so that an element may take twice its size.
type estimate struct{ bytes int64 }

func (m *estimate) add(node int64) {
	const element, position = 2 * 16, 48
	m.bytes += node + element + position
}

func (m *estimate) selections(set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			m.add(sizeFor[ast.Field]())
			m.arguments(s.Arguments)
			m.directives(s.Directives)
			m.selections(s.SelectionSet)
		case *ast.InlineFragment:
			m.add(sizeFor[ast.InlineFragment]())
			m.directives(s.Directives)
			m.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			m.add(sizeFor[ast.FragmentSpread]())
			m.directives(s.Directives)
		}
	}
}

func (m *estimate) arguments(arguments ast.ArgumentList) {
	for _, argument := range arguments {
		m.add(sizeFor[ast.Argument]())
		m.value(argument.Value)
	}
}

func (m *estimate) directives(directives ast.DirectiveList) {
	for _, directive := range directives {
		m.add(sizeFor[ast.Directive]())
		m.arguments(directive.Arguments)
	}
}

func (m *estimate) value(value *ast.Value) {
	if value == nil {
		return
	}
	m.add(sizeFor[ast.Value]() + int64(len(value.Raw))) // A string with escapes is a copy.
	for _, child := range value.Children {
		m.add(sizeFor[ast.ChildValue]())
		m.value(child.Value)
	}
}

func sizeFor[T any]() int64 { return int64(reflect.TypeFor[T]().Size()) } //nolint:gosec // No type is that large.
