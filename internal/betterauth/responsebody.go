package betterauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// maxResponse is the maximum length of a get-session response, in bytes. A user's image may be a data URL of a whole
// photograph.
const maxResponse = 32 << 20

// responseBody is the body of a get-session response, which customSession may have changed: the members of its object,
// of the object "session" in it, and of the object "user" in it. An object that is missing is nil.
type responseBody struct {
	top, session, user fields
}

// decodeResponse decodes the body of a get-session response, and keeps in memory only the members that may be used. For
// a null response, top is nil.
func decodeResponse(r io.Reader) (responseBody, error) {
	var body responseBody
	err := decodeStream(r, body.decodeValue)
	return body, err
}

// decodeStream decodes a response, which must be one value, with decode. The errors don't quote the response. Strings that
// are longer than maxImage arrive truncated, but still longer than that.
func decodeStream(r io.Reader, decode func(*jsontext.Decoder) error) error {
	limited := &io.LimitedReader{R: r, N: maxResponse + 1}
	d := jsontext.NewDecoder(&stringTruncator{from: limited, limit: maxImage},
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) // Both as in JavaScript.
	err := decode(d)
	if err == nil {
		err = expectEnd(d)
	}
	if limited.N <= 0 {
		return fmt.Errorf("it is longer than %d bytes", maxResponse)
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is empty")
	case errors.As(err, &syntax): // It may quote the text.
		return errMalformed
	}
	return err
}

// expectEnd returns an error unless the response has ended.
func expectEnd(d *jsontext.Decoder) error {
	switch _, err := d.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err //nolint:wrapcheck // decodeStream distinguishes kinds of errors.
	default:
		return errMalformed
	}
}

// decodeValue decodes one value, which must be an object or null.
func (b *responseBody) decodeValue(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case jsontext.KindBeginObject:
		var err error
		b.top, err = b.members(d, true)
		return err
	case jsontext.KindNull:
		_, err := d.ReadToken()
		return err //nolint:wrapcheck // decodeStream distinguishes kinds of errors.
	default:
		if _, err := d.ReadToken(); err != nil {
			return err //nolint:wrapcheck // As above.
		}
		return errors.New("it is neither an object nor null")
	}
}

// members decodes an object, whose members "session" and "user" it stores in b if the object is the top one. A list or
// an object as the value of any other member is replaced by "{}", because no such member is used.
func (b *responseBody) members(d *jsontext.Decoder, top bool) (fields, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, err //nolint:wrapcheck // As above.
	}
	read := fields{}
	for d.PeekKind() != jsontext.KindEndObject {
		token, err := d.ReadToken()
		if err != nil {
			return nil, err //nolint:wrapcheck // As above.
		}
		name, kind := token.String(), d.PeekKind()
		switch {
		case top && name == "session" && kind == jsontext.KindBeginObject:
			b.session, err = b.members(d, false)
		case top && name == "user" && kind == jsontext.KindBeginObject:
			b.user, err = b.members(d, false)
		case !isUsedMember(name):
			err = d.SkipValue()
		case kind == jsontext.KindBeginObject || kind == jsontext.KindBeginArray:
			read[name], err = json.RawMessage("{}"), d.SkipValue()
		default:
			var value jsontext.Value
			value, err = d.ReadValue()
			read[name] = json.RawMessage(value.Clone())
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // As above.
		}
	}
	_, err := d.ReadToken()
	return read, err //nolint:wrapcheck // As above.
}

// isUsedMember reports whether a member is kept. All others are skipped, however long they are.
func isUsedMember(name string) bool {
	switch name {
	case "id", "token", "userId", "expiresAt", "createdAt", "updatedAt", "impersonatedBy",
		"name", "email", "emailVerified", "image", "banned", "banExpires", "role":
		return true
	default:
		return false
	}
}
