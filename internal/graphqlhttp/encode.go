package graphqlhttp

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// maxPooledBytes is the longest buffer that is kept for the next response: a rare long one must not stay in memory.
const maxPooledBytes = 64 << 10

// result is one result of an operation: the specification's response (October 2021, section 7.1), without its encoding.
type result struct {
	errors     gqlerror.List
	data       json.RawMessage // nil: no data key
	extensions map[string]any
}

// hasData reports whether the operation returned anything.
func (r result) hasData() bool { return len(r.data) > 0 && !bytes.Equal(r.data, []byte("null")) }

// longData returns the data if it is too long to be copied into the buffer, else nil.
func (r result) longData() []byte {
	if len(r.data) <= maxPooledBytes {
		return nil
	}
	return r.data
}

// encode writes the result as JSON: the errors first, so that people see them, then the data as the executor encoded it.
// Long data is left out: encode returns the offset at which it belongs.
func (r result) encode(buf *bytes.Buffer) (int, error) {
	data, offset := r.data, 0
	if r.longData() != nil {
		data = nil
	}
	buf.Grow(len(data) + 64)
	separator := byte('{')
	if len(r.errors) > 0 {
		if err := encodeMember(buf, separator, "errors", r.errors); err != nil {
			return 0, err
		}
		separator = ','
	}
	if r.data != nil {
		writeMember(buf, separator, "data", data)
		offset, separator = buf.Len(), ','
	}
	if len(r.extensions) > 0 {
		if err := encodeMember(buf, separator, "extensions", r.extensions); err != nil {
			return 0, err
		}
		separator = ','
	}
	if separator == '{' {
		buf.WriteByte('{')
	}
	buf.WriteByte('}')
	return offset, nil
}

// encodeMember encodes a value as a member of the result's object.
func encodeMember(buf *bytes.Buffer, separator byte, name string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	writeMember(buf, separator, name, encoded)
	return nil
}

// writeMember writes a member of the result's object.
func writeMember(buf *bytes.Buffer, separator byte, name string, value []byte) {
	buf.WriteByte(separator)
	buf.WriteByte('"')
	buf.WriteString(name)
	buf.WriteString(`":`)
	buf.Write(value)
}
