package betterauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// errMalformed replaces encoding/json's errors, some of which quote the text.
var errMalformed = errors.New("malformed JSON")

// maxID is the maximum length of an id, in bytes. A longer one is an error.
const maxID = 1 << 10

// fields is a JSON object. Names are compared exactly: encoding/json's structs would also accept a custom field
// "userID" as "userId".
type fields map[string]json.RawMessage

// parseObject parses a JSON object, or null as nil. The error doesn't quote the text.
func parseObject(text []byte) (fields, error) {
	var object fields
	if json.Unmarshal(text, &object) != nil {
		return nil, errMalformed
	}
	return object, nil
}

// fieldReader reads the fields that must be valid, and remembers the first error. Fields that may be invalid are read
// by the functions in lenient.go.
type fieldReader struct {
	err error
}

func (r *fieldReader) fail(name, problem string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s %s", name, problem)
	}
}

// value reads a field of type T. It returns the zero value for a missing field and for null.
func value[T any](r *fieldReader, from fields, name string) T {
	var v T
	if raw, ok := from[name]; ok && json.Unmarshal(raw, &v) != nil {
		r.fail(name, "has the wrong type")
	}
	return v
}

func (r *fieldReader) object(from fields, name string) fields { return value[fields](r, from, name) }

// id reads an id: text, or a number if the auth server has serial ids.
func (r *fieldReader) id(from fields, name string) string {
	raw := from[name]
	if len(raw) > 0 && raw[0] != '"' {
		return value[json.Number](r, from, name).String()
	}
	id := value[string](r, from, name)
	switch {
	case strings.ContainsRune(id, 0):
		r.fail(name, "holds U+0000")
	case len(id) > maxID:
		r.fail(name, "is longer than 1 kB")
	}
	return id
}

// numericDate reads seconds since 1970 (RFC 7519, section 2). It returns the zero time for a missing field.
func (r *fieldReader) numericDate(from fields, name string) time.Time {
	const maxSeconds = 253402300799 // The end of the year 9999.
	seconds := value[*float64](r, from, name)
	if seconds == nil {
		return time.Time{}
	}
	if *seconds < 0 || *seconds > maxSeconds {
		r.fail(name, "is no date")
		return time.Time{}
	}
	return time.UnixMilli(int64(*seconds * 1000))
}
