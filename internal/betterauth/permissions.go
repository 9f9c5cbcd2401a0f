package betterauth

import "slices"

// Permissions are the actions that an API key may perform, by resource, as Better Auth stores them. This server uses
// the resource "tasks" with the actions "read" and "write". Nil allows everything.
type Permissions map[string][]string

// MayRead reports whether tasks may be read.
func (p Permissions) MayRead() bool { return p.MayWrite() || slices.Contains(p["tasks"], "read") }

// MayWrite reports whether tasks may be changed, which includes reading them.
func (p Permissions) MayWrite() bool { return p == nil || slices.Contains(p["tasks"], "write") }
