// Package ent holds the models and the queries that ent generates from ent/schema.
package ent

//go:generate go run -mod=mod entc.go
