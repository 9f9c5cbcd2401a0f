package server

import (
	"fmt"
	"io"
	"strings"

	"github.com/99designs/gqlgen/graphql/errcode"

	"taskql/graph"
	"taskql/internal/graphqlhttp"
	"taskql/internal/workspace"
)

// ErrorCode explains a code that clients may see.
type ErrorCode struct {
	Code  string
	Cause string
	// Fix is what to do about it.
	Fix string
}

// ErrorCodes returns the values of extensions.code of top-level errors. docs/errors.md is printed from them.
func ErrorCodes() []ErrorCode {
	return []ErrorCode{
		{graph.CodeUnauthenticated, "The request has no session (\"Not authenticated\"), an invalid or expired one (\"Invalid session\"), or one of a user who has no row here (\"User not found\"). Or its [ticket](authentication.md#tickets-for-streams) was used before or is too old. Status 401.", "Sign in, or get another ticket. If you are signed in, look up the `reason` of the log line in [authentication.md](authentication.md)."},
		{graph.CodeForbidden, "The request's API key has permissions, but none that this operation needs: `read` for `tasks` for queries, `write` for mutations. The message names it. Status 403.", "Give the key the permission at the auth server, or use another key. See [API keys](authentication.md#api-keys)."},
		{codeCSRFRefused, "A page whose origin is not in CORS_ORIGINS sent the session cookie. The message names the origin. Status 403.", "Add the frontend's origin to CORS_ORIGINS, or send a bearer token instead of the cookie. A server that renders pages must send the visitor's cookie and no other header."},
		{graph.CodeBadUserInput, "An argument or a variable has a value that is not allowed. The message names it and says what would be right. If a resolver refused it, the extension `argument` names it too.", "Change the value as the message says."},
		{graph.CodeNotFound, "The object does not exist, or it belongs to somebody else. For a URL: the server has nothing at this path; GraphQL is at /graphql.", "Read the id from a list, or correct the path."},
		{graph.CodeServiceUnavailable, "The auth server or the database is not available, no database connection was free within DB_WAIT, other requests of the same user took that long, or the operation took longer than LIMIT_OPERATION_TIME or LIMIT_STATEMENT_TIME. Status 503, with Retry-After.", "Try again after `retryAfter` seconds. Send a mutation again with the same `idempotencyKey`."},
		{graph.CodeInternal, "A bug in the server. Status 500.", "Report it with its `requestId`. The log has the cause under the same id."},
		{errcode.ParseFailed, "The document is not valid GraphQL.", "Correct the syntax at the location that the error names."},
		{errcode.ValidationFailed, "The document does not fit the schema: an unknown field, a missing argument, or a variable of the wrong type. Or it asks for the schema (introspection) and INTROSPECTION is off.", "Generate types from the schema. To explore it, use a server in development, where INTROSPECTION is on."},
		{graphqlhttp.CodeBadRequest, "The HTTP request is not a GraphQL request: the JSON is broken or nested too deep, a string has half a surrogate pair, it is a batch, it has no query, or it repeats a header such as Origin or Authorization. Status 400.", "Send one JSON object with a `query`, and each header once."},
		{graphqlhttp.CodeMethodNotAllowed, "The HTTP method is not one of those in the header Allow. Status 405. A PUT is the single connection mode of graphql-sse, which is not supported.", "Send GraphQL by POST. Use graphql-sse with distinct connections."},
		{graphqlhttp.CodeNotAcceptable, "The header Accept allows neither application/json nor application/graphql-response+json. Status 406.", "Accept one of the two."},
		{graphqlhttp.CodeUnsupportedMediaType, "The body is not application/json, not UTF-8, or compressed. Status 415.", "Set `Content-Type: application/json`, and send the body uncompressed."},
		{graphqlhttp.CodePayloadTooLarge, "The body is longer than LIMIT_BODY_BYTES. Status 413.", "Send less in one request."},
		{graphqlhttp.CodeRequestTimeout, "The request, with its body, took longer than 60 seconds to arrive. Status 408.", "Send it again, over a faster connection or in parts."},
		{"URI_TOO_LONG", "The URL of a GET request is too long. Status 414.", "Send the operation by POST."},
		{"PERSISTED_QUERY_NOT_FOUND", "The server knows no document with this hash or id.", "Send the document together with its hash, as client libraries do on their own. With trusted documents, deploy the manifest that contains it."},
		{"PERSISTED_QUERY_NOT_SUPPORTED", "The request names a document by its hash, but this server keeps none.", "Send the document itself, or set APQ or TRUSTED_DOCUMENTS."},
		{"PERSISTED_QUERY_ID_REQUIRED", "This server executes trusted documents only.", "Send the document's id. If the document is new, add it to the manifest."},
		{graphqlhttp.CodeSubscriptionNotSupported, "A subscription was sent by POST or GET, and the header Accept allows only responses with one result.", "Accept text/event-stream or multipart/mixed;subscriptionSpec=1.0, or use a WebSocket with the subprotocol graphql-transport-ws."},
		{graphqlhttp.CodeTooManyStreams, "The user has too many streams open, or a WebSocket too many subscriptions. Status 429, with Retry-After.", "Close streams that nobody looks at. Use one WebSocket for all subscriptions of a page."},
		{graphqlhttp.CodeDocumentTooLarge, "The document is longer than LIMIT_DOCUMENT_BYTES.", "Pass values as variables, or split the operation."},
		{graphqlhttp.CodeTooManyTokens, "The document has more tokens than LIMIT_TOKENS. Clients that are not signed in may send half as many. Comments count.", "Pass lists and objects as variables, split the operation, or sign in."},
		{graphqlhttp.CodeTooDeep, "Fields are nested deeper than LIMIT_DEPTH.", "Fetch the deeper levels by their ids in another request, with `nodes`."},
		{graphqlhttp.CodeTooManyAliases, "The document has more aliases than LIMIT_ALIASES.", "Use `nodes(ids:)` to read many objects, a bulk mutation to change many, or several requests."},
		{graphqlhttp.CodeTooManyRootFields, "The operation has more root fields than LIMIT_ROOT_FIELDS.", "Split it into several requests."},
		{graphqlhttp.CodeTooManyDirectives, "The document has more directives than LIMIT_DIRECTIVES, or one field, fragment, variable or operation has more than LIMIT_DIRECTIVES_PER_PLACE.", "Put one directive on a fragment instead of one on each field."},
		{graphqlhttp.CodeTooRepetitive, "The document selects the same fields so often that comparing them would take longer than executing it.", "Select each field once."},
		{graphqlhttp.CodeTooExpensive, "The operation costs more than LIMIT_COST. A field costs 1, a description 4, and a page its size times what is selected on each element.", "Ask for the page size that the message suggests, and fetch the rest page by page. Select fewer fields. Leave out `facets`, `totalCount` and `search` if nobody sees their result."},
		{graph.CodeResponseTooLarge, "The response would be longer than LIMIT_RESPONSE_BYTES, so none of its data is sent. A mutation was executed all the same; the message says which if there are several.", "Ask for a smaller page, or select fewer fields. Read the result of a mutation by a query, or send it again with the same `idempotencyKey` and fewer fields."},
		{graphqlhttp.CodeInputTooComplex, "Lists and objects in the variables, or in the document's values, are nested too deep, or there are too many values.", "Send a flatter filter, and fewer values in one request."},
		{graphqlhttp.CodeRateLimited, "The budget (RATE_LIMIT) of the user is used up; clients that are not signed in share the budget of their address. Or too many bearer tokens or API keys that nobody knows have arrived, from this address or in all. Status 429, with Retry-After. `remaining` is what is left, and `cost` is the price of the operation. A refused request costs a little too, and a mutation more than its price if it stores much; the debt is at most one minute's budget. Or the request's [API key](authentication.md#api-keys) has reached its own limit at the auth server.", "Wait `retryAfter` seconds. Send the header `GraphQL-Cost: report` to see what each operation costs. Raise the API key's limit at the auth server."},
	}
}

