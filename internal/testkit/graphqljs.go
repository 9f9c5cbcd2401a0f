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

// GraphQLVerdict is what is made of a request before it is executed.
type GraphQLVerdict struct {
	// Refused says why the request is refused. It is empty if it isn't.
	Refused string `json:"refused"`
	// Values are those of an accepted request: an object of JSON with its variables, and a list of the arguments of each
	// field that has any, fragments followed once.
	Values json.RawMessage `json:"values"`
}

// AskGraphQLJS asks graphql-js for its verdicts on requests to a schema. It parses, validates and coerces, and executes
// nothing. The schema may have the scalars Date, DateTime, TimeZone and Color. It needs node and npm, see Lack.
func AskGraphQLJS(t testing.TB, sdl string, timeZones []string, requests []GraphQLRequest) []GraphQLVerdict {
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
		t.Fatalf("asking graphql-js: %v\n%s", err, stderr.Bytes())
	}
	verdicts := make([]GraphQLVerdict, len(requests))
	decoder := json.NewDecoder(bytes.NewReader(output))
	for i := range verdicts {
		if err := decoder.Decode(&verdicts[i]); err != nil {
			t.Fatalf("reading graphql-js's verdict %d of %d: %v\n%s", i, len(requests), err, stderr.Bytes())
		}
	}
	return verdicts
}
