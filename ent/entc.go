//go:build ignore

// This program generates ent's code from ent/schema. The client is made without its own migration, whose package brings
// atlas, and with it HCL, several databases and 5 MB, into every binary with a client; what writes migrations gets that
// package beside itself.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
)

const (
	schema     = "./schema"
	pkg        = "taskql/ent"
	migrations = "../internal/database/schemadiff/migrate"
)

// workspaceTables is the template of workspacetables.go.
const workspaceTables = `{{ define "workspacetables" }}{{ template "header" $ }}
// WorkspaceTables are the tables whose rows have an id and belong to a workspace.
var WorkspaceTables = []string{
{{- range $n := $.Nodes }}{{ range $n.Fields }}{{ if and $n.HasOneFieldID (eq .Name "workspace_id") }}
	"{{ $n.Table }}",
{{- end }}{{ end }}{{ end }}
}
{{ end }}`

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, "generating ent's code:", err)
		os.Exit(1)
	}
}

func generate() error {
	features := entc.FeatureNames("sql/lock", "sql/upsert", "sql/modifier", "sql/execquery", "privacy", "sql/versioned-migration")
	whole, err := gen.NewStorage("sql")
	if err != nil {
		return err
	}
	client := *whole
	client.SchemaMode &^= gen.Migrate
	tables := gen.MustParse(gen.NewTemplate("workspacetables").Parse(workspaceTables))
	if err := entc.Generate(schema, &gen.Config{Storage: &client, Target: ".", Package: pkg, Templates: []*gen.Template{tables}}, features); err != nil {
		return err
	}
	all, err := os.MkdirTemp("", "taskql-ent-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(all)
	if err := entc.Generate(schema, &gen.Config{Storage: whole, Target: all, Package: pkg}, features); err != nil {
		return err
	}
	for _, name := range []string{"migrate.go", "schema.go"} {
		text, err := os.ReadFile(filepath.Join(all, "migrate", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(migrations, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
