package workspace

// Optional is a field of a patch: absent, or set to a value, which may be a pointer's nil.
type Optional[T any] struct {
	Set   bool `json:"set"`
	Value T    `json:"value"`
}
