package graphqlhttp

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// FieldPrice is what a field costs. The zero value is a plain field's, which costs 1.
//
// A field that returns a page or a list costs, for each element, what is selected on it. Which size a list has is told
// by the field itself, or by the field that holds it: edges and nodes take the size of their connection.
type FieldPrice struct {
	// Own is what the field costs beside what is selected below it. 0 is 1; Free is 0.
	Own int
	// Each is what each element costs beside what is selected on it.
	Each int
	// Sizes are the arguments that tell how many elements there are, as paths: first, last, ids, input.ids. A number
	// tells itself, a list by its length; the largest counts.
	Sizes []string
	// Default is the size where no argument tells it. With neither Sizes nor Default a list takes the size of the
	// field that holds it.
	Default int
	// Max is the largest size that the field takes; 0 is no bound.
	Max int
	// Inputs are the prices of members of the arguments, at any depth, by their names: search, for one.
	Inputs map[string]int
}

// Price tells what a field of the schema costs.
type Price func(parent *ast.Definition, field *ast.FieldDefinition) FieldPrice

// maxSum is where sums stop, so that they can't overflow.
const maxSum = math.MaxInt32

// add and times are saturating.
func add(a, b int) int {
	return min(a+b, maxSum) // Both are at most maxSum, which leaves room.
}

func times(a, b int) int {
	if a != 0 && b > maxSum/a {
		return maxSum
	}
	return a * b
}

// linear is a cost that depends on the size of the list around it: fixed + each × size. So a fragment's cost is found
// once, whatever lists it is spread in.
type linear struct{ fixed, each int }

func (c linear) plus(d linear) linear { return linear{add(c.fixed, d.fixed), add(c.each, d.each)} }

func (c linear) of(size int) int { return add(c.fixed, times(c.each, size)) }

// setCount is what a selection set comes to, with its fragments.
type setCount struct {
	cost          linear
	fields        int // at its top
	depth         int
	introspection int // how deep below an introspection field
}

func (c setCount) plus(d setCount) setCount {
	return setCount{
		cost: c.cost.plus(d.cost), fields: add(c.fields, d.fields),
		depth: max(c.depth, d.depth), introspection: max(c.introspection, d.introspection),
	}
}

// walk counts what a document holds and what its operation costs. The document may be invalid: fields that the schema
// doesn't have count as plain ones, fragments that spread themselves stop where they come round. Each field of the
// document is visited once for the cost and once for the rest, however fragments spread each other.
type walk struct {
	schema    *ast.Schema
	price     Price
	doc       *ast.QueryDocument
	raw       map[string]any
	variables ast.VariableDefinitionList
	fragments map[string]setCount
	names     map[string]*ast.FragmentDefinition
	prices    map[*ast.FieldDefinition]FieldPrice
	inputs    map[string]map[string]int // the names found in a variable's value
	asked     bool                      // whether a variable had a say in the cost

	aliases, directives, directivesPerPlace, inputDepth int
	unknownFields                                       int
	firstUnknown                                        string
	responseNames                                       map[string]int
}

func newWalk(schema *ast.Schema, price Price, doc *ast.QueryDocument, variables map[string]any) *walk {
	w := &walk{
		schema: schema, price: price, doc: doc, raw: variables,
	}
	if len(doc.Fragments) > 0 {
		w.names = make(map[string]*ast.FragmentDefinition, len(doc.Fragments))
	}
	for _, fragment := range doc.Fragments {
		if w.names[fragment.Name] == nil {
			w.names[fragment.Name] = fragment
		}
	}
	return w
}

// operationCount is what an operation comes to.
type operationCount struct {
	cost, depth, introspection, rootFields int
	roots                                  []rootField
}

// rootField is a root field whose cost depends on a size.
type rootField struct {
	name string
	arg  string
	size int
	cost int    // of the field
	per  linear // fixed beside the elements, and for each
}

// operation counts an operation; nil counts nothing.
func (w *walk) operation(op *ast.OperationDefinition) operationCount {
	if op == nil {
		return operationCount{}
	}
	w.variables = op.VariableDefinitions
	var found operationCount
	set := w.set(op.SelectionSet, w.root(op.Operation), &found.roots)
	found.cost, found.depth, found.introspection, found.rootFields = set.cost.of(1), set.depth, set.introspection, set.fields
	return found
}

