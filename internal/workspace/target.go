package workspace

// TargetInput names an object to act on.
type TargetInput struct {
	ID             string  `json:"id"`
	IfVersion      *int    `json:"ifVersion,omitempty"`
	IdempotencyKey *string `json:"-"`
}

// Canonical returns the input with its id in canonical form, for a Change's Input.
func (in TargetInput) Canonical() TargetInput {
	in.ID = CanonicalID(in.ID)
	return in
}
