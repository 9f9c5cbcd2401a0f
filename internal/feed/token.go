package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
)

// A token says where in the feed a copy is, and what the copy is made of. It is, in base64url:
//
//	1 byte     format
//	8 bytes    epoch: the history of the database
//	8 bytes    SHA-256 of the workspace's id
//	uvarint    version
//	uvarint    1 more than how much later the version is at which the copy was begun; 0 if that is passed
//	uvarint    microseconds from 1970 to the moment of the version; 0 if it isn't known
//	1 byte     section of the place where the page was cut within the version; 0 if it wasn't
//	16 bytes   id of the last thing before the cut, if there is one
//	           for each kind that is selected:
//	1 byte       its order; 0 for what is gone
//	uvarint      a bit for each column
//	1 byte       how many digests of what is nested follow
//	4 bytes      each of them: SHA-256 of the path of a column, such as tags.name
//	6 bytes    SHA-256 of all before
//
// Nothing in it is secret, and nothing in it is trusted with more than what the viewer may see anyway: a client that makes a
// token of its own gets a wrong copy.
type token struct {
	epoch     [8]byte
	workspace [8]byte
	// version is the last one that the copy has; if place is set, the one that it has a part of.
	version int
	// begun is the version at which the copy was begun, 0 if the copy has all of it. What was gone by then was never in the copy.
	begun int
	// at is the moment of the version, zero if it isn't known.
	at time.Time
	// place is where the page was cut, nil if it was complete.
	place *place
	// parts is what is selected, in the order of kinds.
	parts []part
}

// place is a place within a version.
type place struct {
	// section is what is being read: twice the order of a kind, and 1 more for its rows than for what is gone of it.
	section byte
	id      uuid.UUID
}

// part is what is selected of a kind.
type part struct {
	order   byte
	columns uint64
	// nested are digests of what is selected of other things, such as a task's tags, sorted.
	nested []digest
}

// digest is what a token has of a text.
type digest [4]byte

func digestOf(text string) digest {
	sum := sha256.Sum256([]byte(text))
	return digest(sum[:4])
}

const (
	tokenFormat = 1
	// maxToken is the length in bytes of the longest token, which has 8 kinds.
	maxToken = 1 + 8 + 8 + 3*binary.MaxVarintLen64 + 17 + 9*(2+binary.MaxVarintLen64+4*maxNested) + checksumSize
	// maxNested is how many digests of what is nested a kind has. If there is more, it has one digest of all.
	maxNested    = 12
	checksumSize = 6
)

var errToken = errors.New("must be a token that this field has returned; leave it out to begin a new copy")

// encode returns the token as clients keep it.
func (t *token) encode() string {
	b := append(make([]byte, 0, maxToken), tokenFormat)
	b = append(append(b, t.epoch[:]...), t.workspace[:]...)
	b = binary.AppendUvarint(b, uint64(t.version)) //nolint:gosec // None of these is negative, nor are there many of them.
	later := 0
	if t.begun > 0 {
		later = t.begun - t.version + 1
	}
	b = binary.AppendUvarint(b, uint64(later))
	b = binary.AppendUvarint(b, uint64(micros(t.at))) //nolint:gosec // As above.
	if t.place == nil {
		b = append(b, 0)
	} else {
		b = append(append(b, t.place.section), t.place.id[:]...)
	}
	for _, p := range t.parts {
		b = append(b, p.order)
		b = append(binary.AppendUvarint(b, p.columns), byte(len(p.nested))) //nolint:gosec // As above.
		for _, d := range p.nested {
			b = append(b, d[:]...)
		}
	}
	return seal(b)
}

// seal appends the checksum, and returns the token.
func seal(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.RawURLEncoding.EncodeToString(append(body, sum[:checksumSize]...))
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMicro(), 0)
}

// decodeToken reads a token. The error is errToken if the text is not a token.
func decodeToken(text string) (*token, error) {
	if len(text) > base64.RawURLEncoding.EncodedLen(maxToken) {
		return nil, errToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+checksumSize {
		return nil, errToken
	}
	body, checksum := b[:len(b)-checksumSize], b[len(b)-checksumSize:]
	if sum := sha256.Sum256(body); body[0] != tokenFormat || !bytes.Equal(sum[:checksumSize], checksum) {
		return nil, errToken
	}
	r := &reader{rest: body[1:]}
	t := &token{}
	r.fill(t.epoch[:])
	r.fill(t.workspace[:])
	t.version = r.integer()
	if later := r.integer(); later > 0 {
		t.begun = t.version + later - 1
	}
	if n := r.integer(); n > 0 {
		t.at = time.UnixMicro(int64(n)).UTC()
	}
	if section := r.byte(); section > 0 {
		t.place = &place{section: section}
		r.fill(t.place.id[:])
	}
	for len(r.rest) > 0 && !r.failed {
		p := part{order: r.byte(), columns: r.uvarint()}
		for range r.byte() {
			var d digest
			r.fill(d[:])
			p.nested = append(p.nested, d)
		}
		t.parts = append(t.parts, p)
	}
	if r.failed || t.begun < 0 || t.encode() != text { // There is one way to write a token.
		return nil, errToken
	}
	return t, nil
}

// reader reads the parts of a token.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) fill(into []byte) {
	if len(r.rest) < len(into) {
		r.rest, r.failed = nil, true
		return
	}
	copy(into, r.rest)
	r.rest = r.rest[len(into):]
}

func (r *reader) byte() byte {
	var b [1]byte
	r.fill(b[:])
	return b[0]
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.rest, r.failed = nil, true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// integer reads a number that is not negative as an int.
func (r *reader) integer() int {
	const largest = 1 << 62 // Two of them can be added.
	n := r.uvarint()
	if n >= largest {
		r.failed = true
		return 0
	}
	return int(n)
}

// hashWorkspace returns what tokens have of a workspace's id.
func hashWorkspace(id string) [8]byte {
	sum := sha256.Sum256([]byte(id))
	return [8]byte(sum[:8])
}