func (w *walk) root(operation ast.Operation) *ast.Definition {
	switch operation {
	case ast.Mutation:
		return w.schema.Mutation
	case ast.Subscription:
		return w.schema.Subscription
	default:
		return w.schema.Query
	}
}

// set counts a selection set on a type, which is nil where it isn't known. The roots are gathered where asked.
func (w *walk) set(set ast.SelectionSet, on *ast.Definition, roots *[]rootField) setCount {
	var sum setCount
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			sum = sum.plus(w.field(s, on, roots))
		case *ast.InlineFragment:
			under := on
			if s.TypeCondition != "" {
				under = w.schema.Types[s.TypeCondition]
			}
			sum = sum.plus(w.set(s.SelectionSet, under, roots))
		case *ast.FragmentSpread:
			sum = sum.plus(w.fragment(s.Name))
		}
	}
	return sum
}

// fragment counts a fragment once. One that spreads itself is invalid, and counts nothing where it comes round.
func (w *walk) fragment(name string) setCount {
	if known, ok := w.fragments[name]; ok {
		return known
	}
	if w.fragments == nil {
		w.fragments = map[string]setCount{}
	}
	w.fragments[name] = setCount{}
	if definition := w.names[name]; definition != nil {
		w.fragments[name] = w.set(definition.SelectionSet, w.schema.Types[definition.TypeCondition], nil)
	}
	return w.fragments[name]
}

// field counts one field with what is below it.
func (w *walk) field(f *ast.Field, on *ast.Definition, roots *[]rootField) setCount {
	definition := w.definition(on, f.Name)
	var below *ast.Definition
	var price FieldPrice
	isList := false
	if definition != nil {
		below = w.schema.Types[definition.Type.Name()]
		price = w.priceOf(on, definition)
		isList = definition.Type.Elem != nil
	}
	children := w.set(f.SelectionSet, below, nil)
	own := price.own()
	for name, cost := range price.Inputs {
		own = add(own, times(cost, w.occurrences(f, name)))
	}
	size, arg := w.size(f, definition, price)
	count := setCount{fields: 1, depth: add(children.depth, 1), introspection: children.introspection}
	switch {
	case size >= 0 && isList: // The field is the list: nodes(ids:).
		per := linear{fixed: own, each: add(price.Each, children.cost.of(1))}
		count.cost = linear{fixed: per.of(size)}
		note(roots, f.Name, arg, size, per)
	case size >= 0: // The field holds the list: a connection.
		per := linear{fixed: add(own, children.cost.fixed), each: add(price.Each, children.cost.each)}
		count.cost = linear{fixed: per.of(size)}
		note(roots, f.Name, arg, size, per)
	case isList: // The list takes its holder's size.
		count.cost = linear{each: add(add(own, price.Each), children.cost.of(1))}
	default:
		count.cost = linear{fixed: add(own, children.cost.of(1))}
	}
	if f.Name == "__schema" || f.Name == "__type" {
		count.introspection, count.depth = max(count.introspection, children.depth), 1
	}
	return count
}

