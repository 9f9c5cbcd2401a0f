package graphqlhttp

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxURLBytes is the longest query of a URL. Proxies and browsers seldom carry more.
const maxURLBytes = 16 << 10

// serveGET is the transport of queries in the URL. The requests can be conditional.
func (h *Handler) serveGET(w http.ResponseWriter, r *http.Request) {
	accept := r.Header["Accept"]
	if h.page != "" && r.URL.RawQuery == "" && prefersPage(accept) {
		redirectToPage(w, h.page)
		return
	}
	ctx, cancel := h.pipeline.startClock(r.Context()) // The request has no body, so it has been read.
	defer cancel()
	op := &operation{safe: true, reportCost: h.reportsCost(r)}
	as, ok := h.accept(r, op)
	if !ok {
		h.refuse(ctx, w, mediaJSON, op, notAcceptable())
		return
	}
	if op.events == nil || !op.events.only {
		op.conditional = h.pipeline.conditional.parse(r, as, op.reportCost)
		if h.pipeline.isUnchanged(ctx, op.conditional) {
			op.conditional.writeNotModified(w)
			return
		}
	}
	err := h.pipeline.budget.exhausted(ctx)
	if err == nil {
		err = decodeURL(op, r.URL.RawQuery)
	}
	if err != nil {
		h.refuse(ctx, w, as, op, err)
		return
	}
	h.serve(ctx, w, r, as, op)
}

// redirectToPage sends a browser to the page for people.
func redirectToPage(w http.ResponseWriter, page string) {
	w.Header().Set("Location", page)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept")
	w.WriteHeader(http.StatusSeeOther)
}

// decodeURL reads the parameters of a GET into the operation (GraphQL over HTTP, section "GET").
func decodeURL(op *operation, query string) *requestError {
	op.bytesRead = min(len(query), maxURLBytes)
	if len(query) > maxURLBytes {
		return uriTooLong()
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return badRequest("The URL's query can't be read: encode its values, and separate them by &.")
	}
	for _, parameter := range [...]struct {
		name   string
		target *string
	}{
		{"operationName", &op.name}, // First, so that the log has it whatever is wrong with the others.
		{"query", &op.query}, {"documentId", &op.documentID},
	} {
		if *parameter.target, err = parameterOf(values, parameter.name); err != nil {
			return badRequest(err.Error())
		}
	}
	if op.events != nil && op.query == "" && values["token"] != nil {
		return singleConnection()
	}
	op.query = strings.Clone(op.query) // A value without escapes is a part of the URL, and would keep it all in memory.
	for name, target := range map[string]*map[string]any{"variables": &op.variables, "extensions": &op.extensions} {
		text, err := parameterOf(values, name)
		if err != nil {
			return badRequest(err.Error())
		}
		if err := decodeParameter(text, name, target); err != nil {
			return err
		}
	}
	return op.decodeExtensions()
}

// parameterOf returns a parameter's value, or "" if it is absent.
func parameterOf(values url.Values, name string) (string, error) {
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

// decodeParameter decodes a parameter that is a JSON object. An empty one counts as absent.
func decodeParameter(text, name string, target *map[string]any) *requestError {
	if text == "" {
		return nil
	}
	d := &decoder{maxValues: maxURLBytes} // A URL holds fewer.
	d.json.Reset(strings.NewReader(text))
	err := d.object(target, name)
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return jsonError(err, []byte(text), name, name)
	}
	return nil
}
