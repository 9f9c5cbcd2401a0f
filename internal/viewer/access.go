package viewer

// Access is how much of the user's data a request may use. Only API keys have less than AccessFull.
type Access int

// The kinds of access.
const (
	// AccessFull allows whatever the user may do.
	AccessFull Access = iota
	// AccessRead allows queries.
	AccessRead
	// AccessNone allows nothing.
	AccessNone
)

// MayRead reports whether queries are allowed.
func (a Access) MayRead() bool { return a == AccessFull || a == AccessRead }

// MayWrite reports whether mutations are allowed.
func (a Access) MayWrite() bool { return a == AccessFull }
