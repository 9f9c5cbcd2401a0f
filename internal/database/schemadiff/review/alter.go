package review

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// command is a part of ALTER TABLE.
type command struct {
	AlterTableCmd struct {
		Kind string `json:"subtype"`
		Name string `json:"name"`
		Def  struct {
			Column     *column     `json:"ColumnDef"`
			Constraint *constraint `json:"Constraint"`
		} `json:"def"`
	} `json:"AlterTableCmd"`
	// hasDefinition reports whether the tree has a definition: DROP DEFAULT has none.
	hasDefinition bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *command) UnmarshalJSON(text []byte) error {
	type plain command
	if err := json.Unmarshal(text, (*plain)(c)); err != nil {
		return err
	}
	var has struct {
		Command map[string]json.RawMessage `json:"AlterTableCmd"`
	}
	if err := json.Unmarshal(text, &has); err != nil {
		return err
	}
	_, c.hasDefinition = has.Command["def"]
	return nil
}

type column struct {
	Name string `json:"colname"`
	Type struct {
		Names names `json:"names"`
	} `json:"typeName"`
	Constraints []struct {
		Constraint constraint `json:"Constraint"`
	} `json:"constraints"`
}

type constraint struct {
	Kind string `json:"contype"`
	// NotValid reports that existing rows are not checked.
	NotValid bool            `json:"skip_validation"`
	Default  json.RawMessage `json:"raw_expr"`
	Columns  names           `json:"fk_attrs"`
	Index    string          `json:"indexname"`
}

// harmlessChanges are the kinds of parts of ALTER TABLE that break no rule.
var harmlessChanges = []string{ //nolint:gochecknoglobals // A constant table.
	"AT_DropNotNull", "AT_ValidateConstraint", "AT_SetStatistics", "AT_SetOptions", "AT_ResetOptions", "AT_SetStorage",
	"AT_SetCompression", "AT_SetRelOptions", "AT_ResetRelOptions", "AT_ReplicaIdentity", "AT_DropCluster", "AT_ClusterOn",
	"AT_DisableRowSecurity", "AT_NoForceRowSecurity",
}

// alter reviews ALTER TABLE.
func (r *reviewer) alter(b body) []Finding {
	table := b.Relation.Name
	if r.created[table] {
		return nil
	}
	if b.ObjectType != "OBJECT_TABLE" {
		return found(Opaque, "the check knows ALTER TABLE, not this")
	}
	var all []Finding
	for _, c := range b.Commands {
		all = append(all, r.change(table, c)...)
	}
	return all
}

// change reviews a part of ALTER TABLE on a table that the previous release uses.
func (r *reviewer) change(table string, c command) []Finding {
	switch cmd := c.AlterTableCmd; cmd.Kind {
	case "AT_AddColumn":
		if cmd.Def.Column == nil {
			return found(Opaque, "the check does not understand this column")
		}
		r.columns[table+"."+cmd.Def.Column.Name] = true
		return addColumn(*cmd.Def.Column)
	case "AT_AddConstraint":
		if cmd.Def.Constraint == nil {
			return found(Opaque, "the check does not understand this constraint")
		}
		return r.addConstraint(table, *cmd.Def.Constraint)
	case "AT_DropColumn", "AT_DropConstraint", "AT_DropExpression", "AT_DropIdentity":
		return found(Drop, "the release before may use what is dropped of %q: drop it in the release after the one that stops using it", table)
	case "AT_SetNotNull":
		return found(Tighten, "the release before may write null into %q", table+"."+cmd.Name)
	case "AT_ColumnDefault":
		if !c.hasDefinition {
			return found(Tighten, "the release before may count on the default of %q", table+"."+cmd.Name)
		}
		return nil
	case "AT_EnableRowSecurity", "AT_ForceRowSecurity", "AT_EnableTrig", "AT_EnableAlwaysTrig", "AT_EnableRule", "AT_AddIdentity":
		return found(Tighten, "what the release before writes to %q may be refused or changed by this", table)
	case "AT_AlterColumnType":
		return found(Retype, "the release before reads and writes %q in its old type, and every row may be written anew: "+
			"add a column beside it", table+"."+cmd.Name)
	case "AT_SetLogged", "AT_SetUnLogged", "AT_SetTableSpace", "AT_SetAccessMethod", "AT_SetExpression":
		return found(Rewrite, "this writes all of %q anew, and nobody can use it meanwhile", table)
	default:
		if !slices.Contains(harmlessChanges, cmd.Kind) {
			return found(Opaque, "the check does not know what %s does to the release before", cmd.Kind)
		}
		return nil
	}
}

