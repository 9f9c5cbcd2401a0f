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

// maxBody is the maximum length of a request's body, in bytes. An image may be a data URL.
const maxBody = 1 << 20

// body is the JSON of a request, or a value in it. JavaScript distinguishes a missing value from null, and so do Better
// Auth's error messages.
type body struct {
	present bool
	value   any
}

// readBody parses the body. As in Better Auth, a body without a content type is no body. A body of another type than
// JSON is refused, because browsers let pages of other origins send some of those without a preflight request.
func readBody(w http.ResponseWriter, r *http.Request) (body, error) {
	contentType := r.Header.Get("Content-Type")
	if contentType == "" || r.ContentLength == 0 {
		return body{}, nil
	}
	media, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/json") {
		return body{}, newError(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE",
			fmt.Sprintf("Content-Type %q is not allowed. Allowed types: application/json", contentType))
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return body{}, newError(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", "Payload too large")
	}
	if err != nil { // The client disconnected or was too slow.
		return body{}, newError(http.StatusBadRequest, "BAD_REQUEST", "The request body could not be read to its end")
	}
	parsed := body{present: true}
	if err := json.Unmarshal(text, &parsed.value); err != nil {
		return body{}, newError(http.StatusBadRequest, "BAD_REQUEST", "Invalid JSON in request body")
	}
	return parsed, nil
}

// field returns a field of the body.
func (b body) field(name string) body {
	object, _ := b.value.(map[string]any)
	value, ok := object[name]
	return body{present: ok, value: value}
}

// text returns a field that is a string by the schema, "" if it is missing.
func (b body) text(name string) string {
	s, _ := b.field(name).value.(string)
	return s
}

// optionalText returns a string, or nil if it is missing.
func (b body) optionalText(name string) *string {
	if s, ok := b.field(name).value.(string); ok {
		return &s
	}
	return nil
}

// remember returns rememberMe, which is true by default.
func (b body) remember() bool { return b.field("rememberMe").value != false }

// kind returns JavaScript's name of the value's type.
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

// schema describes valid bodies. The zero value accepts anything.
type schema struct {
	fields   []fieldSchema
	optional bool // whether the body may be missing
}

type fieldSchema struct {
	name, kind string
	optional   bool
	// rule returns what is wrong with a value of the right kind, or "". It may be nil.
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

// check returns an error with all problems of an invalid body.
func (s schema) check(b body) error {
	if s.fields == nil || s.optional && !b.present {
		return nil
	}
	if b.kind() != "object" {
		return invalidBody([]string{"[body] Invalid input: expected object, received " + b.kind()})
	}
	var problems []string
	for _, field := range s.fields {
		if problem := field.check(b.field(field.name)); problem != "" {
			problems = append(problems, "[body."+field.name+"] "+problem)
		}
	}
	if problems != nil {
		return invalidBody(problems)
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

func invalidBody(problems []string) *apiError {
	return newError(http.StatusBadRequest, "VALIDATION_ERROR", strings.Join(problems, "; "))
}

// isEmail reports whether text is an address by the rule of zod, which Better Auth validates with. The pattern is
// compiled each time, because hashing the password of the same request takes a thousand times longer.
func isEmail(text string) bool {
	const local, domain = `([A-Za-z0-9_'+\-]+\.)*[A-Za-z0-9_'+\-]*[A-Za-z0-9_+\-]`, `([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}`
	return regexp.MustCompile("^" + local + "@" + domain + "$").MatchString(text)
}
