package graphqlhttp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
)

const (
	// maxURLBytes is the longest query of a URL. Proxies and browsers seldom carry more.
	maxURLBytes = 16 << 10
	// maxNesting is how deep the JSON of a request may go, the request's own object included. It leaves room for any
	// limit on the variables, which are judged, and named, after that.
	maxNesting = 200
)

// incoming is a GraphQL request as it came (GraphQL over HTTP, section "Request Parameters", and appendix A).
type incoming struct {
	params graphql.RawParams
	// get tells that it came by GET, which may read only.
	get bool
	// documentID and persisted name a document instead of sending it: appendix A's and Apollo's way.
	documentID string
	persisted  persistedQuery
	// trusted is the document of the manifest that the request names, once that is known.
	trusted *trustedDocument
	// read is how many bytes were read for it.
	read int
	// prepaid is what was taken for them from the client's budget while they arrived.
	prepaid int
	// values is how many values its variables hold. Where that is more than the limit, params has fewer.
	values int
	// register keeps the document for later requests by its hash, once it has proved valid.
	register bool
	// operation is the one that it asks for, once the document is parsed.
	operation *ast.OperationDefinition
	// bill is what it costs.
	bill bill
	// asked is what a GET says of the answer that its client may have.
	asked *asked
}

// named is what a log may know of the request's operation: from the document if that was parsed, else the operationName
// if it is a name. Anything else would let clients write what they like into the log. A nil request has none.
func (r *incoming) named() OperationInfo {
	switch {
	case r == nil:
		return OperationInfo{}
	case r.operation != nil:
		return OperationInfo{Name: r.operation.Name, Type: string(r.operation.Operation)}
	case isName(r.params.OperationName):
		return OperationInfo{Name: r.params.OperationName}
	default:
		return OperationInfo{}
	}
}

// isName reports whether s is a name of GraphQL's.
func isName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return s != ""
}

// persistedQuery is Apollo's extension of that name. Without it, the hash is empty.
type persistedQuery struct{ sha256Hash string }

// requestKey is the context's key of the request.
type requestKey struct{}

func withRequest(ctx context.Context, req *incoming) context.Context {
	return context.WithValue(ctx, requestKey{}, req)
}

// requestOf returns the request that the context belongs to; an empty one outside of one.
func requestOf(ctx context.Context) *incoming {
	if req, ok := ctx.Value(requestKey{}).(*incoming); ok {
		return req
	}
	return &incoming{}
}

// Trusted reports whether the context's operation is one of the manifest's. Such a one was validated at the start and
// is not held to the limits on documents; what it costs still counts.
func Trusted(ctx context.Context) bool { return requestOf(ctx).trusted != nil }

// decoding is what reading a request needs, kept from one request to the next.
type decoding struct {
	body    bytes.Buffer
	decoder jsontext.Decoder
	// values counts those of the object being read. From most on none is kept, as a few bytes of JSON are hundreds in
	// memory; the limit on variables is lower, or as low, and refuses what is then incomplete.
	values, most int
}

// request decodes the body. Beside a fault, the request has what could be decoded, or is nil. Names are matched
// exactly; unknown ones are ignored, as the specification leaves them to extensions. A member that comes twice is
// refused: two readers could take one each. Messages never repeat the body.
func (d *decoding) request() (*incoming, *requestFault) {
	body := d.body.Bytes()
	if fault := checkShape(body); fault != nil {
		return nil, fault
	}
	if tooManyValues(body) {
		return nil, badRequest(fmt.Sprintf("The request body holds more than %d values.", maxBodyValues))
	}
	d.decoder.Reset(&d.body)
	req := &incoming{}
	var wrong wrongType // the first; the rest is read all the same, as the operation's name may be in it
	err := d.members(func(name string) error {
		err := d.member(req, name)
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
		return req, faultOf(wrong, body, "The request body", "")
	}
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return nil, faultOf(err, body, "The request body", "")
	}
	return req, req.readExtensions()
}

