package live

import (
	"encoding/base64"
	"encoding/binary"
)

const (
	// channel is the channel of the notifications.
	channel = "taskql_changes"
	// payloadFormat is the first byte of a payload. Replicas of other releases may use others.
	payloadFormat = 1
	// maxPayload is how long a payload may be: PostgreSQL takes 7,999 bytes.
	maxPayload = 7900
	// hashLength is the length of the hash of a workspace's id.
	hashLength = 8
)

// payload is a notification: the process that sends it, and changes. It is sent as base64 of a byte for the format, the
// sender, and for each change the hash and the version.
type payload struct{ bytes []byte }

func newPayload(sender uint64) *payload {
	return &payload{bytes: binary.BigEndian.AppendUint64([]byte{payloadFormat}, sender)}
}

// add adds a change, unless the payload would become too long. It reports whether it has.
func (p *payload) add(hash uint64, version int) bool {
	longer := binary.AppendUvarint(binary.BigEndian.AppendUint64(p.bytes, hash), uint64(max(version, 0)))
	if base64.RawStdEncoding.EncodedLen(len(longer)) > maxPayload {
		return false
	}
	p.bytes = longer
	return true
}

func (p *payload) String() string { return base64.RawStdEncoding.EncodeToString(p.bytes) }

// readPayload calls each with every change of a payload, and returns the sender. If it returns false, the payload is
// of another format, or damaged; each may have been called.
func readPayload(text string, each func(hash, version uint64)) (uint64, bool) {
	rest, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(rest) < 1+hashLength || rest[0] != payloadFormat {
		return 0, false
	}
	sender := binary.BigEndian.Uint64(rest[1:])
	rest = rest[1+hashLength:]
	for len(rest) > 0 {
		if len(rest) < hashLength {
			return sender, false
		}
		hash := binary.BigEndian.Uint64(rest)
		version, n := binary.Uvarint(rest[hashLength:])
		if n <= 0 {
			return sender, false
		}
		each(hash, version)
		rest = rest[hashLength+n:]
	}
	return sender, true
}