// addColumn reviews a new column. The previous release writes rows without it.
func addColumn(c column) []Finding {
	var all []Finding
	var required, filled bool
	for _, each := range c.Constraints {
		switch k := each.Constraint; k.Kind {
		case "CONSTR_NOTNULL":
			required = true
		case "CONSTR_DEFAULT":
			filled = !strings.Contains(string(k.Default), `"A_Const":{"isnull":true`)
			if volatile(k.Default) {
				all = append(all, found(Rewrite, "the default of %q is not one value for all rows, so that each is written anew, "+
					"and nobody can use the table meanwhile: set the default after adding the column, and fill the rows in batches", c.Name)...)
			}
		case "CONSTR_IDENTITY", "CONSTR_GENERATED":
			filled = true
			all = append(all, found(Rewrite, "%q is computed for every row, and nobody can use the table meanwhile", c.Name)...)
		case "CONSTR_UNIQUE", "CONSTR_PRIMARY", "CONSTR_CHECK", "CONSTR_FOREIGN":
			all = append(all, found(Lock, "the table is locked while this is checked of %q: add the constraint by itself, NOT VALID "+
				"or on an index that was built CONCURRENTLY", c.Name)...)
		}
	}
	if name := c.Type.Names.last(); strings.HasSuffix(name, "serial") {
		filled = true
		all = append(all, found(Rewrite, "a %s is numbered in every row, and nobody can use the table meanwhile", name)...)
	}
	if required && !filled {
		all = append(all, found(Tighten, "the release before writes rows without %q, which are refused: give it a default", c.Name)...)
	}
	return all
}

// stable are the functions that return the same value for all rows of a statement.
var stable = []string{"now", "transaction_timestamp", "statement_timestamp"} //nolint:gochecknoglobals // A constant table.

// volatile reports whether an expression calls a function that is not in stable.
func volatile(expression json.RawMessage) bool {
	var tree any
	if json.Unmarshal(expression, &tree) != nil {
		return true
	}
	return calls(tree)
}

func calls(tree any) bool {
	switch t := tree.(type) {
	case []any:
		return slices.ContainsFunc(t, calls)
	case map[string]any:
		for key, v := range t {
			if key == "FuncCall" {
				function, _ := v.(map[string]any)
				if !slices.Contains(stable, lastName(function["funcname"])) {
					return true
				}
			}
			if calls(v) {
				return true
			}
		}
	}
	return false
}

func lastName(list any) string {
	text, err := json.Marshal(list)
	if err != nil {
		return ""
	}
	var n names
	if json.Unmarshal(text, &n) != nil {
		return ""
	}
	return n.last()
}

// addConstraint reviews a new constraint.
func (r *reviewer) addConstraint(table string, c constraint) []Finding {
	var all []Finding
	isNew := c.Kind == "CONSTR_FOREIGN" && len(c.Columns) > 0 &&
		!slices.ContainsFunc(c.Columns, func(n name) bool { return !r.columns[table+"."+n.String.Value] })
	if !isNew {
		all = found(Tighten, "the release before may write to %q what %s refuses (NOT VALID spares only the rows that are there)", table, kindOf(c))
	}
	if !c.NotValid && c.Index == "" {
		all = append(all, found(Lock, "nobody can write %q while %s is checked: add it NOT VALID and validate it in the next migration, "+
			"or build a unique index CONCURRENTLY first and add it USING INDEX", table, kindOf(c))...)
	}
	return all
}

func kindOf(c constraint) string {
	return fmt.Sprintf("this %s constraint", strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(c.Kind, "CONSTR_"), "_", " ")))
}
