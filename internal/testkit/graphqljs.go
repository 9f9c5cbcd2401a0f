package testkit

import (
	"bufio"
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

// RefusedByGraphQLJS asks graphql-js which requests to a schema it refuses, and why: "" for those that it takes. It parses,
// validates and coerces, and executes nothing. The schema may have the scalars Date, DateTime, TimeZone and Color. It needs node and
// npm, see Lack.
func RefusedByGraphQLJS(t testing.TB, sdl string, timeZones []string, requests []GraphQLRequest) []string {
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
	refused := make([]string, 0, len(requests))
	for scanner := bufio.NewScanner(bytes.NewReader(output)); scanner.Scan(); {
		var why string // null leaves it empty
		if err := json.Unmarshal(scanner.Bytes(), &why); err != nil {
			t.Fatalf("reading graphql-js's answer: %v", err)
		}
		refused = append(refused, why)
	}
	if len(refused) != len(requests) {
		t.Fatalf("graphql-js answered %d of %d requests\n%s", len(refused), len(requests), stderr.Bytes())
	}
	return refused
}
