package review

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/wasilibs/go-pgquery/parser"
)

// reviewer remembers what the file has created so far, which the previous release doesn't use.
type reviewer struct {
	created map[string]bool // tables
	columns map[string]bool // as table.column
}

// relation is a table's name, without its schema, because there is only one.
type relation struct {
	Name string `json:"relname"`
}

// name is a string in the tree, and names a list of them.
type name struct {
	String struct {
		Value string `json:"sval"`
	} `json:"String"`
}

type names []name

func (n names) last() string {
	if len(n) == 0 {
		return ""
	}
	return n[len(n)-1].String.Value
}

// body has the fields of all kinds of statements that the rules use.
type body struct {
	Relation    relation        `json:"relation"`
	Concurrent  bool            `json:"concurrent"`
	Unique      bool            `json:"unique"`
	RemoveType  string          `json:"removeType"`
	RenameType  string          `json:"renameType"`
	ObjectType  string          `json:"objtype"`
	OldValue    string          `json:"oldVal"`
	Commands    []command       `json:"cmds"`
	Options     json.RawMessage `json:"options"`
	Parameters  json.RawMessage `json:"params"`
	Destination struct {
		Relation relation `json:"rel"`
	} `json:"into"`
}

// harmless are the kinds of statements that break no rule.
var harmless = []string{ //nolint:gochecknoglobals // A constant table.
	"SelectStmt", "InsertStmt", "CommentStmt", "CreateExtensionStmt", "CreateFunctionStmt", "CreateEnumStmt", "CreateSeqStmt",
	"CreateSchemaStmt", "CreateStatsStmt", "VariableSetStmt", "TransactionStmt", "ViewStmt", "GrantStmt", "CompositeTypeStmt",
}

// statement reviews a statement.
func (r *reviewer) statement(n node) []Finding {
	for kind, raw := range n {
		var b body
		if err := json.Unmarshal(raw, &b); err != nil {
			return found(Opaque, "the check does not understand this statement: %v", err)
		}
		return r.kind(kind, b, raw)
	}
	return nil
}

// found returns a finding.
func found(rule, format string, args ...any) []Finding {
	return []Finding{{Rule: rule, Message: fmt.Sprintf(format, args...)}}
}

// always are the kinds of statements that break a rule whatever they say.
var always = map[string]Finding{ //nolint:gochecknoglobals // A constant table.
	"DropStmt":              {Rule: Drop, Message: "the release before may use what is dropped: drop it in the release after the one that stops using it"},
	"TruncateStmt":          {Rule: Drop, Message: "this empties a table"},
	"AlterObjectSchemaStmt": {Rule: Rename, Message: "the release before looks for it in the old schema"},
	"CreateTrigStmt":        {Rule: Tighten, Message: mayRefuse},
	"RuleStmt":              {Rule: Tighten, Message: mayRefuse},
	"CreatePolicyStmt":      {Rule: Tighten, Message: mayRefuse},
	"AlterDomainStmt":       {Rule: Tighten, Message: mayRefuse},
}

const mayRefuse = "what the release before writes may be refused or changed by this"

// kind reviews a statement of the kind.
func (r *reviewer) kind(kind string, b body, raw json.RawMessage) []Finding {
	if finding, ok := always[kind]; ok {
		return []Finding{finding}
	}
	table := b.Relation.Name
	switch kind {
	case "CreateStmt":
		r.created[table] = true
	case "CreateTableAsStmt":
		r.created[b.Destination.Relation.Name] = true
	case "IndexStmt":
		return r.index(b)
	case "RenameStmt":
		return rename(b)
	case "AlterEnumStmt":
		if b.OldValue != "" {
			return found(Rename, "the release before knows the old value")
		}
	case "UpdateStmt", "DeleteStmt", "MergeStmt":
		if !r.created[table] {
			return found(Rewrite, "this changes rows of %q and keeps them locked until the migration ends: do it in batches, or say why it is short", table)
		}
	case "LockStmt", "ReindexStmt", "ClusterStmt", "RefreshMatViewStmt", "VacuumStmt":
		return r.maintenance(kind, b)
	case "AlterTableStmt":
		return r.alter(b)
	case "DoStmt":
		return r.block(raw)
	default:
		if !slices.Contains(harmless, kind) {
			return found(Opaque, "the check does not know what %s does to the release before", kind)
		}
	}
	return nil
}