// UserErrorCodes returns the values of the schema's UserErrorCode.
func UserErrorCodes() []ErrorCode {
	return []ErrorCode{
		{string(workspace.CodeBlank), "A required field is empty or has only blanks.", "Ask the user to fill in the field."},
		{string(workspace.CodeTooLong), "The text has more characters than the field takes. The message says how many it takes.", "Count the characters before you send."},
		{string(workspace.CodeInvalid), "The field does not take this value.", "Change the value as the message says."},
		{string(workspace.CodeTaken), "The value is already in use, such as a tag's name or an id.", "Choose another one."},
		{string(workspace.CodeNotFound), "The object does not exist, or it belongs to somebody else.", "Remove it from what the page shows."},
		{string(workspace.CodeStale), "`ifVersion` is not the current version: somebody has changed the object since you read it. The payload has the current object. Of `undoChange`: what the change did has been changed since, as `conflicts` say.", "Show the current object, and try again with its version. For conflicts, see [undo](history.md#conflicts)."},
		{string(workspace.CodeKeyReused), "The same `idempotencyKey` was sent before with another input.", "Make a new key for each change. Send a key again only to repeat the same change."},
		{string(workspace.CodeLimitExceeded), "The workspace has reached a limit, such as LIMIT_TASKS.", "Delete tasks in the trash for good, or raise the limit."},
		{string(workspace.CodeForbidden), "The user's role in the workspace does not allow the change: READ changes only reminders of the user's own, WRITE all but what is deleted for good.", "Hide the button. The workspace's `role` says what the user may do."},
	}
}

// WriteErrors writes docs/errors.md to w.
func WriteErrors(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Errors\n\n<!-- Printed by go test ./internal/server -run ErrorDocs -update. -->\n\n" +
		"## Top-level errors\n\nAn error that ends an operation, or a part of it, is in the answer's `errors`. Several are in the order of the document. " +
		"Decide by an error's `extensions.code`, not by its message. The error of a limit also has `limit`, and `actual` if it is known.\n\n")
	writeCodes(&b, ErrorCodes())
	b.WriteString("\n## User errors\n\nProblems that the user can solve, such as an empty title, are in the `userErrors` of a mutation's payload. " +
		"`field` is the path of the input's field.\n\n")
	writeCodes(&b, UserErrorCodes())
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the list of errors: %w", err)
	}
	return nil
}

func writeCodes(b *strings.Builder, codes []ErrorCode) {
	b.WriteString("| code | cause | what to do |\n| --- | --- | --- |\n")
	for _, c := range codes {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", c.Code, c.Cause, c.Fix)
	}
}
