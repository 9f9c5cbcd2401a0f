package live

import "unsafe"

// WorkspaceSize is what a workspace with subscriptions takes.
const WorkspaceSize = unsafe.Sizeof(workspace{})
