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

// ConditionalRequests lets clients that have the answer to a query sent by GET ask whether it still holds, by If-None-Match (RFC
// 9110, section 13.1.2). The zero value doesn't.
type ConditionalRequests struct {
	// Validator finds what an operation's answers depend on. Nil, of the field or of its result: nobody can ask.
	Validator func(operation *graphql.OperationContext) Validator
	// Build names the code that answers: two that may answer differently have two names.
	Build string
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Validator is what the answers to an operation with its variables depend on, beside the request and the build. It is kept
// for later requests of any client, and used by many goroutines.
type Validator interface {
	// AppendState appends the state that an answer given now depends on, the client included, to b: where two states
	// are the same, so are the answers, as long as Until says. It returns false where there is nothing to tell it by, and
	// then no answer is kept. It should cost next to nothing.
	AppendState(ctx context.Context, b []byte, now time.Time) ([]byte, bool)
	// Until returns the moment from which on the clock alone may make another answer of the same state; zero for never. It
	// is asked after AppendState, with the same now.
	Until(ctx context.Context, now time.Time) (time.Time, bool)
}

const (
	// validatedBytes bounds what is remembered of requests whose answers clients may ask about.
	validatedBytes = 8 << 20
	// questionBytes is what is remembered of one, beside its URL and its operation's name.
	questionBytes = 200
	// unchangedCost is what it costs to be told that nothing has changed.
	unchangedCost = 1
	// tagHashBytes is how much of a hash makes an entity tag.
	tagHashBytes = 16
	// maxTags is how many entity tags of a request are looked at.
	maxTags = 32
)

// revalidation tells what has not changed.
type revalidation struct {
	ConditionalRequests

	known *byteLRU[*question] // by the URL's query
}

// question is a request that was answered before, and whose answer can be asked about.
type question struct {
	// digest is of the document, the operation's name and the variables.
	digest    [sha256.Size]byte
	standing  Validator
	operation OperationInfo
}

// asked is what a GET says of the answer that its client may have, and what came of it.
type asked struct {
	noneMatch []string
	url       string
	as        mediaType
	report    bool

	question *question
	state    *state // nil while it has not been asked for
	tag      string // the answer's, once its state is read
	holds    bool   // what the client has
}

// state is what an answer is made of.
type state struct {
	hash string
	at   time.Time
	// unknown says that it could not be read.
	unknown bool
}

func newRevalidation(of ConditionalRequests) *revalidation {
	if of.Validator == nil {
		return nil
	}
	if of.Now == nil {
		of.Now = time.Now
	}
	return &revalidation{ConditionalRequests: of, known: newByteLRU[*question](validatedBytes)}
}

// ask notes what the request says of the answer that the client may have; nil where it can't ask.
func (h *Handler) ask(r *http.Request, as mediaType, report bool) *asked {
	if h.revalidation == nil || r.Method != http.MethodGet {
		return nil
	}
	return &asked{noneMatch: r.Header["If-None-Match"], url: r.URL.RawQuery, as: as, report: report}
}

// answersUnchanged answers a request that was answered before, where its client has the answer and it still holds. Nothing
// of it is read, parsed or executed.
//
// Else it returns what it found out: an older state will do for the answer's tag (see read).
func (h *Handler) answersUnchanged(ctx context.Context, w http.ResponseWriter, r *http.Request) (*state, bool) {
	if h.revalidation == nil || r.Method != http.MethodGet || len(r.Header["If-None-Match"]) == 0 {
		return nil, false
	}
	known, ok := h.revalidation.known.get(r.URL.RawQuery)
	if !ok {
		return nil, false
	}
	as, ok := negotiate(r.Header["Accept"])
	if !ok {
		return nil, false
	}
	asked := h.ask(r, as, h.reports(r))
	asked.question = known
	if h.spend != nil && !h.spend(ctx, unchangedCost, false).OK {
		return nil, false
	}
	found := h.revalidation.state(ctx, asked)
	if found.unknown {
		return found, false
	}
	if asked.tag, ok = matching(asked.noneMatch, found.hash, found.at); !ok {
		return found, false
	}
	h.observe(ctx, known.operation)
	if h.answered != nil {
		h.answered(ctx, Summary{Cost: unchangedCost})
	}
	asked.writeUnchanged(w)
	return nil, true
}

// read reads the state that the operation's answer will depend on, before it is executed: an older state with a newer answer
// is a question asked in vain later, the reverse would hide a change. It reports whether the client has that answer.
func (v *revalidation) read(ctx context.Context, operation *graphql.OperationContext) bool {
	asked := requestOf(ctx).asked
	if v == nil || asked == nil || operation.Operation.Operation != ast.Query {
		return false
	}
	standing := v.Validator(operation)
	if standing == nil {
		return false
	}
	params := &requestOf(ctx).params
	digest, ok := digestOf(params)
	if !ok {
		return false
	}
	asked.question = &question{
		digest: digest, standing: standing,
		operation: OperationInfo{Name: strings.Clone(operation.Operation.Name), Type: string(ast.Query)},
	}
	found := asked.state
	if found == nil {
		found = v.state(ctx, asked)
	}
	if found.unknown { // Who asks a database that is away again waits again.
		return false
	}
	if asked.tag, asked.holds = matching(asked.noneMatch, found.hash, found.at); asked.holds {
		return true
	}
	if until, ok := standing.Until(ctx, found.at); ok {
		asked.tag = tagOf(found.hash, until)
		asked.holds = slices.Equal(asked.noneMatch, []string{"*"}) // Any answer will do.
	}
	return asked.holds
}

// state sums up what the answer to a question is made of.
func (v *revalidation) state(ctx context.Context, a *asked) *state {
	const usual = 256
	now := v.Now()
	b := append(make([]byte, 0, usual), a.question.digest[:]...)
	b = append(b, a.as...)
	b = strconv.AppendBool(b, a.report)
	b = binary.AppendUvarint(b, uint64(len(v.Build)))
	b = append(b, v.Build...)
	b, ok := a.question.standing.AppendState(ctx, b, now)
	if !ok {
		return &state{unknown: true}
	}
	sum := sha256.Sum256(b)
	return &state{hash: base64.RawURLEncoding.EncodeToString(sum[:tagHashBytes]), at: now}
}

// digestOf sums up what a request asks. The order of its variables doesn't count.
func digestOf(params *graphql.RawParams) ([sha256.Size]byte, bool) {
	variables, err := json.Marshal(params.Variables)
	if err != nil {
		return [sha256.Size]byte{}, false
	}
	var b []byte
	for _, part := range []string{params.Query, params.OperationName, string(variables)} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return sha256.Sum256(b), true
}

// tagOf makes an entity tag. The moment stands in it, so that who comes back with it need not be told by a look at
// anything but the clock.
func tagOf(hash string, until time.Time) string {
	if until.IsZero() {
		return `W/"` + hash + `"`
	}
	return `W/"` + hash + "." + strconv.FormatInt(until.UnixMicro(), 36) + `"`
}

// matching returns the header's first entity tag that is of that hash, and whose moment is not yet there. The comparison is the
// weak one (RFC 9110, section 8.8.3.2). What can't be read matches nothing.
func matching(header []string, hash string, now time.Time) (string, bool) {
	rest := strings.Join(header, ",")
	for range maxTags {
		rest = strings.TrimPrefix(strings.TrimLeft(rest, ", \t"), "W/")
		if !strings.HasPrefix(rest, `"`) {
			break
		}
		opaque, after, closed := strings.Cut(rest[1:], `"`)
		if !closed {
			break
		}
		if of, until, limited := strings.Cut(opaque, "."); of == hash && (!limited || before(now, until)) {
			return `W/"` + opaque + `"`, true
		}
		rest = after
	}
	return "", false
}

// before reports whether an entity tag's moment is still to come.
func before(now time.Time, until string) bool {
	micros, err := strconv.ParseInt(until, 36, 64)
	return err == nil && now.Before(time.UnixMicro(micros))
}

// keep remembers the request, and puts its entity tag on the answer, where that is whole.
func (v *revalidation) keep(a *asked, to *answer, header http.Header) {
	if a == nil || a.tag == "" || len(to.errors) > 0 || !to.hasData() {
		return
	}
	v.known.add(strings.Clone(a.url), a.question, questionBytes+int64(len(a.question.operation.Name)))
	to.header = http.Header{}
	a.describe(to.header)
	header.Add("Vary", varyClient)
}

// varyClient are the headers that say who asks. Whose answer it is stands in the entity tag too.
const varyClient = "Cookie, Authorization"

// describe says how the answer may be kept: by the client alone, who asks each time.
func (a *asked) describe(header http.Header) {
	header["Etag"] = []string{a.tag}
	header["Cache-Control"] = []string{"private, no-cache"}
}

// writeUnchanged answers that what the client has still holds, with the headers that the answer would have had.
func (a *asked) writeUnchanged(w http.ResponseWriter) {
	header := w.Header()
	a.describe(header)
	header.Add("Vary", varyClient)
	header.Add("Vary", "Accept")
	w.WriteHeader(http.StatusNotModified)
}
