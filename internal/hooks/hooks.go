// Package hooks receives the auth server's events: a user was deleted or banned, an anonymous user has registered, or a
// session has ended. Events are signed according to Standard Webhooks (https://www.standardwebhooks.com).
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
	// maxBody is the maximum length of a body, in bytes. An event has a few hundred.
	maxBody = 64 << 10
	// tolerance is how far the sender's clock may differ from ours. It is also how long a recorded request can be
	// replayed, which does no harm: handling an event twice has the effect of handling it once.
	tolerance = 5 * time.Minute
)

// Why an event is refused, for the log.
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

// Config configures a Handler. Every field except Secret and Now is required.
type Config struct {
	// Secret is the signing key; it is used as it is, not decoded. If it is empty, the handler answers 404.
	Secret string
	// UserDeleted removes the data of a deleted user. UserLinked moves an anonymous user's data to the user that they
	// registered as. Both report whether they found data of the user. After an error, the sender has to send the event
	// again.
	UserDeleted func(ctx context.Context, userID string) (bool, error)
	UserLinked  func(ctx context.Context, fromUserID, toUserID string) (bool, error)
	// UserBanned ends what a user has open, and SessionEnded what the user has open without a session that is still valid.
	UserBanned, SessionEnded func(userID string)
	// Temporary reports whether an error may disappear by itself, such as an unreachable database.
	Temporary func(error) bool
	// WriteError answers with a status and a message that is safe to show.
	WriteError func(w http.ResponseWriter, r *http.Request, status int, message string)
	// OnRefused is called for each refused event, to log it.
	OnRefused func(ctx context.Context, reason string, attrs ...slog.Attr)
	// OnAccepted is called for each accepted event.
	OnAccepted func(ctx context.Context, attrs ...slog.Attr)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Handler answers POST requests that contain an event.
type Handler struct {
	config   Config
	verifier *standardwebhooks.Webhook // nil if events are not accepted
}

// New returns a handler, or an error if a required field of the configuration is missing.
func New(c Config) (*Handler, error) {
	if c.UserDeleted == nil || c.UserLinked == nil || c.UserBanned == nil || c.SessionEnded == nil || c.Temporary == nil || c.WriteError == nil || c.OnRefused == nil || c.OnAccepted == nil {
		return nil, errors.New("hooks: a required function of Config is missing")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &Handler{config: c}
	if c.Secret != "" {
		var err error
		if h.verifier, err = standardwebhooks.NewWebhookRaw([]byte(c.Secret)); err != nil {
			return nil, fmt.Errorf("setting up signatures: %w", err)
		}
	}
	return h, nil
}

// event is a request's body. Other fields are ignored.
type event struct {
	Type string         `json:"type"`
	Data jsontext.Value `json:"data"`
}

// refusal says why an event is refused.
type refusal struct {
	status  int
	reason  string
	message string
	attrs   []slog.Attr
}

func refuse(status int, reason, format string, args ...any) *refusal {
	return &refusal{status: status, reason: reason, message: fmt.Sprintf(format, args...)}
}

func (r *refusal) with(attrs ...slog.Attr) *refusal {
	r.attrs = append(r.attrs, attrs...)
	return r
}

// ServeHTTP implements http.Handler. An event without a valid signature costs at most reading a body of 64 kB; the
// database is not used.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	known, e, refused := h.handle(w, r)
	if refused != nil {
		h.config.OnRefused(r.Context(), refused.reason, refused.attrs...)
		if refused.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5")
		}
		h.config.WriteError(w, r, refused.status, refused.message)
		return
	}
	h.config.OnAccepted(r.Context(), slog.String("type", e.Type), slog.Bool("known_user", known))
	status, body := http.StatusAccepted, `{"status":"accepted"}`
	if !known {
		status, body = http.StatusOK, `{"status":"nothing to do: the user is not known here"}`
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // It fails only if the sender has disconnected.
}

// handle reads, verifies and dispatches an event. It reports whether data of the user was found.
func (h *Handler) handle(w http.ResponseWriter, r *http.Request) (bool, event, *refusal) {
	if h.verifier == nil {
		return false, event{}, refuse(http.StatusNotFound, ReasonOff,
			"Events are not accepted here, because AUTH_HOOK_SECRET is not set. Set it on this server and on the auth server to the same text.")
	}
	// Headers are checked first, because that is cheap.
	if refused := h.checkHeaders(r.Header); refused != nil {
		return false, event{}, refused
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return false, event{}, refuse(http.StatusRequestEntityTooLarge, ReasonTooLarge, "An event has at most %d bytes.", maxBody)
	case err != nil:
		return false, event{}, refuse(http.StatusBadRequest, ReasonBadBody, "The body did not arrive whole.").with(slog.String("error", err.Error()))
	}
	if err := h.verifier.VerifyIgnoringTimestamp(body, r.Header); err != nil { // checkHeaders has compared the time with our own clock.
		return false, event{}, refuse(http.StatusUnauthorized, ReasonBadSignature,
			"The signature does not fit. AUTH_HOOK_SECRET must be the same text on both servers, and the body must arrive unchanged. "+
				"The header webhook-signature is v1, and the base64 of HMAC-SHA256(secret, id.timestamp.body).")
	}
	return h.dispatch(r.Context(), body)
}

// checkHeaders refuses requests without a signature, and those whose timestamp is too old or in the future.
func (h *Handler) checkHeaders(header http.Header) *refusal {
	for _, name := range []string{standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature} {
		if header.Get(name) == "" {
			return refuse(http.StatusUnauthorized, ReasonMissing, "The header %s is missing: events are signed as Standard Webhooks say.", name)
		}
	}
	// The signed text is id.timestamp.body: with a dot in the id, it would be ambiguous.
	if strings.Contains(header.Get(standardwebhooks.HeaderWebhookID), ".") {
		return refuse(http.StatusUnauthorized, ReasonBadSignature, "The header webhook-id must not contain a dot.")
	}
	seconds, err := strconv.ParseInt(header.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil {
		return refuse(http.StatusUnauthorized, ReasonStale, "The header webhook-timestamp must be the seconds since 1970.")
	}
	const maxSeconds = 1 << 33 // The year 2242; larger numbers would overflow the difference.
	if seconds < 0 || seconds > maxSeconds {
		return refuse(http.StatusUnauthorized, ReasonStale, "The header webhook-timestamp must be the seconds since 1970, and not milliseconds.")
	}
	if age := h.config.Now().Sub(time.Unix(seconds, 0)); age.Abs() > tolerance {
		return refuse(http.StatusUnauthorized, ReasonStale,
			"The header webhook-timestamp differs from this server's clock by more than 5 minutes. Compare the clocks, and sign again for each try.").
			with(slog.Int64("age_seconds", int64(age.Round(time.Second)/time.Second)))
	}
	return nil
}

// dispatch decodes a verified body and calls the function for its type.
func (h *Handler) dispatch(ctx context.Context, body []byte) (bool, event, *refusal) {
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return false, event{}, refuse(http.StatusBadRequest, ReasonBadBody, `The body must be a JSON object such as {"type": "user.deleted", "data": {"userId": "…"}}.`)
	}
	var known bool
	var err error
	switch e.Type {
	case "user.banned", "session.ended":
		ids, refused := e.ids("userId")
		if refused != nil {
			return false, e, refused
		}
		end := h.config.SessionEnded
		if e.Type == "user.banned" {
			end = h.config.UserBanned
		}
		end(ids[0])
		return true, e, nil
	case "user.deleted":
		ids, refused := e.ids("userId")
		if refused != nil {
			return false, e, refused
		}
		known, err = h.config.UserDeleted(ctx, ids[0])
	case "user.linked":
		ids, refused := e.ids("fromUserId", "toUserId")
		if refused != nil {
			return false, e, refused
		}
		if ids[0] == ids[1] {
			return false, e, refuse(http.StatusUnprocessableEntity, ReasonBadBody, "data.fromUserId and data.toUserId must be two users.")
		}
		known, err = h.config.UserLinked(ctx, ids[0], ids[1])
	default:
		return false, e, refuse(http.StatusUnprocessableEntity, ReasonUnknownType, "The type must be one of user.deleted, user.linked, user.banned and session.ended.").
			with(slog.String("type", e.Type[:min(len(e.Type), 100)]))
	}
	switch {
	case err == nil:
		return known, e, nil
	case h.config.Temporary(err):
		return false, e, refuse(http.StatusServiceUnavailable, ReasonFailed, "The database can't be reached just now: try again.").
			with(slog.String("type", e.Type), slog.String("error", err.Error()))
	default:
		return false, e, refuse(http.StatusInternalServerError, ReasonFailed, "Something went wrong here: try again, and look into this server's log.").
			with(slog.String("type", e.Type), slog.String("error", err.Error()))
	}
}

// maxID is the maximum length of a user's id, in bytes. An entry of a PostgreSQL index has at most about 2,700.
const maxID = 1024

// ids returns the user ids that are in the event's data under the names.
func (e event) ids(names ...string) ([]string, *refusal) {
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
