// Package migrate has the versioned migrations that lead to the database's tables as ent/schema describes them.
package migrate

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql sqlite/*.sql
var migrations embed.FS

// Migrations are the versioned migrations for PostgreSQL, oldest first by name, in goose's format. They are written by
// `make migration name=…` from the difference between ent/schema and the migrations before, and reviewed by hand. They run
// while the release before serves: one that locks several tables locks workspaces first, as every change does.
func Migrations() fs.FS { return folder("migrations") }

// SQLiteMigrations are the same for SQLite. They may do as they please with what is there to be tried: the first is all that
// there was when they began, and leaves alone what a database has of it.
func SQLiteMigrations() fs.FS { return folder("sqlite") }

func folder(name string) fs.FS {
	sub, err := fs.Sub(migrations, name)
	if err != nil {
		panic(fmt.Sprintf("the embedded folder is gone: %v", err)) // Only a wrong name above can do that.
	}
	return sub
}