// rename reviews RENAME. Nobody uses the names of indexes and constraints.
func rename(b body) []Finding {
	if b.RenameType == "OBJECT_INDEX" || b.RenameType == "OBJECT_TABCONSTRAINT" {
		return nil
	}
	return found(Rename, "the release before knows the old name: add the new beside it, and drop the old one later")
}

// index reviews CREATE INDEX.
func (r *reviewer) index(b body) []Finding {
	if r.created[b.Relation.Name] {
		return nil
	}
	var all []Finding
	if b.Unique {
		all = found(Tighten, "the release before may write what a unique index on %q refuses", b.Relation.Name)
	}
	if !b.Concurrent {
		all = append(all, found(Lock, "nobody can write %q while the index is built: CREATE INDEX CONCURRENTLY, "+
			"in a file of its own with `-- +goose NO TRANSACTION`", b.Relation.Name)...)
	}
	return all
}

// maintenance reviews statements that lock a table but don't change it.
func (*reviewer) maintenance(kind string, b body) []Finding {
	options := string(b.Options) + string(b.Parameters)
	switch {
	case (kind == "ReindexStmt" && strings.Contains(options, `"concurrently"`)) || (kind == "RefreshMatViewStmt" && b.Concurrent):
		return nil
	case kind == "VacuumStmt" && !strings.Contains(options, `"full"`):
		return nil
	}
	return found(Lock, "this keeps others out of a table for as long as it takes")
}

// block reviews the statements in a DO block. It can't see statements that the block builds at run time.
func (r *reviewer) block(raw json.RawMessage) []Finding {
	var do struct {
		Arguments []struct {
			Element struct {
				Name string `json:"defname"`
				Text struct {
					String struct {
						Value string `json:"sval"`
					} `json:"String"`
				} `json:"arg"`
			} `json:"DefElem"`
		} `json:"args"`
	}
	if err := json.Unmarshal(raw, &do); err != nil {
		return found(Opaque, "the check does not understand this block: %v", err)
	}
	for _, a := range do.Arguments {
		if a.Element.Name != "as" {
			continue
		}
		const quote = "$taskql_review$"
		tree, err := parser.ParsePlPgSqlToJSON("DO " + quote + a.Element.Text.String.Value + quote)
		if err != nil {
			return found(Opaque, "the check does not understand this block: %v", err)
		}
		var all any
		if err := json.Unmarshal([]byte(tree), &all); err != nil {
			return found(Opaque, "the check does not understand this block: %v", err)
		}
		return r.inside(all)
	}
	return found(Opaque, "the check finds nothing in this block")
}

// inside reviews the statements in a syntax tree of PL/pgSQL.
func (r *reviewer) inside(tree any) []Finding {
	var all []Finding
	switch t := tree.(type) {
	case []any:
		for _, v := range t {
			all = append(all, r.inside(v)...)
		}
	case map[string]any:
		if _, dynamic := t["PLpgSQL_stmt_dynexecute"]; dynamic {
			all = append(all, found(Opaque, "EXECUTE runs what the check can't see")...)
		}
		if s, ok := t["PLpgSQL_stmt_execsql"].(map[string]any); ok {
			return append(all, r.embedded(s)...)
		}
		for _, v := range t {
			all = append(all, r.inside(v)...)
		}
	}
	return all
}

// embedded reviews an SQL statement in a DO block.
func (r *reviewer) embedded(s map[string]any) []Finding {
	statement, _ := s["sqlstmt"].(map[string]any)
	expression, _ := statement["PLpgSQL_expr"].(map[string]any)
	query, _ := expression["query"].(string)
	parsed, err := parse(query)
	if err != nil || len(parsed) == 0 {
		return found(Opaque, "the check does not understand %q", query)
	}
	var all []Finding
	for _, p := range parsed {
		all = append(all, r.statement(p.Stmt)...)
	}
	return all
}
