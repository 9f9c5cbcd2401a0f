package graphqlhttp

// mediaEventStream is the media type of server-sent events. A response has the form of graphql-sse's "distinct connections
// mode" (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md): one operation each, whose results are events.
// Lines that begin with a colon are comments. A response that ends without the event "complete" is asked for again by its
// client, as every stream that breaks off.
//
// What is wrong with a request's document is in an event too, because clients take any other status than 200 for an outage
// and repeat the request.
const mediaEventStream = "text/event-stream"

// headerStreamToken is the header by which requests of graphql-sse's single connection mode name their stream. An event source names
// it by the parameter token.
const headerStreamToken = "X-Graphql-Event-Stream-Token" //nolint:gosec // It is a name.

var sseFormat = eventFormat{ //nolint:gochecknoglobals // A constant, if Go had constant structs.
	transport:   TransportSSE,
	contentType: []string{mediaEventStream + "; charset=utf-8"},
	open:        ":\n\n",
	before:      "event: next\ndata: ",
	after:       "\n\n",
	ping:        ":\n\n",
	complete:    "event: complete\ndata:\n\n", // Without data, a browser's EventSource would ignore the event.
}
