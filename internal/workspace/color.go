package workspace

import "hash/fnv"

// palette are the default colors of tags and projects. They can be told apart on white and on black.
var palette = []string{ //nolint:gochecknoglobals // A constant table.
	"#dc2626", "#ea580c", "#d97706", "#65a30d", "#16a34a", "#0d9488",
	"#0891b2", "#2563eb", "#4f46e5", "#7c3aed", "#c026d3", "#db2777",
}

// DefaultColor returns the color of a thing for which the client has chosen none. It depends on the name alone, which must be folded
// (text.Fold).
func DefaultColor(name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // It never fails.
	return palette[int(h.Sum32())%len(palette)]
}
