package betterauth

import "slices"

// Permissions are the actions that an API key may perform on each resource, as Better Auth stores them. This server knows
// the resource "tasks" and the actions "read" and "write".
type Permissions map[string][]string

// MayRead reports whether tasks may be read. Without any permissions (nil) all is allowed.
func (p Permissions) MayRead() bool { return p.MayWrite() || slices.Contains(p["tasks"], "read") }

// MayWrite reports whether tasks may be changed, and so read as well.
func (p Permissions) MayWrite() bool { return p == nil || slices.Contains(p["tasks"], "write") }
