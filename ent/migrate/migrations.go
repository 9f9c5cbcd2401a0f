// Package migrate has the database's tables as ent writes them from ent/schema, and the versioned migrations that lead
// to them.
package migrate

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed migrations
var migrations embed.FS

// Migrations are the versioned migrations for PostgreSQL, oldest first by name, in goose's format. They are written by
// `make migration name=…` from the difference between ent/schema and the migrations before, and reviewed by hand.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(fmt.Sprintf("the embedded folder is gone: %v", err)) // Only a wrong name above can do that.
	}
	return sub
}
