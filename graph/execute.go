package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/access"
	"taskql/internal/task"
	"taskql/internal/viewer"
)

// An operation is executed by its compiled plan: its root fields' resolvers are called by the methods that gqlgen has
// generated for them, what is selected below their values is loaded in batches, and each value is encoded at once. gqlgen
// makes a context, closures and a marshaler for each field of each row instead. It executes what has no plan
// (introspection, unknown directives), and values that can't be encoded, such as those with errors below them.

// schema executes operations.
type schema struct {
	graphql.ExecutableSchema

	resolver *Resolver
	compiler *selection.Compiler[*rootField]
	plans    *selection.Cache[*operationPlan]
	// fieldByField leaves all execution to gqlgen.
	fieldByField bool
	// responseBytes is the longest response.
	responseBytes int
}

// operationPlan is what is known of an operation before it is executed.
type operationPlan struct {
	roots []rootPlan
	// executable reports whether all root fields can be executed by their plans. If they can't, gqlgen executes the
	// operation.
	executable bool
}

// rootPlan is a compiled root field.
type rootPlan struct {
	// Plan is nil for __typename and for introspection.
	*selection.Plan[*rootField]

	field graphql.CollectedField
	// key is the response key with its quotes and colon, after a brace or a comma.
	key     string
	resolve generated.RootField
	// typename is the JSON of the root type's name, if the field is __typename.
	typename string
}

// compile compiles an operation.
func (s *schema) compile(operation *graphql.OperationContext) *operationPlan {
	root := s.rootType(operation.Operation)
	p := &operationPlan{executable: root != nil && !s.fieldByField}
	if root == nil {
		return p
	}
	for i, field := range graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{root.Name}) {
		separator := "{"
		if i > 0 {
			separator = ","
		}
		r := rootPlan{field: field, key: separator + `"` + field.Alias + `":`, resolve: generated.RootFields[root.Name][field.Name]}
		switch {
		case field.Name == "__typename":
			r.typename = `"` + root.Name + `"`
		case r.resolve != nil:
			r.Plan = s.compiler.Compile(operation, field)
			p.executable = p.executable && r.Encodable
		default:
			p.executable = false
		}
		p.roots = append(p.roots, r)
	}
	return p
}

// rootType returns the type of the operation's root; nil if the schema has none.
func (s *schema) rootType(operation *ast.OperationDefinition) *ast.Definition {
	switch operation.Operation {
	case ast.Query:
		return s.Schema().Query
	case ast.Mutation:
		return s.Schema().Mutation
	case ast.Subscription:
		return s.Schema().Subscription
	default:
		return nil
	}
}

// execution is the execution of one operation.
type execution struct {
	schema    *schema
	operation *graphql.OperationContext
	plan      *operationPlan
	size      responseSize
	// turn is the subscription's result that is made; nil for queries and mutations.
	turn *turn

	roots []rootField
	// first is the memory of roots: most operations have one root field.
	first [1]rootField
	done  bool
}

// rootField is the execution of one root field. It is the context of its resolvers, and the state that its selection is
// loaded and encoded with.
type rootField struct {
	context.Context //nolint:containedctx // It is a context.

	resolver  *Resolver
	operation *graphql.OperationContext
	plan      *rootPlan
	// viewer is who is asking, unless viewerErr says why there is nobody.
	viewer    viewer.Viewer
	viewerErr error
	values    selection.Values
	people    people
	meter     meter
	// groups are the values by their workspaces, if they may be in several.
	groups []group
	// preloaded reports whether the resolver has loaded what is selected below its value.
	preloaded bool
	result    graphql.Marshaler
}

type rootFieldKey struct{}

// Value implements context.Context.
func (r *rootField) Value(key any) any {
	switch key {
	case rootFieldKey{}:
		return r
	case task.TextQuotaKey{}:
		return task.TextQuota(r.meter.size.chargeText)
	default:
		return r.Context.Value(key)
	}
}

// Values implements selection.State.
func (r *rootField) Values() *selection.Values { return &r.values }

