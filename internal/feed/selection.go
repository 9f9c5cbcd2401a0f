package feed

import (
	"bytes"
	"slices"
	"strings"

	"taskql/internal/workspace"
)

// Selection is what is selected of a page.
type Selection struct {
	// Gone reports whether things gone are selected.
	Gone bool
	// Kinds are the kinds whose rows are selected. Others are not read.
	Kinds map[workspace.Kind]Columns
}

// Columns are what is selected of a kind's rows.
type Columns struct {
	// Names are the columns; nil for all of them.
	Names []string
	// Nested are the paths of what is selected of other things, such as tags.name, each once.
	Nested []string
}

// parts returns the selection as tokens have it. A column that a kind doesn't list counts as all of them.
func (s *Selection) parts(kinds []workspace.FeedKind) []part {
	var parts []part
	if s.Gone {
		parts = append(parts, part{columns: 1})
	}
	for _, kind := range kinds {
		selected, ok := s.Kinds[kind.Kind]
		if !ok {
			continue
		}
		p := part{order: byte(kind.Order), columns: columnBits(kind.Columns, selected.Names)} //nolint:gosec // There are few kinds.
		p.nested = digests(selected.Nested)
		parts = append(parts, p)
	}
	return parts
}

// digests returns the digests of paths, or one of all of them if there are too many.
func digests(paths []string) []digest {
	if len(paths) > maxNested {
		paths = []string{strings.Join(slices.Sorted(slices.Values(paths)), " ")}
	}
	var all []digest
	for _, path := range paths {
		all = append(all, digestOf(path))
	}
	slices.SortFunc(all, func(a, b digest) int { return bytes.Compare(a[:], b[:]) })
	return all
}

// columnBits returns a bit for each of the names.
func columnBits(columns, names []string) uint64 {
	all := uint64(1)<<len(columns) - 1
	if names == nil {
		return all
	}
	var bits uint64
	for _, name := range names {
		i := slices.Index(columns, name)
		if i < 0 {
			return all
		}
		bits |= 1 << i
	}
	return bits
}

// covers reports whether a copy with those parts has all that is selected now.
func covers(copied, selected []part) bool {
	for _, now := range selected {
		i := slices.IndexFunc(copied, func(p part) bool { return p.order == now.order })
		if i < 0 || now.columns&^copied[i].columns != 0 || slices.ContainsFunc(now.nested, func(d digest) bool { return !slices.Contains(copied[i].nested, d) }) {
			return false
		}
	}
	return true
}
