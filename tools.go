//go:build tools

// Package tools pins the versions of the code generators that `go generate ./...` runs.
package tools

import (
	_ "entgo.io/ent/cmd/ent"
)
