package server

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// TestRefusalLog: a flood of one reason neither fills the log nor hides another reason, and the next line says how
// many lines were suppressed.
func TestRefusalLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := newRefusalLog(slog.New(slog.NewJSONHandler(&out, nil)), func() time.Time { return clock })
	lines := func() []map[string]any {
		t.Helper()
		var all []map[string]any
		for line := range bytes.Lines(out.Bytes()) {
			var attrs map[string]any
			if err := json.Unmarshal(line, &attrs); err != nil {
				t.Fatal(err)
			}
			all = append(all, attrs)
		}
		out.Reset()
		return all
	}
	for range 1000 {
		l.write(t.Context(), "no_cookie")
	}
	l.write(t.Context(), "bad_signature", slog.String("cookie", "c"))
	got := lines()
	if len(got) != refusalsBurst+1 || got[refusalsBurst]["reason"] != "bad_signature" || got[refusalsBurst]["suppressed"] != nil {
		t.Fatalf("%d lines: %v", len(got), got)
	}
	clock = clock.Add(time.Second)
	for range 100 {
		l.write(t.Context(), "no_cookie")
	}
	got = lines()
	if len(got) != refusalsPerSecond || got[0]["suppressed"] != 980.0 || got[1]["suppressed"] != nil {
		t.Fatalf("%d lines: %v", len(got), got)
	}
	clock = clock.Add(time.Hour)
	l.write(t.Context(), "no_cookie")
	if got = lines(); len(got) != 1 || got[0]["suppressed"] != 90.0 || got[0]["msg"] != "session refused" || got[0]["level"] != "INFO" {
		t.Fatalf("got %v", got)
	}
	for reason, level := range map[string]string{
		"bad_signature": "WARN", "unknown_key": "WARN", "wrong_issuer": "WARN", "auth_unavailable": "WARN", "csrf_refused": "WARN",
		"session_null": "INFO", "user_not_found": "INFO", "bad_token": "INFO",
	} {
		l.write(t.Context(), reason)
		if got = lines(); len(got) != 1 || got[0]["level"] != level {
			t.Errorf("%s: got %v, want %s", reason, got, level)
		}
	}
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() { l.write(t.Context(), "expired") })
	}
	workers.Wait()
	if got = lines(); len(got) != 8 {
		t.Errorf("%d lines", len(got))
	}
}
