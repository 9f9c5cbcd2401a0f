package workspace

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ParseID parses an object's id in the usual form of 36 characters. Other forms that uuid.Parse takes are no ids.
func ParseID(id string) (uuid.UUID, bool) {
	if len(id) != 36 {
		return uuid.Nil, false
	}
	u, err := uuid.Parse(id)
	return u, err == nil
}

// ParseIDs returns each valid id once, and whether all ids are valid.
func ParseIDs(ids []string) ([]uuid.UUID, bool) {
	seen, unique, valid := make(map[uuid.UUID]bool, len(ids)), make([]uuid.UUID, 0, len(ids)), true
	for _, id := range ids {
		u, ok := ParseID(id)
		if !ok {
			valid = false
		} else if !seen[u] {
			seen[u], unique = true, append(unique, u)
		}
	}
	return unique, valid
}

// ByID reads objects by ids in the clients' spelling. It calls read with each valid id once, if there are valid ids, and leaves
// out what read doesn't find.
func ByID[T any](ids []string, read func([]uuid.UUID) (map[uuid.UUID]T, error)) (map[string]T, error) {
	unique, _ := ParseIDs(ids)
	if len(unique) == 0 {
		return map[string]T{}, nil // As if none of them was found.
	}
	found, err := read(unique)
	if err != nil {
		return nil, err
	}
	named := make(map[string]T, len(ids))
	for _, id := range ids {
		if u, ok := ParseID(id); ok {
			if t, ok := found[u]; ok {
				named[id] = t
			}
		}
	}
	return named, nil
}

// CanonicalID returns an id in lower case, as this server writes it; other text is returned unchanged. A client may write an id
// in either case, and it is the same request with the same idempotency key: so a Change's Input has canonical ids.
func CanonicalID(id string) string {
	if _, ok := ParseID(id); ok {
		return strings.ToLower(id)
	}
	return id
}

// CanonicalIDs is CanonicalID for each of a list. Nil stays nil: in a patch it means something else than an empty list.
func CanonicalIDs(ids []string) []string {
	if ids == nil {
		return nil
	}
	canonical := make([]string, len(ids))
	for i, id := range ids {
		canonical[i] = CanonicalID(id)
	}
	return canonical
}

// CanonicalIDPtr is CanonicalID for an id that may be nil.
func CanonicalIDPtr(id *string) *string {
	if id == nil {
		return nil
	}
	canonical := CanonicalID(*id)
	return &canonical
}

// NewID returns a new UUIDv7 of that time.
func NewID(t time.Time) uuid.UUID { return uuidv7(t, uuid.New()) }

// FirstID returns the least UUIDv7 of that time: ids that are less are older.
func FirstID(t time.Time) uuid.UUID { return uuidv7(t, uuid.Nil) }

// uuidv7 returns a random UUID with the time of a UUIDv7 (RFC 9562, section 5.7). For uuid.Nil it is the least UUIDv7 of that
// time.
func uuidv7(t time.Time, random uuid.UUID) uuid.UUID {
	id := random
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(t.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = 0x70 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	return id
}
