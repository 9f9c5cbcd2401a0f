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
			response response
			want     string
		}{
			"alone":           {response{}, `{"data":` + data + `}`},
			"with extensions": {response{result: result{extensions: map[string]any{"a": 1}}}, `{"data":` + data + `,"extensions":{"a":1}}`},
			"with errors and extensions": {
				response{result: result{errors: gqlerror.List{gqlerror.Errorf("no")}, extensions: map[string]any{"a": 1}}},
				`{"errors":[{"message":"no"}],"data":` + data + `,"extensions":{"a":1}}`,
			},
			"that has an extension which is no JSON": {
				response{result: result{extensions: map[string]any{"a": func() {}}}}, `{"errors":[{"message":"Internal error","extensions":{"code":"INTERNAL"}}]}`,
			},
		} {
			tt.response.data = json.RawMessage(data)
			w := httptest.NewRecorder()
			tt.response.write(w, mediaJSON)
			if got := w.Body.String(); got != tt.want || w.Header().Get("Content-Length") != strconv.Itoa(len(tt.want)) {
				t.Errorf("%d bytes %s: Content-Length %s, %d bytes, want %d: %.200s", length, name, w.Header().Get("Content-Length"), len(got), len(tt.want), got)
			}
		}
	}
}

// TestAbandonedMutation: a client can't know what became of a change whose time was over, and is told how to find out.
func TestAbandonedMutation(t *testing.T) {
	t.Parallel()
	for kind, changed := range map[ast.Operation]bool{ast.Query: false, ast.Mutation: true} {
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		<-ctx.Done()
		a := responseTo(ctx, &operation{definition: &ast.OperationDefinition{Operation: kind}}, nil)
		message := a.errors[0].Message
		if a.status != http.StatusServiceUnavailable || !strings.HasPrefix(message, "The operation was given up.") || strings.Contains(message, "idempotencyKey") != changed {
			t.Errorf("%s: %d %s", kind, a.status, message)
		}
	}
}
