// Package ent holds the models and the queries that ent generates from ent/schema.
package ent

//go:generate go run -mod=mod entgo.io/ent/cmd/ent generate --feature sql/lock,sql/upsert,sql/modifier,sql/execquery,privacy,sql/versioned-migration ./schema
