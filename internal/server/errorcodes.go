package server

import (
	"fmt"
	"io"
	"strings"

	"github.com/99designs/gqlgen/graphql/errcode"

	"taskql/graph"
	"taskql/internal/graphqlhttp"
	"taskql/internal/task"
)

// ErrorCode explains one code that clients may see.
type ErrorCode struct {
	Code  string
	Cause string
	Cure  string
}

// ErrorCodes are the values of a top-level error's extensions.code. docs/errors.md is printed from here.
func ErrorCodes() []ErrorCode {
	return []ErrorCode{
		{graph.CodeUnauthenticated, "No session (\"Not authenticated\"), a bad one (\"Invalid session\"), or one of nobody (\"User not found\"). Status 401.", "Sign in. Signed in already: [authentication.md](authentication.md) has each reason of the log and its cure."},
		{codeCSRFRefused, "A page of an origin that is not in CORS_ORIGINS used the session cookie. Status 403.", "Add the frontend's origin to CORS_ORIGINS, or send a bearer token."},
		{graph.CodeBadUserInput, "An argument or variable that can't be used. The message names it and the fix; the extension `argument` names it too where a resolver refused it.", "Send what the message says."},
		{graph.CodeNotFound, "No such thing, or not the viewer's. From a path other than /graphql: there is nothing there.", "Look for it in a list first."},
		{graph.CodeServiceUnavailable, "The auth server or the database is in trouble, no connection to it was free within DB_WAIT, or the operation took longer than LIMIT_OPERATION_TIME or LIMIT_STATEMENT_TIME. Status 503, Retry-After.", "Try again after `retryAfter` seconds, a mutation with the same idempotencyKey."},
		{graph.CodeInternal, "A bug of ours. Status 500.", "Quote `requestId` when you report it."},
		{errcode.ParseFailed, "The document is not GraphQL.", "Mend the syntax at the location given."},
		{errcode.ValidationFailed, "The document is not this schema's: an unknown field, a missing argument, a variable of the wrong type. Or introspection where that is off.", "Generate types from the schema; read it in development, where INTROSPECTION is on."},
		{graphqlhttp.CodeBadRequest, "The request is no GraphQL request: broken JSON, a batch, no query, a body nested too deep. Status 400.", "Send one JSON object with a query."},
		{graphqlhttp.CodeMethodNotAllowed, "The HTTP method is not one of those in Allow. Status 405.", "Send GraphQL by POST."},
		{graphqlhttp.CodeNotAcceptable, "The Accept header allows neither application/json nor application/graphql-response+json. Status 406.", "Accept one of the two."},
		{graphqlhttp.CodeUnsupportedMediaType, "The body is not application/json in UTF-8, uncompressed. Status 415.", "Set Content-Type: application/json."},
		{graphqlhttp.CodePayloadTooLarge, "The body is longer than LIMIT_BODY_BYTES. Status 413.", "Send less at once."},
		{"URI_TOO_LONG", "The URL of a GET request is too long. Status 414.", "Send the operation by POST."},
		{"PERSISTED_QUERY_NOT_FOUND", "No document is known under this hash or id.", "Send the document with its hash, as clients do by themselves; or deploy the manifest that has it."},
		{"PERSISTED_QUERY_NOT_SUPPORTED", "The request names a document by its hash, and the server keeps none.", "Send the document itself, or set TRUSTED_DOCUMENTS."},
		{"PERSISTED_QUERY_ID_REQUIRED", "This server runs trusted documents alone.", "Name the document by its id; add it to the manifest where it is new."},
		{graphqlhttp.CodeSubscriptionNotSupported, "A subscription came over a transport that carries one answer only.", "Use a transport for streams."},
		{graphqlhttp.CodeDocumentTooLarge, "The document is longer than LIMIT_DOCUMENT_BYTES.", "Pass values as variables; split the operation."},
		{graphqlhttp.CodeTooManyTokens, "The document has more tokens than LIMIT_TOKENS, or half of it while nobody is signed in. Comments count.", "Pass lists and objects as variables; split the operation; sign in."},
		{graphqlhttp.CodeTooDeep, "Fields nest deeper than LIMIT_DEPTH.", "Fetch the deeper levels by their ids, with `nodes`."},
		{graphqlhttp.CodeTooManyAliases, "The document has more aliases than LIMIT_ALIASES.", "Use `nodes(ids:)` for many objects, the bulk mutations for many changes, or several requests."},
		{graphqlhttp.CodeTooManyRootFields, "The operation has more root fields than LIMIT_ROOT_FIELDS.", "Send the rest in another request."},
		{graphqlhttp.CodeTooManyDirectives, "The document has more directives than LIMIT_DIRECTIVES, or one place more than LIMIT_DIRECTIVES_PER_PLACE.", "Put one directive on a fragment instead of one on each field."},
		{graphqlhttp.CodeTooRepetitive, "The document selects the same fields so often that comparing them is the larger work.", "Select each field once in a place."},
		{graphqlhttp.CodeTooExpensive, "The operation costs more than LIMIT_COST: a field 1, a page its size times what is selected on each element.", "Ask for the page that the message says would fit, and for the next one after it; select less; leave `facets`, `totalCount` and `search` out where nobody looks."},
		{graphqlhttp.CodeInputTooComplex, "Lists and objects in the variables or in the document's values nest too deep, or there are too many values.", "Send a flatter filter, and fewer values at once."},
		{graphqlhttp.CodeRateLimited, "The budget of the user, or of the address while nobody is signed in, is used up (RATE_LIMIT). Status 429, Retry-After. `remaining` is what is left and `cost` what the operation would have taken. Being refused costs a little, too; the debt is a minute's worth at most.", "Wait `retryAfter` seconds. The header GraphQL-Cost: report shows what each operation costs."},
	}
}

