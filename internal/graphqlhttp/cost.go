package graphqlhttp

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// FieldPrice is what a field costs. The zero value is the price of a plain field, 1.
//
// A field that returns a page or a list costs what is selected on each element, times the number of elements. That number,
// the size, is given by the field itself or by the field that holds it: edges and nodes have the size of their connection.
type FieldPrice struct {
	// Own is what the field costs without what is selected below it. 0 means 1; Free means 0.
	Own int
	// Each is what each element costs without what is selected on it.
	Each int
	// Sizes are the arguments that set the size, as paths: first, last, ids, input.ids. A number is the size, a list sets it
	// by its length; the largest counts.
	Sizes []string
	// Default is the size if no argument sets it. A list with neither Sizes nor Default has the size of the field that holds
	// it.
	Default int
	// Max is the largest size that the field accepts; 0 means no limit.
	Max int
	// Batch is how many elements cost as much as one; 0 means 1.
	Batch int
	// Inputs are the prices of members of the arguments, at any depth, by their names: search, for example.
	Inputs map[string]int
}

// Free is the Own of a field that costs nothing itself.
const Free = -1

// Price returns the price of a field of the schema.
type Price func(parent *ast.Definition, field *ast.FieldDefinition) FieldPrice

const (
	// introspectionFieldCost is what a field of introspection costs. Its lists are not multiplied: the schema decides their
	// sizes, and the depth is bounded. The query that tools send costs about 2,000.
	introspectionFieldCost = 5
	// schemaCost is what __schema costs in addition: a short document returns the whole schema, and aliases return it often.
	schemaCost = 1_000
)

// maxSum is the largest sum, so that sums can't overflow.
const maxSum = math.MaxInt32

// add and times return maxSum instead of more.
func add(a, b int) int {
	return min(a+b, maxSum) // Both are at most maxSum, so that this can't overflow.
}

func times(a, b int) int {
	if a != 0 && b > maxSum/a {
		return maxSum
	}
	return a * b
}

// sizedCost is a cost that depends on the size of the list around it: fixed + each × size. So a fragment's cost is computed
// once, whatever lists it is spread in.
type sizedCost struct{ fixed, each int }

func (c sizedCost) plus(d sizedCost) sizedCost {
	return sizedCost{add(c.fixed, d.fixed), add(c.each, d.each)}
}

func (c sizedCost) times(size int) int { return add(c.fixed, times(c.each, size)) }

// selectionCost is the cost of a selection set, fragments included, and how deep it is.
type selectionCost struct {
	cost          sizedCost
	fields        int // at the top
	depth         int
	introspection int // the depth below a field of introspection
}

func (c selectionCost) plus(d selectionCost) selectionCost {
	return selectionCost{
		cost: c.cost.plus(d.cost), fields: add(c.fields, d.fields),
		depth: max(c.depth, d.depth), introspection: max(c.introspection, d.introspection),
	}
}

// operationCost is the cost of an operation, and how deep it is.
type operationCost struct {
	cost, depth, introspection, rootFields int
	// sizedRoots are the root fields whose size an argument sets.
	sizedRoots []sizedRoot
}

// sizedRoot is a root field whose size an argument sets.
type sizedRoot struct {
	name     string
	argument string
	size     int // in batches
	batch    int
	cost     int // at this size
	sized    sizedCost
}

// analysis computes an operation's cost and counts what its document holds. The document may be invalid: unknown fields
// cost what plain ones do, and a fragment that spreads itself counts once. Each field of the document is visited once for
// the cost and once for the counts, however often fragments spread each other.
type analysis struct {
	schema    *ast.Schema
	price     Price
	document  *ast.QueryDocument
	variables ast.VariableDefinitionList // the operation's
	values    map[string]any             // the variables' values

	// Memoized results.

	fragmentsByName map[string]*ast.FragmentDefinition
	fragmentCosts   map[string]selectionCost
	prices          map[*ast.FieldDefinition]FieldPrice
	inputs          map[string]map[string]int // how often a variable's value has a member, by variable and member

	// usedVariable is whether the cost depends on a variable.
	usedVariable bool

	// What the document holds (textcount.go).

	aliases, directives, directivesPerNode, inputDepth int
	unknownFields                                      int
	firstUnknown                                       string
	responseNames                                      map[string]int
}

func newAnalysis(schema *ast.Schema, price Price, document *ast.QueryDocument, values map[string]any) *analysis {
	a := &analysis{schema: schema, price: price, document: document, values: values}
	if len(document.Fragments) > 0 {
		a.fragmentsByName = make(map[string]*ast.FragmentDefinition, len(document.Fragments))
	}
	for _, fragment := range document.Fragments {
		if a.fragmentsByName[fragment.Name] == nil {
			a.fragmentsByName[fragment.Name] = fragment
		}
	}
	return a
}

// operation returns the cost of an operation, or zero if it is nil.
func (a *analysis) operation(op *ast.OperationDefinition) operationCost {
	if op == nil {
		return operationCost{}
	}
	a.variables = op.VariableDefinitions
	var found operationCost
	set := a.selections(op.SelectionSet, a.rootType(op.Operation), &found.sizedRoots)
	found.cost, found.depth, found.introspection, found.rootFields = set.cost.times(1), set.depth, set.introspection, set.fields
	return found
}

func (a *analysis) rootType(operation ast.Operation) *ast.Definition {
	switch operation {
	case ast.Mutation:
		return a.schema.Mutation
	case ast.Subscription:
		return a.schema.Subscription
	default:
		return a.schema.Query
	}
}

