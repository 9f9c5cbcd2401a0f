// Package hooks receives the auth server's events: a user was deleted, or an anonymous user has registered. They are signed
// as Standard Webhooks say (https://www.standardwebhooks.com).
package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	// maxBody is the longest body in bytes. An event has some hundred.
	maxBody = 64 << 10
	// tolerance is how far the sender's clock may differ, and so how long a request can be sent again by somebody who has
	// recorded it. That does no harm: every event may come twice.
	tolerance = 5 * time.Minute
)

// The reasons why an event is refused, for the log.
const (
	ReasonOff          = "hook_off"
	ReasonMissing      = "hook_header_missing"
	ReasonStale        = "hook_stale"
	ReasonBadSignature = "hook_bad_signature"
	ReasonTooLarge     = "hook_too_large"
	ReasonBadBody      = "hook_bad_body"
	ReasonUnknownType  = "hook_unknown_type"
	ReasonFailed       = "hook_failed"
)

// Config is what a Handler works with. All but Secret and Now is required.
type Config struct {
	// Secret is the key of the signatures, byte for byte. Empty: the handler answers 404.
	Secret string
	// Deleted is told of a user who was deleted, Linked of an anonymous user and the user whose tasks those are now. Both
	// return whether there is anything of the user. After an error the sender has to try again.
	Deleted func(ctx context.Context, userID string) (bool, error)
	Linked  func(ctx context.Context, fromUserID, toUserID string) (bool, error)
	// Unavailable says of an error whether it will pass.
	Unavailable func(error) bool
	// Fail answers with a status and a message that is safe to show.
	Fail func(w http.ResponseWriter, r *http.Request, status int, message string)
	// Refused is told why an event was refused; it writes the log.
	Refused func(ctx context.Context, reason string, attrs ...slog.Attr)
	// Accepted is told of each event that was accepted.
	Accepted func(ctx context.Context, attrs ...slog.Attr)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Handler answers POST requests with an event.
type Handler struct {
	config Config
	signed *standardwebhooks.Webhook // nil: the hook is off
}

// New returns a handler.
func New(c Config) (*Handler, error) {
	if c.Deleted == nil || c.Linked == nil || c.Unavailable == nil || c.Fail == nil || c.Refused == nil || c.Accepted == nil {
		return nil, errors.New("hooks: a function of Config is missing")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &Handler{config: c}
	if c.Secret != "" {
		var err error
		if h.signed, err = standardwebhooks.NewWebhookRaw([]byte(c.Secret)); err != nil {
			return nil, fmt.Errorf("setting up signatures: %w", err)
		}
	}
	return h, nil
}

// event is a request's body. Further fields are ignored.
type event struct {
	Type string         `json:"type"`
	Data jsontext.Value `json:"data"`
}

// failure is why an event is refused.
type failure struct {
	status  int
	reason  string
	message string
	attrs   []slog.Attr
}

func refuse(status int, reason, format string, args ...any) *failure {
	return &failure{status: status, reason: reason, message: fmt.Sprintf(format, args...)}
}

func (f *failure) with(attrs ...slog.Attr) *failure {
	f.attrs = append(f.attrs, attrs...)
	return f
}

// ServeHTTP implements http.Handler. What is not signed costs a body of 64 kB at most and no database.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	known, e, f := h.handle(w, r)
	if f != nil {
		h.config.Refused(r.Context(), f.reason, f.attrs...)
		if f.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5")
		}
		h.config.Fail(w, r, f.status, f.message)
		return
	}
	h.config.Accepted(r.Context(), slog.String("type", e.Type), slog.Bool("known_user", known))
	status, body := http.StatusAccepted, `{"status":"accepted"}`
	if !known {
		status, body = http.StatusOK, `{"status":"nothing to do: the user is not known here"}`
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // The sender may be gone.
}

func (h *Handler) handle(w http.ResponseWriter, r *http.Request) (bool, event, *failure) {
	if h.signed == nil {
		return false, event{}, refuse(http.StatusNotFound, ReasonOff,
			"Events are not accepted here, because AUTH_HOOK_SECRET is not set. Set it on this server and on the auth server to the same text.")
	}
	// The headers come first: they are cheap to refuse.
	if f := h.checkHeaders(r.Header); f != nil {
		return false, event{}, f
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return false, event{}, refuse(http.StatusRequestEntityTooLarge, ReasonTooLarge, "An event has at most %d bytes.", maxBody)
	case err != nil:
		return false, event{}, refuse(http.StatusBadRequest, ReasonBadBody, "The body did not arrive whole.").with(slog.String("error", err.Error()))
	}
	if err := h.signed.VerifyIgnoringTimestamp(body, r.Header); err != nil { // The time was compared with our own clock.
		return false, event{}, refuse(http.StatusUnauthorized, ReasonBadSignature,
			"The signature does not fit. AUTH_HOOK_SECRET must be the same text on both servers, and the body must arrive unchanged. "+
				"The header webhook-signature is v1, and the base64 of HMAC-SHA256(secret, id.timestamp.body).")
	}
	return h.dispatch(r.Context(), body)
}

// checkHeaders refuses requests without a signature, and old or future ones.
func (h *Handler) checkHeaders(header http.Header) *failure {
	for _, name := range []string{standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature} {
		if header.Get(name) == "" {
			return refuse(http.StatusUnauthorized, ReasonMissing, "The header %s is missing: events are signed as Standard Webhooks say.", name)
		}
	}
	// In id.timestamp.body, an id with a dot could be read in two ways.
	if strings.Contains(header.Get(standardwebhooks.HeaderWebhookID), ".") {
		return refuse(http.StatusUnauthorized, ReasonBadSignature, "The header webhook-id must not contain a dot.")
	}
	seconds, err := strconv.ParseInt(header.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil {
		return refuse(http.StatusUnauthorized, ReasonStale, "The header webhook-timestamp must be the seconds since 1970.")
	}
	const farAway = 1 << 33 // Beyond the year 2242, so that the difference can be computed.
	if seconds < 0 || seconds > farAway {
		return refuse(http.StatusUnauthorized, ReasonStale, "The header webhook-timestamp must be the seconds since 1970, and not milliseconds.")
	}
	if age := h.config.Now().Sub(time.Unix(seconds, 0)); age.Abs() > tolerance {
		return refuse(http.StatusUnauthorized, ReasonStale,
			"The header webhook-timestamp differs from this server's clock by more than 5 minutes. Compare the clocks, and sign again for each try.").
			with(slog.Int64("age_seconds", int64(age.Round(time.Second)/time.Second)))
	}
	return nil
}

// dispatch reads a signed body and calls who is responsible.
func (h *Handler) dispatch(ctx context.Context, body []byte) (bool, event, *failure) {
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return false, event{}, refuse(http.StatusBadRequest, ReasonBadBody, `The body must be a JSON object such as {"type": "user.deleted", "data": {"userId": "…"}}.`)
	}
	var known bool
	var err error
	switch e.Type {
	case "user.deleted":
		ids, f := e.ids("userId")
		if f != nil {
			return false, e, f
		}
		known, err = h.config.Deleted(ctx, ids[0])
	case "user.linked":
		ids, f := e.ids("fromUserId", "toUserId")
		if f != nil {
			return false, e, f
		}
		if ids[0] == ids[1] {
			return false, e, refuse(http.StatusUnprocessableEntity, ReasonBadBody, "data.fromUserId and data.toUserId must be two users.")
		}
		known, err = h.config.Linked(ctx, ids[0], ids[1])
	default:
		return false, e, refuse(http.StatusUnprocessableEntity, ReasonUnknownType, "The type must be one of user.deleted and user.linked.").
			with(slog.String("type", e.Type[:min(len(e.Type), 100)]))
	}
	switch {
	case err == nil:
		return known, e, nil
	case h.config.Unavailable(err):
		return false, e, refuse(http.StatusServiceUnavailable, ReasonFailed, "The database can't be reached just now: try again.").
			with(slog.String("type", e.Type), slog.String("error", err.Error()))
	default:
		return false, e, refuse(http.StatusInternalServerError, ReasonFailed, "Something went wrong here: try again, and look into this server's log.").
			with(slog.String("type", e.Type), slog.String("error", err.Error()))
	}
}

// maxID is the longest user id in bytes. PostgreSQL's indexes take no more than some 2,700.
const maxID = 1024

// ids returns the texts of those names in the event's data.
func (e event) ids(names ...string) ([]string, *failure) {
	data := map[string]jsontext.Value{}
	if len(e.Data) == 0 || json.Unmarshal(e.Data, &data) != nil {
		return nil, refuse(http.StatusUnprocessableEntity, ReasonBadBody, "data must be an object with %s.", strings.Join(names, " and "))
	}
	ids := make([]string, len(names))
	for i, name := range names {
		err := json.Unmarshal(data[name], &ids[i])
		if err != nil || ids[i] == "" || len(ids[i]) > maxID || strings.Contains(ids[i], "\x00") {
			return nil, refuse(http.StatusUnprocessableEntity, ReasonBadBody, "data.%s must be a user's id: a text of 1 to %d bytes.", name, maxID)
		}
	}
	return ids, nil
}
