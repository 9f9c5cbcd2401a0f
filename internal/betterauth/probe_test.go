package betterauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

// Questions that hang occupy every connection. A probe is asked all the same, so that the auth server doesn't count as down.
func TestProbesDoNotWaitForRequests(t *testing.T) {
	t.Parallel()
	probed, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/ok") {
			once.Do(func() { close(probed) })
			respondHealthy(w, r)
			return
		}
		<-end
		respondHealthy(w, r)
	}))
	t.Cleanup(server.Close)
	a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Timeout: 2 * time.Minute})
	var questions sync.WaitGroup
	const more = 160 // than the connections for questions
	for i := range more {
		questions.Go(func() { wantSession(t, a, userCookie(i)) })
	}
	select {
	case <-probed:
	case <-time.After(time.Minute):
		t.Error("no probe in a minute")
	}
	close(end)
	questions.Wait()
}