// UserErrorCodes are the values of UserErrorCode.
func UserErrorCodes() []ErrorCode {
	return []ErrorCode{
		{string(task.CodeBlank), "Nothing, or only blanks, where something is required.", "Ask the user to fill in the field."},
		{string(task.CodeTooLong), "More characters than the field takes. The message says how many it takes.", "Count before sending."},
		{string(task.CodeInvalid), "Not a value that the field takes.", "The message says what it takes."},
		{string(task.CodeTaken), "Somebody has it already: a tag's name, an id.", "Choose another."},
		{string(task.CodeNotFound), "It does not exist, or is not the viewer's.", "Drop it from the page's state."},
		{string(task.CodeStale), "`ifVersion` is not the current version: somebody changed it in between. The payload carries the current object.", "Show the current object, and try again with its version."},
		{string(task.CodeKeyReused), "The same `idempotencyKey` came with another input.", "Make a fresh key for each change, and keep it for repetitions of that change only."},
		{string(task.CodeLimitExceeded), "A limit of the workspace is reached, such as LIMIT_TASKS.", "Purge what is in the trash, or raise the limit."},
	}
}

// WriteErrors prints docs/errors.md.
func WriteErrors(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Errors\n\n<!-- Printed by go test ./internal/server -run ErrorDocs -update. -->\n\n" +
		"## Top-level errors\n\nWhat ends an operation, or a part of it, is in `errors`, with its code in `extensions.code`. " +
		"Every limit's error also has `limit` and `actual`.\n\n")
	writeCodes(&b, ErrorCodes())
	b.WriteString("\n## User errors\n\nWhat the caller can mend is in a mutation's payload, in `userErrors`, with the path of the input's field.\n\n")
	writeCodes(&b, UserErrorCodes())
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the list of errors: %w", err)
	}
	return nil
}

func writeCodes(b *strings.Builder, codes []ErrorCode) {
	b.WriteString("| code | cause | cure |\n| --- | --- | --- |\n")
	for _, c := range codes {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", c.Code, c.Cause, c.Cure)
	}
}
