package graphqlhttp

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxNesting is how deep the JSON of a request may nest, the request's own object included. It is more than any limit on
	// the variables, which is checked later with a better message.
	maxNesting = 200
	// maxBodyValues bounds a body before it is decoded: decoding a megabyte of values takes longer than counting its commas.
	maxBodyValues = 50_000
	// maxMemberName is how much of a value's name is shown: the client chose it.
	maxMemberName = 200
)

// decoder decodes requests as JSON.
type decoder struct {
	body bytes.Buffer
	json jsontext.Decoder
	// values counts the values of the object being decoded. Those beyond maxValues are counted but not kept, since a few
	// bytes of JSON take hundreds in memory. An object that is incomplete because of this is refused later.
	values, maxValues int
}

// request decodes the body into the operation. If the body is JSON but a member has the wrong type, the operation has the
// other members, so that its name can be logged.
//
// Names are matched exactly. Unknown ones are ignored, since the specification leaves them to extensions. A duplicate
// member is refused: two readers could use one each. Errors never repeat the body.
func (d *decoder) request(op *operation) *requestError {
	body := d.body.Bytes()
	if err := checkShape(body); err != nil {
		return err
	}
	if tooManyValues(body) {
		return badRequest(fmt.Sprintf("The request body holds more than %d values.", maxBodyValues))
	}
	d.json.Reset(&d.body)
	var wrong wrongType // the first one
	err := d.members(func(name string) error {
		err := d.member(op, name)
		if err == nil {
			return nil
		}
		var here wrongType
		if errors.As(err, &here) {
			wrong = cmp.Or(wrong, here)
			return nil
		}
		return err
	})
	if wrong != "" {
		return jsonError(wrong, body, "The request body", "")
	}
	if err == nil {
		err = d.end()
	}
	if err != nil {
		op.name = "" // What came before the error isn't worth logging.
		return jsonError(err, body, "The request body", "")
	}
	return op.decodeExtensions()
}

// checkShape gives clear messages for bodies that are JSON but not a request.
func checkShape(body []byte) *requestError {
	body = bytes.TrimLeft(body, " \t\r\n")
	switch {
	case len(body) == 0:
		return badRequest("The request body is empty.")
	case body[0] == '[':
		return badRequest("Batches are not supported: send one operation a request.")
	case body[0] != '{':
		return badRequest("The request body must be a JSON object.")
	}
	return nil
}

// member decodes one member of the request.
func (d *decoder) member(op *operation, name string) error {
	switch name {
	case "query":
		return d.text(&op.query, name)
	case "operationName":
		return d.text(&op.name, name)
	case "documentId":
		return d.text(&op.documentID, name)
	case "variables":
		err := d.object(&op.variables, name)
		op.values = d.values - 1 // without the object itself
		return err
	case "extensions":
		return d.extensions(op)
	default:
		return d.skip()
	}
}

// wrongType is the error of a member whose type is not the specification's.
type wrongType string

func (e wrongType) Error() string { return string(e) }

// errTooDeep is the error of JSON nested deeper than maxNesting.
var errTooDeep = errors.New("nested too deep")

// jsonError returns the client's error for an error of decoding text. What is the name of the text in messages; member is
// the name of the request's member that it is, or "" for the whole body. The error itself is not shown, since it may quote
// the text.
func jsonError(err error, text []byte, what, member string) *requestError {
	var wrong wrongType
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &syntax) && utf16.IsSurrogate(escapedUnit(after(text, syntax.ByteOffset))):
		return badRequest(memberName(member, syntax.JSONPointer) + halfPair(after(text, syntax.ByteOffset)))
	case errors.As(err, &wrong):
		return badRequest(wrong.Error())
	case errors.Is(err, errTooDeep):
		return badRequest(fmt.Sprintf("%s is nested deeper than %d levels.", what, maxNesting))
	case errors.Is(err, jsontext.ErrDuplicateName):
		return badRequest(what + " has an object with the same member twice.")
	default:
		return badRequest(what + " is not valid JSON in UTF-8.")
	}
}

// after returns the text after an offset, as long as an escape sequence.
func after(text []byte, offset int64) string {
	rest := text[min(offset, int64(len(text))):]
	return string(rest[:min(escapeLength, len(rest))])
}