// rootFieldOf returns the root field that the context's resolver belongs to.
func rootFieldOf(ctx context.Context) (*rootField, bool) {
	r, ok := ctx.Value(rootFieldKey{}).(*rootField)
	return r, ok
}

// Exec implements graphql.ExecutableSchema.
func (s *schema) Exec(ctx context.Context) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx)
	x := &execution{schema: s, operation: operation, plan: s.plans.Get(operation), size: responseSize{limit: int64(s.responseBytes)}}
	if x.roots = x.first[:]; len(x.plan.roots) != len(x.first) {
		x.roots = make([]rootField, len(x.plan.roots))
	}
	for i := range x.roots {
		r := &x.roots[i]
		r.resolver, r.operation, r.plan, r.meter = s.resolver, operation, &x.plan.roots[i], x.size.meter()
	}
	if operation.Operation.Operation == ast.Subscription {
		x.turn, _ = ctx.Value(turnKey{}).(*turn)
	}
	field := operation.ResolverMiddleware
	operation.ResolverMiddleware = func(ctx context.Context, resolve graphql.Resolver) (any, error) {
		value, err := field(ctx, resolve)
		switch atRoot := isRoot(graphql.GetFieldContext(ctx)); {
		case atRoot && x.turn != nil:
			return x.streamed(ctx, value, err)
		case atRoot && err == nil && value != nil:
			value, err = x.complete(ctx, value)
		}
		return x.size.orNull(value, err)
	}
	if x.plan.executable {
		return x.execute
	}
	root := operation.RootResolverMiddleware
	operation.RootResolverMiddleware = func(ctx context.Context, resolve graphql.RootResolver) graphql.Marshaler {
		if x.size.stopped() {
			return graphql.Null
		}
		r := x.root(graphql.GetRootFieldContext(ctx))
		if r != nil {
			ctx = r.begin(ctx)
		}
		return x.finish(r, x.size.encode(ctx, root(ctx, resolve), ""))
	}
	if x.turn != nil {
		return x.executeStreamed(ctx)
	}
	next := s.ExecutableSchema.Exec(ctx)
	return func(ctx context.Context) *graphql.Response { return x.size.check(operation, next(ctx)) }
}

// isRoot reports whether the field is a root field. Those that gqlgen executes have a parent, which is the operation.
func isRoot(fc *graphql.FieldContext) bool {
	return fc.Parent == nil || fc.Parent.Parent == nil && fc.Parent.Field.Field == nil
}

// root returns the root field that gqlgen executes; nil if it has no plan.
func (x *execution) root(rc *graphql.RootFieldContext) *rootField {
	for i := range x.roots {
		if r := &x.roots[i]; r.plan.Plan != nil && rc != nil && r.plan.field.Alias == rc.Field.Alias {
			return r
		}
	}
	return nil
}

// execute executes the operation by its plan: mutations one after the other, queries beside each other.
func (x *execution) execute(ctx context.Context) *graphql.Response {
	if x.done {
		return nil
	}
	x.done = true
	e := generated.NewExecution(x.operation, x.schema.ExecutableSchema)
	if len(x.roots) <= 1 || x.operation.Operation.Operation == ast.Mutation {
		for i := range x.roots {
			x.executeRoot(ctx, e, &x.roots[i])
		}
		return x.size.check(x.operation, &graphql.Response{Data: x.data()})
	}
	var wg sync.WaitGroup
	for i := range x.roots[1:] {
		wg.Go(func() { x.executeRoot(ctx, e, &x.roots[i+1]) })
	}
	x.executeRoot(ctx, e, &x.roots[0])
	wg.Wait()
	return x.size.check(x.operation, &graphql.Response{Data: x.data()})
}

// executeRoot resolves and encodes a root field, unless the writing of the response has stopped.
func (x *execution) executeRoot(ctx context.Context, e *generated.Execution, r *rootField) {
	switch {
	case r.plan.typename != "":
	case x.size.stopped():
		r.result = graphql.Null
	case x.turn != nil:
		ctx = r.begin(ctx)
		r.result = x.encodeStreamed(ctx, r.plan.resolve(e, ctx, r.plan.field))
	default:
		ctx = r.begin(ctx)
		r.result = x.finish(r, x.size.encode(ctx, r.plan.resolve(e, ctx, r.plan.field), r.plan.key))
	}
}