// selections returns the cost of a selection set on a type, which is nil if it is unknown. Unless roots is nil, it appends
// the fields whose size an argument sets.
func (a *analysis) selections(set ast.SelectionSet, on *ast.Definition, roots *[]sizedRoot) selectionCost {
	var sum selectionCost
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			sum = sum.plus(a.field(s, on, roots))
		case *ast.InlineFragment:
			under := on
			if s.TypeCondition != "" {
				under = a.schema.Types[s.TypeCondition]
			}
			sum = sum.plus(a.selections(s.SelectionSet, under, roots))
		case *ast.FragmentSpread:
			sum = sum.plus(a.fragment(s.Name))
		}
	}
	return sum
}

// fragment returns the cost of a fragment. One that spreads itself is invalid: the inner spread costs nothing.
func (a *analysis) fragment(name string) selectionCost {
	if cost, ok := a.fragmentCosts[name]; ok {
		return cost
	}
	if a.fragmentCosts == nil {
		a.fragmentCosts = map[string]selectionCost{}
	}
	a.fragmentCosts[name] = selectionCost{}
	if definition := a.fragmentsByName[name]; definition != nil {
		a.fragmentCosts[name] = a.selections(definition.SelectionSet, a.schema.Types[definition.TypeCondition], nil)
	}
	return a.fragmentCosts[name]
}

// field returns the cost of a field with what is selected on it.
func (a *analysis) field(f *ast.Field, on *ast.Definition, roots *[]sizedRoot) selectionCost {
	definition := a.definition(on, f.Name)
	var returned *ast.Definition
	var price FieldPrice
	isList := false
	if definition != nil {
		returned = a.schema.Types[definition.Type.Name()]
		price = a.priceOf(on, definition)
		isList = definition.Type.Elem != nil
	}
	children := a.selections(f.SelectionSet, returned, nil)
	own := price.own()
	for name, cost := range price.Inputs {
		own = add(own, times(cost, a.occurrences(f, name)))
	}
	count := selectionCost{fields: 1, depth: add(children.depth, 1), introspection: children.introspection}
	size, argument := a.size(f, definition, price)
	switch {
	case size >= 0:
		sized := sizedCost{fixed: add(own, children.cost.fixed), each: add(price.Each, children.cost.each)} // of a connection
		if isList {                                                                                         // such as nodes(ids:)
			sized = sizedCost{fixed: own, each: add(price.Each, children.cost.times(1))}
		}
		count.cost = sizedCost{fixed: sized.times(size)}
		if roots != nil && argument != "" {
			*roots = append(*roots, sizedRoot{name: f.Name, argument: argument, size: size, batch: max(price.Batch, 1), cost: sized.times(size), sized: sized})
		}
	case isList: // The size is that of the field around it.
		count.cost = sizedCost{each: add(add(own, price.Each), children.cost.times(1))}
	default:
		count.cost = sizedCost{fixed: add(own, children.cost.times(1))}
	}
	if f.Name == "__schema" || f.Name == "__type" {
		count.introspection, count.depth = max(count.introspection, children.depth), 1
	}
	return count
}

func (p FieldPrice) own() int {
	switch {
	case p.Own == 0:
		return 1
	case p.Own < 0:
		return 0
	default:
		return p.Own
	}
}

// definition returns a type's field, or nil if the type or the field is unknown.
func (a *analysis) definition(on *ast.Definition, name string) *ast.FieldDefinition {
	if on == nil || name == "__typename" {
		return nil
	}
	if field := on.Fields.ForName(name); field != nil {
		return field
	}
	a.unknownFields++
	if a.firstUnknown == "" {
		a.firstUnknown = strconv.Quote(on.Name + "." + shortName(name))
	}
	return nil
}

func shortName(name string) string { return name[:min(len(name), 60)] }

func (a *analysis) priceOf(on *ast.Definition, field *ast.FieldDefinition) FieldPrice {
	if price, ok := a.prices[field]; ok {
		return price
	}
	price := introspectionPrice(on, field)
	if price == nil {
		returned := a.price(on, field)
		price = &returned
	}
	if a.prices == nil {
		a.prices = map[*ast.FieldDefinition]FieldPrice{}
	}
	a.prices[field] = *price
	return *price
}

// introspectionPrice returns the price of a field of introspection, or nil if it is none.
func introspectionPrice(on *ast.Definition, field *ast.FieldDefinition) *FieldPrice {
	if field.Name == "__schema" {
		return &FieldPrice{Own: schemaCost}
	}
	if strings.HasPrefix(on.Name, "__") || strings.HasPrefix(field.Name, "__") {
		return &FieldPrice{Own: introspectionFieldCost}
	}
	return nil
}

// fitting returns the size of the most expensive root field at which the cost would be within the limit, for a message. It
// returns "" if there is none.
func (o operationCost) fitting(limit int) string {
	best := sizedRoot{}
	for _, root := range o.sizedRoots {
		if root.cost > best.cost {
			best = root
		}
	}
	if best.sized.each == 0 || o.cost >= maxSum {
		return ""
	}
	room := limit - (o.cost - best.cost) - best.sized.fixed
	if room < best.sized.each {
		return ""
	}
	size := room / best.sized.each
	if size >= best.size {
		return ""
	}
	if best.argument == "first" || best.argument == "last" {
		return fmt.Sprintf("%s(%s: %d)", best.name, best.argument, size*best.batch)
	}
	return fmt.Sprintf("%s with %d in %s", best.name, size, best.argument)
}
