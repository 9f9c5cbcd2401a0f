package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"taskql/graph"
	"taskql/internal/ticket"
	"taskql/internal/viewer"
)

const (
	ticketPath = graphqlPath + "/ticket"
	// ticketParameter is the parameter of a URL that holds a ticket.
	ticketParameter = "ticket"
	// issueCost is what a ticket costs, as much as a mutation. redeemCost is what redeeming one costs, before it is looked up,
	// and badTicketCost is what an invalid one costs in addition, as much as any refused request.
	issueCost, redeemCost, badTicketCost = 10, 1, 10
	// reasonTicket is logged like the reasons of betterauth.
	reasonTicket = "bad_ticket"

	messageBadTicket = "The ticket was used before, is older than 30 seconds, or was never issued: get another one by POST " + ticketPath + "."
)

// tickets issues tickets to signed-in clients, and redeems them.
type tickets struct {
	service *ticket.Service
	// timeout is how long the database may take.
	timeout time.Duration
}

// issueTicket answers POST /graphql/ticket. It is called after the middleware, which has found the viewer.
func (a *authenticator) issueTicket(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), a.tickets.timeout)
	defer cancel()
	if _, err := viewer.FromContext(ctx); err != nil {
		refusal := viewer.NotAuthenticated()
		errors.As(err, &refusal)
		writeRefusal(w, r, refusal)
		return
	}
	if refusal := a.charge(ctx, issueCost); refusal != nil {
		writeRefusal(w, r, refusal)
		return
	}
	issued, expires, err := a.tickets.service.Issue(ctx, a.credentials(r.Header))
	if err != nil {
		writeRefusal(w, r, a.ticketFailed(r.Context(), err))
		return
	}
	body, _ := json.Marshal(struct { // Strings can always be encoded.
		Ticket    string `json:"ticket"`
		ExpiresAt string `json:"expiresAt"`
	}{issued, expires.UTC().Format(time.RFC3339)})
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(body) // The client may be gone.
}

// redeem returns the headers with the credentials of a ticket, or why it is refused. The client pays before the ticket is looked up,
// so that guessing costs.
func (a *authenticator) redeem(ctx context.Context, given string) (http.Header, *viewer.Refusal) {
	if refusal := a.charge(ctx, redeemCost); refusal != nil {
		return nil, refusal
	}
	limited, cancel := context.WithTimeout(ctx, a.tickets.timeout)
	defer cancel()
	credentials, err := a.tickets.service.Redeem(limited, given)
	switch {
	case errors.Is(err, ticket.ErrInvalid):
		if a.spend != nil {
			a.spend(ctx, badTicketCost, true)
		}
		a.refusals.write(ctx, reasonTicket)
		return nil, &viewer.Refusal{Message: messageBadTicket}
	case err != nil:
		return nil, a.ticketFailed(ctx, err)
	}
	return credentials, nil
}

// ticketFailed logs that a ticket could not be stored or looked up.
func (a *authenticator) ticketFailed(ctx context.Context, err error) *viewer.Refusal {
	a.log.LogAttrs(ctx, failureLevel(ctx), "the tickets could not be reached",
		slog.String("error", err.Error()), slog.String("request_id", RequestID(ctx)))
	return &viewer.Refusal{Message: "Tickets can't be issued or redeemed just now: get another one in a moment.", Unavailable: true}
}

// charge takes a cost from the client's budget, or returns the refusal that the budget is too small.
func (a *authenticator) charge(ctx context.Context, cost int) *viewer.Refusal {
	if a.spend == nil {
		return nil
	}
	balance := a.spend(ctx, cost, false)
	if balance.OK {
		return nil
	}
	return &viewer.Refusal{
		Message: "Your requests of the last minute used up their budget: try again later.", Unavailable: true, RateLimited: true, RetryAfter: balance.RetryAfter,
	}
}

// parameterName returns the name of a URL's parameter, such as "name=value".
func parameterName(parameter string) string {
	name, _, _ := strings.Cut(parameter, "=")
	if strings.Contains(name, "%") {
		if unescaped, err := url.QueryUnescape(name); err == nil {
			return unescaped
		}
	}
	return name
}

// hasTicket reports whether there is a ticket among a URL's parameters.
func hasTicket(query string) bool {
	for parameter := range strings.SplitSeq(query, "&") {
		if parameterName(parameter) == ticketParameter {
			return true
		}
	}
	return false
}

// takeTicket returns the ticket in the URL of a request, and the request without it, so that nothing that follows can log or
// keep it. The ticket is empty if there is none. The last result says what is wrong with the request, if anything is.
func takeTicket(r *http.Request) (string, *http.Request, string) {
	if !hasTicket(r.URL.RawQuery) {
		return "", r, ""
	}
	given, rest := "", make([]string, 0, strings.Count(r.URL.RawQuery, "&"))
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		_, value, _ := strings.Cut(part, "=")
		switch {
		case parameterName(part) != ticketParameter:
			rest = append(rest, part)
		case given != "":
			return "", r, "The URL has " + ticketParameter + " more than once."
		default:
			given = value // A ticket has no characters that are escaped.
		}
	}
	if given != "" && (!mayOpenStream(r.Header) || r.URL.Path != graphqlPath) {
		return "", r, "A ticket opens a stream: accept text/event-stream or multipart/mixed;subscriptionSpec=1.0, or open a WebSocket. " +
			"Other requests need the session's cookie or token."
	}
	without := *r
	without.URL = &url.URL{}
	*without.URL = *r.URL
	without.URL.RawQuery = strings.Join(rest, "&")
	without.RequestURI = without.URL.RequestURI()
	return given, &without, ""
}

// writeRefusal answers a request that needs a session and has none.
func writeRefusal(w http.ResponseWriter, r *http.Request, refusal *viewer.Refusal) {
	status := http.StatusUnauthorized
	err := graph.RefusalError(refusal)
	switch err.Extensions["code"] {
	case graph.CodeRateLimited:
		status = http.StatusTooManyRequests
	case graph.CodeServiceUnavailable:
		status = http.StatusServiceUnavailable
	}
	sendError(w, r, status, err)
}
