package graphqlhttp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// ConditionalRequests lets clients that have the response to a query sent by GET ask whether it is still the current one,
// with If-None-Match (RFC 9110, section 13.1.2). The zero value doesn't.
type ConditionalRequests struct {
	// Validator returns what an operation's responses depend on. If it is nil or returns nil, they have no entity tag.
	Validator func(operation *graphql.OperationContext) Validator
	// Build names the code that answers. Two builds that may answer differently must have different names.
	Build string
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Validator is what the responses to an operation with its variables depend on, beside the request and the build. It is kept
// for later requests of any client, and must be safe for concurrent use.
type Validator interface {
	// AppendState appends to b the state that a response given now depends on, the client included. Two responses of the same
	// state are equal until the time that Until returns. It returns false if it can't tell the state; the response then has no
	// entity tag. It should be much cheaper than executing the operation.
	AppendState(ctx context.Context, b []byte, now time.Time) ([]byte, bool)
	// Until returns when the response may change although the state doesn't, or zero for never. It returns false if it can't
	// tell. It is called after AppendState, with the same now.
	Until(ctx context.Context, now time.Time) (time.Time, bool)
}

const (
	// knownBytes bounds the memory of known queries.
	knownBytes = 8 << 20
	// knownQueryBytes is what a known query takes, beside its URL and its operation's name.
	knownQueryBytes = 200
	// notModifiedCost is what a response without a body costs, with status 304.
	notModifiedCost = 1
	// etagHashBytes is how much of a hash is in an entity tag.
	etagHashBytes = 16
	// maxETags is how many entity tags of a request are compared.
	maxETags = 32
)

// conditionalRequests answers conditional requests.
type conditionalRequests struct {
	ConditionalRequests

	known *byteLRU[*knownQuery] // by the URL's query
}

// knownQuery is a query that was answered before. Its entity tag can be computed without reading it again.
type knownQuery struct {
	// digest is of the document, the operation's name and the variables.
	digest    [sha256.Size]byte
	validator Validator
	info      OperationInfo
}

// conditionalRequest is a GET, which may have If-None-Match, and the entity tag of its response.
type conditionalRequest struct {
	ifNoneMatch []string
	url         string
	as          mediaType
	reportCost  bool

	query *knownQuery
	state *state // nil until it has been read
	etag  string // empty: the response has none
	// notModified is whether the client has the current response.
	notModified bool
}

// state identifies a response at a time.
type state struct {
	hash string
	at   time.Time
	// unknown is whether it could not be read.
	unknown bool
}

// newConditionalRequests returns nil if clients can't send conditional requests.
func newConditionalRequests(cfg ConditionalRequests) *conditionalRequests {
	if cfg.Validator == nil {
		return nil
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &conditionalRequests{ConditionalRequests: cfg, known: newByteLRU[*knownQuery](knownBytes)}
}

// parse returns the conditional request that a GET is, or nil if clients can't send any.
func (c *conditionalRequests) parse(r *http.Request, as mediaType, reportCost bool) *conditionalRequest {
	if c == nil {
		return nil
	}
	return &conditionalRequest{ifNoneMatch: r.Header["If-None-Match"], url: r.URL.RawQuery, as: as, reportCost: reportCost}
}

// isUnchanged reports whether the client of a known query has its current response. It charges for that, but decodes, parses
// and executes nothing.
//
// If the client doesn't, the request keeps the state: one read a moment earlier will do for the entity tag (see compare).
func (p *pipeline) isUnchanged(ctx context.Context, r *conditionalRequest) bool {
	if r == nil || len(r.ifNoneMatch) == 0 {
		return false
	}
	known, ok := p.conditional.known.get(r.url)
	if !ok || p.budget.spend != nil && !p.budget.spend(ctx, notModifiedCost, false).OK {
		return false
	}
	r.query = known
	r.state = p.conditional.read(ctx, r)
	if r.state.unknown {
		return false
	}
	etag, ok := matching(r.ifNoneMatch, r.state)
	if !ok {
		return false
	}
	r.etag = etag
	p.observe(ctx, known.info)
	p.answered(ctx, Summary{Cost: notModifiedCost})
	return true
}

// compare finds the entity tag of the operation's response, and whether the client has that response already. If so, the
// operation costs notModifiedCost.
//
// It reads the state before the operation is executed: if it changes meanwhile, the tag is too old, and the client asks once
// more in vain. A tag that is too new would hide a change.
func (c *conditionalRequests) compare(ctx context.Context, op *operation) {
	r := op.conditional
	if r == nil || op.definition.Operation != ast.Query {
		return
	}
	validator := c.Validator(op.context)
	if validator == nil {
		return
	}
	digest, ok := digestOf(op)
	if !ok {
		return
	}
	r.query = &knownQuery{digest: digest, validator: validator, info: OperationInfo{Name: strings.Clone(op.definition.Name), Type: string(ast.Query)}}
	if r.state == nil {
		r.state = c.read(ctx, r)
	}
	if r.state.unknown { // Also if isUnchanged failed to read it: a database that is down would be waited for twice.
		return
	}
	if r.etag, r.notModified = matching(r.ifNoneMatch, r.state); !r.notModified {
		until, ok := validator.Until(ctx, r.state.at)
		if !ok {
			return
		}
		r.etag = etagOf(r.state.hash, until)
		r.notModified = slices.Equal(r.ifNoneMatch, []string{"*"}) // Any response will do.
	}
	if r.notModified {
		op.cost = notModifiedCost
	}
}

// isNotModified reports whether the client has the current response.
func (r *conditionalRequest) isNotModified() bool { return r != nil && r.notModified }

// read reads the state of the request's response.
func (c *conditionalRequests) read(ctx context.Context, r *conditionalRequest) *state {
	const usual = 256
	now := c.Now()
	b := append(make([]byte, 0, usual), r.query.digest[:]...)
	b = append(b, r.as...)
	b = strconv.AppendBool(b, r.reportCost)
	b = binary.AppendUvarint(b, uint64(len(c.Build)))
	b = append(b, c.Build...)
	b, ok := r.query.validator.AppendState(ctx, b, now)
	if !ok {
		return &state{unknown: true}
	}
	sum := sha256.Sum256(b)
	return &state{hash: base64.RawURLEncoding.EncodeToString(sum[:etagHashBytes]), at: now}
}

// digestOf returns a hash of the document, the operation's name and the variables. The order of the variables doesn't count.
func digestOf(op *operation) ([sha256.Size]byte, bool) {
	variables, err := json.Marshal(op.variables)
	if err != nil {
		return [sha256.Size]byte{}, false
	}
	var b []byte
	for _, part := range []string{op.query, op.name, string(variables)} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return sha256.Sum256(b), true
}

// etagOf returns an entity tag. It holds the time until which it is valid, so that comparing it needs only the clock.
func etagOf(hash string, until time.Time) string {
	if until.IsZero() {
		return `W/"` + hash + `"`
	}
	return `W/"` + hash + "." + strconv.FormatInt(until.UnixMicro(), 36) + `"`
}

// matching returns the first entity tag of If-None-Match that is the state's and still valid. The comparison is the weak one
// (RFC 9110, section 8.8.3.2). What can't be parsed doesn't match.
func matching(ifNoneMatch []string, s *state) (string, bool) {
	rest := strings.Join(ifNoneMatch, ",")
	for range maxETags {
		rest = strings.TrimPrefix(strings.TrimLeft(rest, ", \t"), "W/")
		if !strings.HasPrefix(rest, `"`) {
			break
		}
		opaque, after, closed := strings.Cut(rest[1:], `"`)
		if !closed {
			break
		}
		if hash, until, limited := strings.Cut(opaque, "."); hash == s.hash && (!limited || isBefore(s.at, until)) {
			return `W/"` + opaque + `"`, true
		}
		rest = after
	}
	return "", false
}

// isBefore reports whether now is before the time in an entity tag.
func isBefore(now time.Time, until string) bool {
	micros, err := strconv.ParseInt(until, 36, 64)
	return err == nil && now.Before(time.UnixMicro(micros))
}

// remember makes the request's query a known one and puts its entity tag on the response, if that has no errors.
func (c *conditionalRequests) remember(r *conditionalRequest, resp *response, header http.Header) {
	if r == nil || r.etag == "" || len(resp.errors) > 0 || !resp.hasData() {
		return
	}
	c.known.add(strings.Clone(r.url), r.query, knownQueryBytes+int64(len(r.query.info.Name)))
	resp.header = http.Header{}
	r.setValidators(resp.header)
	header.Add("Vary", varyClient)
}

// varyClient are the headers that identify the client. The entity tag depends on it too.
const varyClient = "Cookie, Authorization"

// setValidators sets the headers that say how the response may be cached: by the client alone, which asks each time.
func (r *conditionalRequest) setValidators(header http.Header) {
	header["Etag"] = []string{r.etag}
	header["Cache-Control"] = []string{"private, no-cache"}
}

// writeNotModified answers that the client has the current response, with the headers of that response.
func (r *conditionalRequest) writeNotModified(w http.ResponseWriter) {
	header := w.Header()
	r.setValidators(header)
	header.Add("Vary", varyClient)
	header.Add("Vary", "Accept")
	w.WriteHeader(http.StatusNotModified)
}
