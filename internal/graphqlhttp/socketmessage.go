package graphqlhttp

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

const (
	// maxOperationID is the longest id of an operation, in bytes.
	maxOperationID = 128
	// maxCredential is the longest credential in the payload of connection_init, in bytes.
	maxCredential = 16 << 10
)

// message is a client's message of the protocol graphql-transport-ws.
type message struct {
	kind string
	text string // the id
	id   []byte // the id as JSON
	// payload is valid until the message's bytes are not. It is nil if it is absent or null.
	payload []byte
}

// invalidMessage is the error of a message that is not one of the protocol.
func invalidMessage(why string) *requestError { return badRequest("Invalid message: " + why) }

// decodeMessage decodes a client's message.
func decodeMessage(data []byte) (message, *requestError) {
	d := decoders.Get().(*decoder) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer d.release()
	d.body.Write(data)
	if len(data) == 0 || d.body.Bytes()[0] != '{' {
		return message{}, invalidMessage("it must be a JSON object")
	}
	var m message
	d.json.Reset(&d.body)
	err := d.members(func(name string) error {
		switch name {
		case "type":
			return d.text(&m.kind, name)
		case "id":
			return d.text(&m.text, name)
		case "payload":
			start := d.json.InputOffset()
			err := d.skip()
			if err == nil {
				m.payload = bytes.TrimLeft(data[start:d.json.InputOffset()], ": \t\r\n")
			}
			return err
		default:
			return d.skip()
		}
	})
	if err == nil {
		err = d.end()
	}
	switch {
	case err != nil:
		return message{}, invalidMessage(jsonError(err, data, "it", "").message)
	case (m.kind == "subscribe" || m.kind == "complete") && m.text == "":
		return message{}, invalidMessage("id must be a string that is not empty")
	case len(m.text) > maxOperationID:
		return message{}, invalidMessage("id is too long")
	}
	if bytes.Equal(m.payload, []byte("null")) {
		m.payload = nil
	}
	if m.payload != nil && m.payload[0] != '{' {
		return message{}, invalidMessage("payload must be an object")
	}
	if m.text != "" {
		m.id = quote(m.text)
	}
	return m, nil
}

// has reports whether an operation has the message's id.
func (m message) has(o *socketOperation) bool { return bytes.Equal(o.id, m.id) }

// decode decodes the payload of "subscribe".
func (m message) decode(op *operation, maxValues int) *requestError {
	if m.payload == nil {
		return invalidMessage("payload must be an object")
	}
	d := decoders.Get().(*decoder) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer d.release()
	d.body.Write(m.payload)
	d.maxValues = maxValues + 1 // The object that holds them counts as one.
	return d.request(op)
}

// credentials returns the credentials in the payload of "connection_init", which may be none. Members that are null or empty count
// as absent: clients send them while nobody is signed in.
func (m message) credentials(headers []string) (Credentials, *requestError) {
	if m.payload == nil {
		return Credentials{}, nil
	}
	d := decoders.Get().(*decoder) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer d.release()
	d.body.Write(m.payload)
	d.json.Reset(&d.body)
	found := Credentials{Header: http.Header{}}
	err := d.members(func(name string) error {
		isTicket := strings.EqualFold(name, "ticket")
		if !isTicket && !slices.ContainsFunc(headers, func(h string) bool { return strings.EqualFold(h, name) }) {
			return d.skip()
		}
		var value string
		if err := d.text(&value, name); err != nil || value == "" {
			return err
		}
		key := http.CanonicalHeaderKey(name)
		switch {
		case len(value) > maxCredential:
			return wrongType(name + " is too long.")
		case isTicket && found.Ticket != "" || found.Header[key] != nil:
			return wrongType("payload has " + name + " twice.")
		case isTicket:
			found.Ticket = value
		default:
			found.Header[key] = []string{value}
		}
		return nil
	})
	if err != nil {
		return Credentials{}, invalidMessage(jsonError(err, m.payload, "payload", "").message)
	}
	return found, nil
}
