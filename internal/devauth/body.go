package devauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// maxBody bounds a request's body, in bytes. Images may come as data URLs.
const maxBody = 1 << 20

// body is a request's JSON. JavaScript tells a missing value from null, and so do its messages.
type body struct {
	present bool
	value   any
}

// readBody parses the body. One without a type is no body, as Better Auth has it; one of another type than JSON is
// refused, so that no page can send one without the browser asking first.
func readBody(w http.ResponseWriter, r *http.Request) (body, error) {
	contentType := r.Header.Get("Content-Type")
	if contentType == "" || r.ContentLength == 0 {
		return body{}, nil
	}
	media, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/json") {
		return body{}, refuse(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE",
			fmt.Sprintf("Content-Type %q is not allowed. Allowed types: application/json", contentType))
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return body{}, refuse(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", "Payload too large")
	}
	if err != nil { // The client left, or was too slow: nothing of ours.
		return body{}, refuse(http.StatusBadRequest, "BAD_REQUEST", "The request body could not be read to its end")
	}
	parsed := body{present: true}
	if err := json.Unmarshal(text, &parsed.value); err != nil {
		return body{}, refuse(http.StatusBadRequest, "BAD_REQUEST", "Invalid JSON in request body")
	}
	return parsed, nil
}

// field returns a field of the body.
func (b body) field(name string) body {
	object, _ := b.value.(map[string]any)
	value, ok := object[name]
	return body{present: ok, value: value}
}

// text returns a field that the schema has found to be a string, or "".
func (b body) text(name string) string {
	s, _ := b.field(name).value.(string)
	return s
}

// optionalText returns a field that may be missing.
func (b body) optionalText(name string) *string {
	if s, ok := b.field(name).value.(string); ok {
		return &s
	}
	return nil
}

// remember is false only where the client says so.
func (b body) remember() bool { return b.field("rememberMe").value != false }

// kind is the value's type in JavaScript's words.
func (b body) kind() string {
	if !b.present {
		return "undefined"
	}
	switch b.value.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "array"
	default:
		return "object"
	}
}

// schema is what a body must look like. The zero value takes anything.
type schema struct {
	fields   []fieldSchema
	optional bool // the body may be missing
}

type fieldSchema struct {
	name, kind string
	optional   bool
	// rule looks at a value of the right kind and returns the complaint, or "".
	rule func(string) string
}

func signUpSchema() schema {
	return schema{fields: []fieldSchema{
		{name: "name", kind: "string"},
		{name: "email", kind: "string", rule: emailRule},
		{name: "password", kind: "string", rule: nonEmptyRule},
		{name: "image", kind: "string", optional: true},
		{name: "callbackURL", kind: "string", optional: true},
		{name: "rememberMe", kind: "boolean", optional: true},
	}}
}

func signInSchema() schema {
	return schema{fields: []fieldSchema{
		{name: "email", kind: "string"},
		{name: "password", kind: "string"},
		{name: "callbackURL", kind: "string", optional: true},
		{name: "rememberMe", kind: "boolean", optional: true},
	}}
}

func signOutSchema() schema {
	return schema{optional: true, fields: []fieldSchema{
		{name: "callbackURL", kind: "string", optional: true},
		{name: "disableRedirect", kind: "boolean", optional: true},
		{name: "state", kind: "string", optional: true},
	}}
}

func emailRule(value string) string {
	if !isEmail(value) {
		return "Invalid email address"
	}
	return ""
}

func nonEmptyRule(value string) string {
	if value == "" {
		return "Too small: expected string to have >=1 characters"
	}
	return ""
}

// check refuses a body that does not fit, with all its faults.
func (s schema) check(b body) error {
	if s.fields == nil || s.optional && !b.present {
		return nil
	}
	if b.kind() != "object" {
		return invalidBody([]string{"[body] Invalid input: expected object, received " + b.kind()})
	}
	var faults []string
	for _, field := range s.fields {
		if fault := field.check(b.field(field.name)); fault != "" {
			faults = append(faults, "[body."+field.name+"] "+fault)
		}
	}
	if faults != nil {
		return invalidBody(faults)
	}
	return nil
}

func (f fieldSchema) check(b body) string {
	if f.optional && !b.present {
		return ""
	}
	if b.kind() != f.kind {
		return "Invalid input: expected " + f.kind + ", received " + b.kind()
	}
	if f.rule == nil {
		return ""
	}
	text, _ := b.value.(string)
	return f.rule(text)
}

func invalidBody(faults []string) *refusal {
	return refuse(http.StatusBadRequest, "VALIDATION_ERROR", strings.Join(faults, "; "))
}

// isEmail is the test of zod, Better Auth's validator. The pattern is compiled each time: the password that comes along
// costs a thousand times more.
func isEmail(text string) bool {
	const local, domain = `([A-Za-z0-9_'+\-]+\.)*[A-Za-z0-9_'+\-]*[A-Za-z0-9_+\-]`, `([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}`
	return regexp.MustCompile("^" + local + "@" + domain + "$").MatchString(text)
}
