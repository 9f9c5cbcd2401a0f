// Command generate runs gqlgen, with a plugin that writes roots.go beside what gqlgen generates.
package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	texttemplate "text/template"

	"github.com/99designs/gqlgen/api"
	"github.com/99designs/gqlgen/codegen"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/99designs/gqlgen/codegen/templates"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run() error {
	cfg, err := config.LoadConfigFromDefaultLocations()
	if err != nil {
		return fmt.Errorf("reading gqlgen.yml: %w", err)
	}
	return api.Generate(cfg, api.AddPlugin(roots{}))
}

//go:embed roots.gotpl
var template string

// roots generates tables of the methods that resolve the root fields, and of those that convert the arguments of the others.
type roots struct{}

// Name implements plugin.Plugin.
func (roots) Name() string { return "roots" }

// GenerateCode implements plugin.CodeGenerator.
func (roots) GenerateCode(data *codegen.Data) error {
	var roots []*codegen.Object
	for _, root := range []*codegen.Object{data.QueryRoot, data.MutationRoot, data.SubscriptionRoot} {
		if root != nil {
			roots = append(roots, root)
		}
	}
	err := templates.Render(templates.Options{
		PackageName: data.Config.Exec.Package, Filename: filepath.Join(data.Config.Exec.Dir(), "roots.go"),
		Template: template, Data: struct{ Roots, Objects []*codegen.Object }{roots, data.Objects}, GeneratedHeader: true, Packages: data.Config.Packages,
		Funcs: texttemplate.FuncMap{"isIntrospection": func(name string) bool { return strings.HasPrefix(name, "__") }},
	})
	if err != nil {
		return fmt.Errorf("generating roots.go: %w", err)
	}
	return nil
}