// note keeps a root field for the message that says what would fit.
func note(roots *[]rootField, name, arg string, size int, per linear) {
	if roots != nil && arg != "" {
		*roots = append(*roots, rootField{name: name, arg: arg, size: size, cost: per.of(size), per: per})
	}
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

// Free is the Own of a field that costs nothing itself.
const Free = -1

// definition finds a field on a type, nil where there is none or the type isn't known. Fields of introspection stand on
// the root alone, and have a type but no price.
func (w *walk) definition(on *ast.Definition, name string) *ast.FieldDefinition {
	if on == nil || name == "__typename" {
		return nil
	}
	if field := on.Fields.ForName(name); field != nil {
		return field
	}
	w.unknownFields++
	if w.firstUnknown == "" {
		w.firstUnknown = strconv.Quote(on.Name + "." + shortName(name))
	}
	return nil
}

func shortName(name string) string { return name[:min(len(name), 60)] }

func (w *walk) priceOf(on *ast.Definition, field *ast.FieldDefinition) FieldPrice {
	if price, ok := w.prices[field]; ok {
		return price
	}
	price := introspectionPrice(on, field)
	if price == nil {
		asked := w.price(on, field)
		price = &asked
	}
	if w.prices == nil {
		w.prices = map[*ast.FieldDefinition]FieldPrice{}
	}
	w.prices[field] = *price
	return *price
}

// introspectionFieldCost is what a field of introspection costs. Its lists are not multiplied: their sizes are the
// schema's, and the depth is bounded. The query that tools send comes to about 2,000.
const introspectionFieldCost = 5

// schemaCost is what __schema costs beside its fields: a short document makes a long answer of it, and aliases many.
const schemaCost = 1_000

func introspectionPrice(on *ast.Definition, field *ast.FieldDefinition) *FieldPrice {
	if field.Name == "__schema" {
		return &FieldPrice{Own: schemaCost}
	}
	if strings.HasPrefix(on.Name, "__") || strings.HasPrefix(field.Name, "__") {
		return &FieldPrice{Own: introspectionFieldCost}
	}
	return nil
}

// size is how many elements a field returns and the argument to make that smaller, -1 where it doesn't say.
func (w *walk) size(f *ast.Field, definition *ast.FieldDefinition, price FieldPrice) (int, string) {
	if len(price.Sizes) == 0 && price.Default == 0 {
		return -1, ""
	}
	size, arg := -1, ""
	for _, path := range price.Sizes {
		name, member, _ := strings.Cut(path, ".")
		n, ok := w.sizeIn(f, definition, name, member)
		if ok && n > size {
			size, arg = n, path
		}
	}
	if size < 0 {
		size = price.Default
		if len(price.Sizes) > 0 {
			arg = price.Sizes[0]
		}
	}
	if price.Max > 0 {
		size = min(size, price.Max) // More is refused by the field itself, which says it better.
	}
	return size, arg
}

// sizeIn reads a size from one argument.
func (w *walk) sizeIn(f *ast.Field, definition *ast.FieldDefinition, name, member string) (int, bool) {
	var value *ast.Value
	declared := definition.Arguments.ForName(name)
	if argument := f.Arguments.ForName(name); argument != nil {
		value = argument.Value
	} else if declared != nil {
		value = declared.DefaultValue
	}
	isList := w.takesList(declared, member)
	if value == nil {
		return 0, false
	}
	if value.Kind == ast.Variable {
		w.asked = true
		raw, given := w.raw[value.Raw]
		if given {
			return sizeOfJSON(raw, member, isList)
		}
		if value = w.defaultOf(value.Raw); value == nil {
			return 0, false
		}
	}
	if member != "" {
		if value = value.Children.ForName(member); value == nil {
			return 0, false
		}
		if value.Kind == ast.Variable {
			w.asked = true
			if raw, given := w.raw[value.Raw]; given {
				return sizeOfJSON(raw, "", isList)
			}
			if value = w.defaultOf(value.Raw); value == nil {
				return 0, false
			}
		}
	}
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

// takesList tells a list of ids, which may be numbers, from a number of elements.
func (w *walk) takesList(argument *ast.ArgumentDefinition, member string) bool {
	if argument == nil {
		return false
	}
	if member == "" {
		return argument.Type.Elem != nil
	}
	input := w.schema.Types[argument.Type.Name()]
	if input == nil {
		return false
	}
	field := input.Fields.ForName(member)
	return field != nil && field.Type.Elem != nil
}

func (w *walk) defaultOf(variable string) *ast.Value {
	if definition := w.variables.ForName(variable); definition != nil {
		return definition.DefaultValue
	}
	return nil
}

// sizeOfJSON reads a size from a variable.
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

// parseSize reads a number. What is none, or negative, is refused later; too large a one is as large as can be.
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

// occurrences counts how often a member of that name, not null, stands in a field's arguments.
func (w *walk) occurrences(f *ast.Field, name string) int {
	n := 0
	for _, argument := range f.Arguments {
		if argument.Name == name && argument.Value != nil && argument.Value.Kind != ast.NullValue {
			n++
		}
		n = add(n, w.inLiteral(argument.Value, name))
	}
	return n
}

func (w *walk) inLiteral(value *ast.Value, name string) int {
	if value == nil {
		return 0
	}
	if value.Kind == ast.Variable {
		return w.inVariable(value.Raw, name)
	}
	n := 0
	for _, child := range value.Children {
		if child.Name == name {
			n++
		}
		n = add(n, w.inLiteral(child.Value, name))
	}
	return n
}

// inVariable counts the name in a variable's value, once for each variable, however often that is used.
func (w *walk) inVariable(variable, name string) int {
	w.asked = true
	if n, ok := w.inputs[variable][name]; ok {
		return n
	}
	if w.inputs == nil {
		w.inputs = map[string]map[string]int{}
	}
	if w.inputs[variable] == nil {
		w.inputs[variable] = map[string]int{}
	}
	w.inputs[variable][name] = 0 // A default that is its own variable is invalid, and ends here.
	n := 0
	if raw, given := w.raw[variable]; given {
		n = inJSON(raw, name)
	} else if value := w.defaultOf(variable); value != nil {
		n = w.inLiteral(value, name)
	}
	w.inputs[variable][name] = n
	return n
}

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

// document counts what the text holds, each thing once wherever it is spread.
func (w *walk) document() {
	w.responseNames = map[string]int{}
	for _, op := range w.doc.Operations {
		w.directivesAt(op.Directives)
		for _, variable := range op.VariableDefinitions {
			w.directivesAt(variable.Directives)
			w.value(variable.DefaultValue, 0)
		}
		w.text(op.SelectionSet)
	}
	for _, fragment := range w.doc.Fragments {
		w.directivesAt(fragment.Directives)
		w.text(fragment.SelectionSet)
	}
}

func (w *walk) text(set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if s.Alias != s.Name {
				w.aliases++
			}
			w.responseNames[s.Alias]++
			w.directivesAt(s.Directives)
			for _, argument := range s.Arguments {
				w.value(argument.Value, 0)
			}
			w.text(s.SelectionSet)
		case *ast.InlineFragment:
			w.directivesAt(s.Directives)
			w.text(s.SelectionSet)
		case *ast.FragmentSpread:
			w.directivesAt(s.Directives)
		}
	}
}

