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

// queryOf returns the parameters of the URL. As in Better Auth, one that is repeated is an array.
func queryOf(r *http.Request) body {
	object := map[string]any{}
	for name, values := range r.URL.Query() {
		list := make([]any, len(values))
		for i, value := range values {
			list[i] = strings.ToValidUTF8(value, "\uFFFD")
		}
		object[name] = list
		if len(list) == 1 {
			object[name] = list[0]
		}
	}
	return body{present: true, value: object}
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

// texts returns a text, or the texts of an array of them. It returns false for anything else.
func (b body) texts() ([]string, bool) {
	switch value := b.value.(type) {
	case string:
		return []string{value}, true
	case []any:
		list := make([]string, 0, len(value))
		for _, element := range value {
			text, ok := element.(string)
			if !ok {
				return nil, false
			}
			list = append(list, text)
		}
		return list, true
	default:
		return nil, false
	}
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
	name, kind         string
	optional, nullable bool
	// rule returns what is wrong with a text, or "". It may be nil.
	rule func(string) string
	// fields are those of an object.
	fields []fieldSchema
}

// Kinds that are not types of JavaScript.
const (
	// record is an object with any fields.
	record = "record"
	// oneOrMore is a text or an array of texts.
	oneOrMore = "one or more"
	// parameter is a number as a text, as parameters of a URL are.
	parameter = "parameter"
)

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

// check returns an error with all problems of an invalid body. The label is what the messages call it.
func (s schema) check(label string, b body) error {
	if s.fields == nil || s.optional && !b.present {
		return nil
	}
	if problems := objectProblems(label, s.fields, b); problems != nil {
		return invalidBody(problems)
	}
	return nil
}

// objectProblems returns the problems of an object at a path.
func objectProblems(path string, fields []fieldSchema, b body) []string {
	if b.kind() != "object" {
		return []string{"[" + path + "] Invalid input: expected object, received " + b.kind()}
	}
	var problems []string
	for _, field := range fields {
		value, at := b.field(field.name), path+"."+field.name
		if field.fields != nil {
			problems = append(problems, objectProblems(at, field.fields, value)...)
		} else if problem := field.check(value); problem != "" {
			problems = append(problems, "["+at+"] "+problem)
		}
	}
	return problems
}

// check returns what is wrong with a value, or "".
func (f fieldSchema) check(b body) string {
	if f.optional && !b.present || f.nullable && b.present && b.value == nil {
		return ""
	}
	switch f.kind {
	case oneOrMore:
		return f.checkTexts(b)
	case parameter:
		if b.kind() != "string" {
			return "Invalid input"
		}
	case record:
		if b.kind() != "object" {
			return "Invalid input: expected record, received " + b.kind()
		}
	case b.kind():
	default:
		return "Invalid input: expected " + f.kind + ", received " + b.kind()
	}
	if text, ok := b.value.(string); ok && f.rule != nil {
		return f.rule(text)
	}
	return ""
}

// checkTexts returns what is wrong with a text or an array of texts, or "".
func (f fieldSchema) checkTexts(b body) string {
	list, ok := b.texts()
	if !ok {
		return "Invalid input"
	}
	if f.rule == nil {
		return ""
	}
	return f.rule(strings.Join(list, ","))
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
