package graph

import (
	"context"
	"math"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/graph/generated"
)

// Documents returns how many documents have plans.
func (a *API) Documents() int { return a.schema.plans.Documents() }

// WithoutEntry lists the fields of the schema's object types that have no entry in the table of fields.
func (a *API) WithoutEntry() []string {
	var missing []string
	s := a.schema.Schema()
	for name, def := range s.Types {
		if def.Kind != ast.Object || def.BuiltIn || def == s.Query || def == s.Mutation || def == s.Subscription {
			continue
		}
		t, _ := a.schema.compiler.Type(name)
		for _, f := range def.Fields {
			if !t.Has(f.Name) {
				missing = append(missing, name+"."+f.Name)
			}
		}
	}
	return missing
}

// WithoutField lists the entries in the table of fields that have no field in the schema.
func (a *API) WithoutField() []string {
	var extra []string
	for name, def := range a.schema.Schema().Types {
		t, _ := a.schema.compiler.Type(name)
		for _, field := range t.Names() {
			if def.Fields.ForName(field) == nil {
				extra = append(extra, name+"."+field)
			}
		}
	}
	return extra
}

// RootFields lists the root fields that have generated methods, each after its type and a dot.
func RootFields() []string {
	var names []string
	for typ, fields := range generated.RootFields {
		for name := range fields {
			names = append(names, typ+"."+name)
		}
	}
	return names
}

// NodeTypes lists the types that node and nodes find.
func NodeTypes() []string {
	var names []string
	for _, t := range entities {
		names = append(names, t.name)
	}
	return names
}

// Encode encodes an object by what is selected below a field, which may be any field of the operation.
func (a *API) Encode(ctx context.Context, operation *graphql.OperationContext, field graphql.CollectedField, object any) ([]byte, error) {
	size := responseSize{limit: math.MaxInt64}
	r := &rootField{
		resolver: a.schema.resolver, operation: operation, meter: size.meter(),
		plan: &rootPlan{Plan: a.schema.compiler.Compile(operation, field)},
	}
	ctx = r.begin(ctx)
	if err := r.load(ctx, object); err != nil {
		return nil, err
	}
	return r.encode(ctx, nil, object)
}