// begin begins the execution of the root field, and returns the context of its resolvers.
func (r *rootField) begin(ctx context.Context) context.Context {
	r.Context = ctx
	r.viewer, r.viewerErr = viewer.FromContext(ctx)
	return r
}

// finish notes which mutation was executed last. r is nil if the root field has no plan.
func (x *execution) finish(r *rootField, result graphql.Marshaler) graphql.Marshaler {
	if r != nil && x.operation.Operation.Operation == ast.Mutation {
		x.size.last = r.plan.field.Alias // One after the other.
	}
	return result
}

// complete loads what is selected below the value of a root field, and encodes it if the operation is executed by its
// plan. It returns the value itself if gqlgen has to complete it.
func (x *execution) complete(ctx context.Context, value any) (any, error) {
	r, ok := rootFieldOf(ctx)
	if !ok || r.viewerErr != nil {
		return value, nil //nolint:nilerr // A value without a viewer has nothing to load.
	}
	mutates := x.operation.Operation.Operation == ast.Mutation
	if !x.plan.executable && mutates {
		return value, nil // gqlgen loads what is below, field by field.
	}
	if err := r.load(ctx, value); err != nil {
		if !mutates {
			return value, err
		}
		// The change has happened: gqlgen loads again, and reports the error of each field at its path.
		r.values.Reset()
		return value, nil
	}
	if !x.plan.executable {
		return value, nil
	}
	out := newEncoded()
	out.json = append(out.json, r.plan.key...)
	json, err := r.encode(ctx, out.json, value)
	out.json = json
	if err == nil {
		err = r.meter.count(len(json))
	}
	switch {
	case err == nil:
		return out, nil
	case x.size.stopped(): // The response says why.
		out.release()
		return graphql.Null, nil
	default:
		r.meter.undo()
		out.release()
		return value, nil
	}
}

// load loads what is selected below the value.
func (r *rootField) load(ctx context.Context, value any) error {
	if r.preloaded {
		return nil
	}
	if r.groups != nil {
		for _, g := range r.groups {
			r.viewer = g.viewer
			if err := r.plan.LoadList(ctx, r, g.values); err != nil {
				return err
			}
		}
		return nil
	}
	return r.plan.Load(ctx, r, value)
}

// encode appends the value as JSON.
func (r *rootField) encode(ctx context.Context, b []byte, value any) ([]byte, error) {
	switch values := value.(type) {
	case []model.Node:
		return r.plan.AppendList(ctx, r, b, elements(values))
	case []*access.Workspace:
		return r.plan.AppendList(ctx, r, b, elements(values))
	}
	return r.plan.Append(ctx, r, b, value)
}

func elements[T any](nodes []T) []any {
	list := make([]any, len(nodes))
	for i, node := range nodes {
		list[i] = node
	}
	return list
}

// data returns the data of the response, which is null if a non-null root field is null (GraphQL specification, section 6.4.4).
func (x *execution) data() []byte {
	for i := range x.roots {
		if r := &x.roots[i]; r.result == graphql.RequiredNull || r.result == graphql.Null && r.plan.field.Definition.Type.NonNull {
			return []byte("null")
		}
	}
	var b []byte
	for i := range x.roots {
		r := &x.roots[i]
		switch result := r.result.(type) {
		case *encoded:
			if i == 0 {
				b = result.json // It belongs to the response until Release.
				continue
			}
			b = append(b, result.json...)
			result.release()
		case nil:
			b = append(append(b, r.plan.key...), r.plan.typename...)
		default:
			b = append(append(b, r.plan.key...), "null"...)
		}
	}
	if len(x.roots) == 0 {
		b = append(b, '{')
	}
	return append(b, '}')
}

// Release takes the data of a response back after it was sent. Nobody may use it any more.
func (*API) Release(data []byte) {
	if cap(data) >= firstEncoded {
		(&encoded{json: data}).release()
	}
}
