// Package listdiff compares two states of a list, and says which elements have to be taken out of the old one and put in to get
// the new one.
package listdiff

import "github.com/google/uuid"

// Entry is an element of a list.
type Entry struct {
	// ID is unique in the list.
	ID uuid.UUID
	// Digest stands for the element's content: if it differs, so does the content.
	Digest [8]byte
}

// Reason says why an element is put in.
type Reason string

// The reasons. An element that has changed and moved is Moved.
const (
	Entered Reason = "ENTERED"
	Updated Reason = "UPDATED"
	Moved   Reason = "MOVED"
)

// Placement is an element that is put in.
type Placement struct {
	// Index is its place in the new list. The element goes behind the one before it, which is in the list by then.
	Index  int
	Reason Reason
}

// Patch makes the new list of the old one: take out all of Left and Placed, then put Placed in, one after the other. Placed is
// in the order of the new list.
type Patch struct {
	Left   []uuid.UUID
	Placed []Placement
}

// Diff returns the patch from one list to another. No patch has fewer placements that are Moved, and among those that have as
// few, none has fewer placements.
func Diff(from, to []Entry) Patch {
	var p Patch
	start := 0
	for start < len(from) && start < len(to) && from[start].ID == to[start].ID {
		start++
	}
	end := 0 // Counted from the end.
	for end < len(from)-start && end < len(to)-start && from[len(from)-1-end].ID == to[len(to)-1-end].ID {
		end++
	}
	p.addUpdated(from[:start], to[:start], 0)
	p.diffMiddle(from[start:len(from)-end], to[start:len(to)-end], start)
	p.addUpdated(from[len(from)-end:], to[len(to)-end:], len(to)-end)
	return p
}

// addUpdated adds what differs in two parts of the lists that have the same ids. offset is where the new list's begins.
func (p *Patch) addUpdated(from, to []Entry, offset int) {
	for i := range to {
		if from[i].Digest != to[i].Digest {
			p.Placed = append(p.Placed, Placement{offset + i, Updated})
		}
	}
}

// diffMiddle compares two parts of the lists. offset is where the new list's begins.
func (p *Patch) diffMiddle(from, to []Entry, offset int) {
	if len(from)+len(to) == 0 {
		return
	}
	places := make(map[uuid.UUID]int, len(from))
	for i := range from {
		places[from[i].ID] = i
	}
	common := make([]pair, 0, len(to))
	stays := make([]bool, len(from))
	for i := range to {
		if place, ok := places[to[i].ID]; ok {
			stays[place] = true
			common = append(common, pair{to: i, from: place, same: from[place].Digest == to[i].Digest})
		}
	}
	for i := range from {
		if !stays[i] {
			p.Left = append(p.Left, from[i].ID)
		}
	}
	keepLongest(common)
	for i := range to {
		switch isCommon := len(common) > 0 && common[0].to == i; {
		case !isCommon:
			p.Placed = append(p.Placed, Placement{offset + i, Entered})
			continue
		case !common[0].kept:
			p.Placed = append(p.Placed, Placement{offset + i, Moved})
		case !common[0].same:
			p.Placed = append(p.Placed, Placement{offset + i, Updated})
		}
		common = common[1:]
	}
}

// pair is an element that both lists have, with its places.
type pair struct {
	from, to int
	// same reports whether its content is the same.
	same bool
	// kept reports whether it stays where it is.
	kept bool
}

// keepLongest sets kept of the longest subsequence whose places ascend in both lists, and among those of the one with the most
// elements that are the same. The pairs are in the order of the new list. The time is quadratic: a list is no longer than a page.
func keepLongest(pairs []pair) {
	const one = 1 << 32 // The lengths are in the upper half of a score, the elements that are the same in the lower.
	// scores and before have for each pair the best subsequence that ends with it: its score, and the pair before.
	scores, before := make([]int, len(pairs)), make([]int, len(pairs))
	last := -1
	for i, p := range pairs {
		best, at := 0, -1
		for j, q := range pairs[:i] {
			if q.from < p.from && scores[j] > best {
				best, at = scores[j], j
			}
		}
		best += one
		if p.same {
			best++
		}
		scores[i], before[i] = best, at
		if last < 0 || best > scores[last] {
			last = i
		}
	}
	for ; last >= 0; last = before[last] {
		pairs[last].kept = true
	}
}