func (w *walk) directivesAt(place ast.DirectiveList) {
	w.directives += len(place)
	w.directivesPerPlace = max(w.directivesPerPlace, len(place))
	for _, directive := range place {
		for _, argument := range directive.Arguments {
			w.value(argument.Value, 0)
		}
	}
}

// value finds how deep lists and objects nest in a literal.
func (w *walk) value(value *ast.Value, around int) {
	if value == nil || (value.Kind != ast.ListValue && value.Kind != ast.ObjectValue) {
		return
	}
	w.inputDepth = max(w.inputDepth, around+1)
	for _, child := range value.Children {
		w.value(child.Value, around+1)
	}
}

// repeats returns the response name that is used most, how often, and the pairs of all: what validation compares at
// the most. It looks at each fragment once for each operation that spreads it.
func (w *walk) repeats() (string, int, int) {
	name, most, pairs := "", 0, 0
	for candidate, n := range w.responseNames {
		if n > most || (n == most && candidate < name) {
			name, most = candidate, n
		}
		pairs = add(pairs, times(n, n-1)/2)
	}
	return shortName(name), most, times(pairs, max(1, len(w.doc.Operations)))
}

// fitting says which size of the most expensive list would bring the cost down to the limit; "" where none would.
func (o operationCount) fitting(limit int) string {
	best := rootField{}
	for _, root := range o.roots {
		if root.cost > best.cost {
			best = root
		}
	}
	if best.per.each == 0 || o.cost >= maxSum {
		return ""
	}
	room := limit - (o.cost - best.cost) - best.per.fixed
	if room < best.per.each {
		return ""
	}
	size := room / best.per.each
	if size >= best.size {
		return ""
	}
	if best.arg == "first" || best.arg == "last" {
		return fmt.Sprintf("%s(%s: %d)", best.name, best.arg, size)
	}
	return fmt.Sprintf("%s with %d in %s", best.name, size, best.arg)
}