// memberName returns the name of the value that the pointer leads to from a member of the request, or from the whole
// request if member is "". In the variables it is like $input.ids[2].
func memberName(member string, pointer jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString(member)
	for token := range pointer.Tokens() {
		_, notIndex := strconv.Atoi(token)
		switch {
		case b.String() == "variables":
			b.Reset()
			b.WriteString("$" + token)
		case notIndex == nil:
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	if b.Len() == 0 {
		return "The request body"
	}
	return strings.ToValidUTF8(b.String()[:min(b.Len(), maxMemberName)], "")
}

// members decodes an object. It calls each for every member, which must decode the member's value.
func (d *decoder) members(each func(name string) error) error {
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	if d.json.StackDepth() > maxNesting {
		return errTooDeep
	}
	for d.json.PeekKind() != '}' {
		name, err := d.json.ReadToken()
		if err != nil {
			return err
		}
		if err := each(name.String()); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// end returns an error unless the input ends here.
func (d *decoder) end() error {
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// text decodes a string into target. Null leaves it unchanged.
func (d *decoder) text(target *string, name string) error {
	switch d.json.PeekKind() {
	case '"', 'n', 0: // 0 is an error, which ReadToken returns.
	default:
		return d.wrong(name + " must be a string.")
	}
	token, err := d.json.ReadToken()
	if err == nil && token.Kind() == '"' {
		*target = token.String()
	}
	return err
}

// extensions decodes the extensions, which are refused if they have too many values.
func (d *decoder) extensions(op *operation) error {
	err := d.object(&op.extensions, "extensions")
	if err == nil && d.values > d.maxValues {
		return wrongType(fmt.Sprintf("extensions holds more than %d values.", d.maxValues-1))
	}
	return err
}

// object decodes an object into target. Null leaves it unchanged.
func (d *decoder) object(target *map[string]any, name string) error {
	switch d.json.PeekKind() {
	case '{', 'n', 0: // 0 is an error, which value returns.
	default:
		return d.wrong(name + " must be an object.")
	}
	d.values = 0
	value, err := d.value()
	if err != nil {
		return err
	}
	if members, ok := value.(map[string]any); ok {
		*target = members
	}
	return nil
}

// value decodes any value. Numbers keep their digits, so that the schema's scalars get large integers and decimals
// unchanged.
func (d *decoder) value() (any, error) {
	d.values++
	switch d.json.PeekKind() {
	case '{':
		var object map[string]any
		if d.values <= d.maxValues {
			object = map[string]any{}
		}
		err := d.members(func(name string) error {
			value, err := d.value()
			if d.values <= d.maxValues {
				object[name] = value
			}
			return err
		})
		return object, err
	case '[':
		return d.list()
	default:
		token, err := d.json.ReadToken()
		if err != nil {
			return nil, err
		}
		return scalar(token), nil
	}
}

func (d *decoder) list() ([]any, error) {
	if _, err := d.json.ReadToken(); err != nil {
		return nil, err
	}
	if d.json.StackDepth() > maxNesting {
		return nil, errTooDeep
	}
	list := []any{}
	for d.json.PeekKind() != ']' {
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		if d.values <= d.maxValues {
			list = append(list, value)
		}
	}
	_, err := d.json.ReadToken()
	return list, err
}

func scalar(token jsontext.Token) any {
	switch token.Kind() {
	case '"':
		return token.String()
	case '0':
		return json.Number(token.String())
	case 't', 'f':
		return token.Bool()
	default:
		return nil
	}
}

// wrong skips a value and returns a wrongType with the message.
func (d *decoder) wrong(message string) error {
	if err := d.skip(); err != nil {
		return err
	}
	return wrongType(message)
}

// skip skips a value.
func (d *decoder) skip() error {
	for outside := d.json.StackDepth(); ; {
		if _, err := d.json.ReadToken(); err != nil {
			return err
		}
		switch depth := d.json.StackDepth(); {
		case depth > maxNesting:
			return errTooDeep
		case depth == outside:
			return nil
		}
	}
}

// decodeExtensions finds Apollo's persistedQuery in the extensions. Other extensions are for the schema.
func (op *operation) decodeExtensions() *requestError {
	extension, given := op.extensions["persistedQuery"]
	if !given || extension == nil {
		return nil
	}
	members, _ := extension.(map[string]any)
	hash, _ := members["sha256Hash"].(string)
	if version, _ := members["version"].(json.Number); hash == "" || version != "1" {
		return badRequest("extensions.persistedQuery must be an object of version 1 with a sha256Hash.")
	}
	op.persistedHash = hash
	return nil
}

// tooManyValues reports whether JSON has more than maxBodyValues commas outside of its strings. It need not be valid.
func tooManyValues(body []byte) bool {
	if bytes.Count(body, []byte{','}) <= maxBodyValues {
		return false
	}
	commas, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++
		case !inString && c == ',':
			commas++
		}
	}
	return commas > maxBodyValues
}
