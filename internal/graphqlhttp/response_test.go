package graphqlhttp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// TestLongDataStandsInItsPlace: data that isn't copied is sent between what stands around it.
func TestLongDataStandsInItsPlace(t *testing.T) {
	t.Parallel()
	for _, length := range []int{2, maxPooledBytes, maxPooledBytes + 1, 3 * maxPooledBytes} {
		data := `"` + strings.Repeat("x", length-2) + `"`
		for name, tt := range map[string]struct {
			answer answer
			want   string
		}{
			"alone":           {answer{}, `{"data":` + data + `}`},
			"with extensions": {answer{extensions: map[string]any{"a": 1}}, `{"data":` + data + `,"extensions":{"a":1}}`},
			"with errors and extensions": {
				answer{errors: gqlerror.List{gqlerror.Errorf("no")}, extensions: map[string]any{"a": 1}},
				`{"errors":[{"message":"no"}],"data":` + data + `,"extensions":{"a":1}}`,
			},
			"that has an extension which is no JSON": {
				answer{extensions: map[string]any{"a": func() {}}}, `{"errors":[{"message":"Internal error","extensions":{"code":"INTERNAL"}}]}`,
			},
		} {
			tt.answer.data = json.RawMessage(data)
			w := httptest.NewRecorder()
			tt.answer.write(w, mediaJSON)
			if got := w.Body.String(); got != tt.want || w.Header().Get("Content-Length") != strconv.Itoa(len(tt.want)) {
				t.Errorf("%d bytes %s: Content-Length %s, %d bytes, want %d: %.200s", length, name, w.Header().Get("Content-Length"), len(got), len(tt.want), got)
			}
		}
	}
}

// TestAbandonedMutation: a client can't know what became of a change whose time was over, and is told how to find out.
func TestAbandonedMutation(t *testing.T) {
	t.Parallel()
	for operation, changed := range map[ast.Operation]bool{ast.Query: false, ast.Mutation: true} {
		ctx, cancel := context.WithTimeout(withRequest(t.Context(), &incoming{operation: &ast.OperationDefinition{Operation: operation}}), 0)
		defer cancel()
		<-ctx.Done()
		a := answerOf(ctx, nil)
		message := a.errors[0].Message
		if a.status != http.StatusServiceUnavailable || !strings.HasPrefix(message, "The operation was given up.") || strings.Contains(message, "idempotencyKey") != changed {
			t.Errorf("%s: %d %s", operation, a.status, message)
		}
	}
}
