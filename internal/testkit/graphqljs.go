package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"testing"
	"time"
)

// GraphQLRequest is a document with its variables, which are JSON.
type GraphQLRequest struct {
	Query     string          `json:"query"`
	Variables json.RawMessage `json:"variables"`
}

// GraphQLResult is the result of parsing, validating and coercing a request, without executing it.
type GraphQLResult struct {
	// Error says why the request is refused. It is empty for an accepted request.
	Error string `json:"error"`
	// Values has the coerced values of an accepted request, as JSON: an object with its variables, and a list of the
	// arguments of each field that has any. Each fragment is followed once.
	Values json.RawMessage `json:"values"`
}

// RunGraphQLJS parses, validates and coerces requests to a schema with graphql-js, and executes nothing. The schema may
// have the scalars Date, DateTime, TimeZone, Color, SyncToken and ListState. It needs node and npm, see Require.
func RunGraphQLJS(t testing.TB, sdl string, timeZones []string, requests []GraphQLRequest) []GraphQLResult {
	t.Helper()
	dir := NodePackages(t, "graphqljs")
	var input bytes.Buffer
	encoder := json.NewEncoder(&input)
	lines := []any{map[string]any{"sdl": sdl, "timeZones": timeZones}}
	for _, request := range requests {
		lines = append(lines, request)
	}
	for _, line := range lines {
		if err := encoder.Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "compare.mjs")
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stderr = dir, nodeEnvironment(), &input, &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("running graphql-js: %v\n%s", err, stderr.Bytes())
	}
	results := make([]GraphQLResult, len(requests))
	decoder := json.NewDecoder(bytes.NewReader(output))
	for i := range results {
		if err := decoder.Decode(&results[i]); err != nil {
			t.Fatalf("reading graphql-js's result %d of %d: %v\n%s", i, len(requests), err, stderr.Bytes())
		}
	}
	return results
}
