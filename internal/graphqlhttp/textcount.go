package graphqlhttp

import "github.com/vektah/gqlparser/v2/ast"

// countText counts what the document's text holds: each fragment counts once, however often it is spread.
func (a *analysis) countText() {
	a.responseNames = map[string]int{}
	for _, op := range a.document.Operations {
		a.countDirectives(op.Directives)
		for _, variable := range op.VariableDefinitions {
			a.countDirectives(variable.Directives)
			a.measureLiteral(variable.DefaultValue, 0)
		}
		a.countSelections(op.SelectionSet)
	}
	for _, fragment := range a.document.Fragments {
		a.countDirectives(fragment.Directives)
		a.countSelections(fragment.SelectionSet)
	}
}

// countSelections counts the fields, aliases, directives and literals of a selection set, without those of spread fragments.
func (a *analysis) countSelections(set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if s.Alias != s.Name {
				a.aliases++
			}
			a.responseNames[s.Alias]++
			a.countDirectives(s.Directives)
			for _, argument := range s.Arguments {
				a.measureLiteral(argument.Value, 0)
			}
			a.countSelections(s.SelectionSet)
		case *ast.InlineFragment:
			a.countDirectives(s.Directives)
			a.countSelections(s.SelectionSet)
		case *ast.FragmentSpread:
			a.countDirectives(s.Directives)
		}
	}
}

// countDirectives counts the directives on a node of the document.
func (a *analysis) countDirectives(on ast.DirectiveList) {
	a.directives += len(on)
	a.directivesPerNode = max(a.directivesPerNode, len(on))
	for _, directive := range on {
		for _, argument := range directive.Arguments {
			a.measureLiteral(argument.Value, 0)
		}
	}
}

// measureLiteral raises inputDepth to how deep lists and objects nest in a literal that is nested outer deep.
func (a *analysis) measureLiteral(value *ast.Value, outer int) {
	if value == nil || (value.Kind != ast.ListValue && value.Kind != ast.ObjectValue) {
		return
	}
	a.inputDepth = max(a.inputDepth, outer+1)
	for _, child := range value.Children {
		a.measureLiteral(child.Value, outer+1)
	}
}

// repeats returns the most frequent response name, its count, and the number of pairs of fields with the same name. That is
// how many pairs validation compares at most, for each operation that spreads a fragment again.
func (a *analysis) repeats() (string, int, int) {
	name, count, pairs := "", 0, 0
	for candidate, n := range a.responseNames {
		if n > count || (n == count && candidate < name) {
			name, count = candidate, n
		}
		pairs = add(pairs, times(n, n-1)/2)
	}
	return shortName(name), count, times(pairs, max(1, len(a.document.Operations)))
}
