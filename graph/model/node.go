// Package model holds the GraphQL types that neither ent nor the domain has.
package model

// Node is what has an id of its own: *ent.Task or *ent.User. (It has no methods, since ent's types are generated
// and have none to share.)
type Node any