// checkShape gives clear messages for bodies that are JSON but not a request.
func checkShape(body []byte) *requestFault {
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

// member reads one member of the request.
func (d *decoding) member(req *incoming, name string) error {
	switch name {
	case "query":
		return d.text(&req.params.Query, name)
	case "operationName":
		return d.text(&req.params.OperationName, name)
	case "documentId":
		return d.text(&req.documentID, name)
	case "variables":
		return d.variables(req)
	case "extensions":
		return d.extensions(req)
	default:
		return d.skip()
	}
}

// wrongType is the error of a member that has another type than the specification gives it.
type wrongType string

func (e wrongType) Error() string { return string(e) }

// errTooDeep is the error of JSON nested deeper than maxNesting.
var errTooDeep = errors.New("nested too deep")

// faultOf says what is wrong with JSON, which what names. It is the request's member of the name in, or all of it if that
// is "". The error itself is not shown, as it may quote what came.
func faultOf(err error, text []byte, what, in string) *requestFault {
	var wrong wrongType
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &syntax) && utf16.IsSurrogate(escapedUnit(after(text, syntax.ByteOffset))):
		return badRequest(memberName(in, syntax.JSONPointer) + halfPair(after(text, syntax.ByteOffset)))
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

// after returns what stands in a text from an offset on, enough for an escape sequence.
func after(text []byte, offset int64) string {
	rest := text[min(offset, int64(len(text))):]
	return string(rest[:min(escapeLength, len(rest))])
}

// maxMemberName is how much of a value's name is shown: the client chose it.
const maxMemberName = 200

// memberName names a value in a member of the request, or in all of it if in is "": $input.ids[2] is in variables.
func memberName(in string, pointer jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString(in)
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

// members reads an object, its brace included, and calls each with the decoder before the member's value.
func (d *decoding) members(each func(name string) error) error {
	if _, err := d.decoder.ReadToken(); err != nil {
		return err
	}
	if d.decoder.StackDepth() > maxNesting {
		return errTooDeep
	}
	for d.decoder.PeekKind() != '}' {
		name, err := d.decoder.ReadToken()
		if err != nil {
			return err
		}
		if err := each(name.String()); err != nil {
			return err
		}
	}
	_, err := d.decoder.ReadToken()
	return err
}

// end makes sure that nothing follows.
func (d *decoding) end() error {
	if _, err := d.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// text reads a string; null leaves the target as it is.
func (d *decoding) text(target *string, name string) error {
	switch d.decoder.PeekKind() {
	case '"', 'n', 0: // 0: an error, which ReadToken meets again
	default:
		return d.wrong(name + " must be a string.")
	}
	token, err := d.decoder.ReadToken()
	if err == nil && token.Kind() == '"' {
		*target = token.String()
	}
	return err
}

// variables reads them with their number.
func (d *decoding) variables(req *incoming) error {
	err := d.object(&req.params.Variables, "variables")
	req.values = d.values - 1 // without the object itself
	return err
}

// extensions reads them, all or none.
func (d *decoding) extensions(req *incoming) error {
	err := d.object(&req.params.Extensions, "extensions")
	if err == nil && d.values > d.most {
		return wrongType(fmt.Sprintf("extensions holds more than %d values.", d.most-1))
	}
	return err
}

// object reads an object; null leaves the target as it is.
func (d *decoding) object(target *map[string]any, name string) error {
	switch d.decoder.PeekKind() {
	case '{', 'n', 0: // 0: an error, which value meets again
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

// value reads any value. Numbers keep their digits, so that large integers and decimals reach the schema's scalars
// unharmed.
func (d *decoding) value() (any, error) {
	d.values++
	switch d.decoder.PeekKind() {
	case '{':
		var object map[string]any
		if d.values <= d.most {
			object = map[string]any{}
		}
		err := d.members(func(name string) error {
			value, err := d.value()
			if d.values <= d.most {
				object[name] = value
			}
			return err
		})
		return object, err
	case '[':
		return d.list()
	default:
		token, err := d.decoder.ReadToken()
		if err != nil {
			return nil, err
		}
		return scalar(token), nil
	}
}

func (d *decoding) list() ([]any, error) {
	if _, err := d.decoder.ReadToken(); err != nil {
		return nil, err
	}
	if d.decoder.StackDepth() > maxNesting {
		return nil, errTooDeep
	}
	list := []any{}
	for d.decoder.PeekKind() != ']' {
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		if d.values <= d.most {
			list = append(list, value)
		}
	}
	_, err := d.decoder.ReadToken()
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

// wrong passes over a value and returns the wrongType of that message.
func (d *decoding) wrong(message string) error {
	if err := d.skip(); err != nil {
		return err
	}
	return wrongType(message)
}

// skip passes over a value without keeping it.
func (d *decoding) skip() error {
	for outside := d.decoder.StackDepth(); ; {
		if _, err := d.decoder.ReadToken(); err != nil {
			return err
		}
		switch depth := d.decoder.StackDepth(); {
		case depth > maxNesting:
			return errTooDeep
		case depth == outside:
			return nil
		}
	}
}

// readURL reads a GET's parameters (GraphQL over HTTP, section "GET").
func readURL(query string) (*incoming, *requestFault) {
	if len(query) > maxURLBytes {
		return nil, uriTooLong()
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, badRequest("The URL's query can't be read: encode its values, and separate them by &.")
	}
	req := &incoming{get: true}
	for _, parameter := range [...]struct {
		name   string
		target *string
	}{
		{"operationName", &req.params.OperationName}, // First: the log has it, whatever is wrong with the others.
		{"query", &req.params.Query}, {"documentId", &req.documentID},
	} {
		if *parameter.target, err = one(values, parameter.name); err != nil {
			return req, badRequest(err.Error())
		}
	}
	req.params.Query = strings.Clone(req.params.Query) // What needs no decoding is a part of the URL, and would keep it all.
	for name, target := range map[string]*map[string]any{"variables": &req.params.Variables, "extensions": &req.params.Extensions} {
		text, err := one(values, name)
		if err != nil {
			return req, badRequest(err.Error())
		}
		if fault := decodeObject(text, name, target); fault != nil {
			return req, fault
		}
	}
	return req, req.readExtensions()
}

// one returns a parameter's value, "" where it is absent.
func one(values url.Values, name string) (string, error) {
	given := values[name]
	switch {
	case len(given) == 0:
		return "", nil
	case len(given) > 1:
		return "", errors.New("The URL has " + name + " more than once.")
	case !utf8.ValidString(given[0]):
		return "", errors.New(name + " is not valid UTF-8.")
	}
	return given[0], nil
}

// decodeObject decodes a parameter that is JSON. An empty one counts as absent.
func decodeObject(text, name string, target *map[string]any) *requestFault {
	if text == "" {
		return nil
	}
	d := &decoding{most: maxURLBytes} // A URL holds fewer.
	d.decoder.Reset(strings.NewReader(text))
	err := d.object(target, name)
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return faultOf(err, []byte(text), name, name)
	}
	return nil
}

// readExtensions finds Apollo's persistedQuery. Other extensions are the schema's.
func (r *incoming) readExtensions() *requestFault {
	extension, given := r.params.Extensions["persistedQuery"]
	if !given || extension == nil {
		return nil
	}
	members, _ := extension.(map[string]any)
	hash, _ := members["sha256Hash"].(string)
	if version, _ := members["version"].(json.Number); hash == "" || version != "1" {
		return badRequest("extensions.persistedQuery must be an object of version 1 with a sha256Hash.")
	}
	r.persisted.sha256Hash = hash
	return nil
}
