package config

import (
	"errors"
	"strings"
	"testing"
)

// TestIsDebugHost checks that a page whose host name resolves to the server's address can't read profiles.
func TestIsDebugHost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host              string
		loopback, private bool // whether it may be used, by what the server listens on
	}{
		{"127.0.0.1:6060", true, true},
		{"127.0.0.1", true, true},
		{"[::1]:6060", true, true},
		{"[::1]", true, true},
		{"10.1.2.3:6060", true, true},
		{"localhost:6060", true, true},
		{"LOCALHOST.:6060", true, true},
		{"taskql.localhost:6060", true, true},
		{"api.railway.internal:6060", false, true},
		{"taskql:6060", false, true},
		{"taskql.default.svc.cluster.local:6060", false, true},
		{"evil.example:6060", false, false},
		{"127.0.0.1.evil.example:6060", false, false},
		{"localhost.evil.example:6060", false, false},
		{"evil.example.:6060", false, false},
		{"2130706433.evil.example", false, false},
		{"", false, false},
		{":6060", false, false},
	} {
		for address, want := range map[string]bool{
			"127.0.0.1:6060": tt.loopback, "localhost:6060": tt.loopback, "[::1]:6060": tt.loopback, "[::ffff:127.0.0.1]:6060": tt.loopback,
			"10.1.2.3:6060": tt.private, "[fd12::1]:6060": tt.private,
		} {
			if got := (Config{DebugAddr: address}).IsDebugHost(tt.host); got != want {
				t.Errorf("%q at %s: %v", tt.host, address, got)
			}
		}
	}
}

// TestDebugAddr checks that profiles are served only at addresses that others can't reach.
func TestDebugAddr(t *testing.T) {
	t.Parallel()
	for address, problem := range map[string]string{
		"127.0.0.1:6060":   "",
		"localhost:6060":   "",
		"[::1]:6060":       "",
		"10.1.2.3:6060":    "",
		"[fd12::1]:6060":   "",
		":6060":            "loopback or private",
		"0.0.0.0:6060":     "loopback or private",
		"[::]:6060":        "loopback or private",
		"203.0.113.9:6060": "loopback or private",
		"example.com:6060": "loopback or private",
		"127.0.0.1":        "with a port",
		"127.0.0.1:0":      "with a port",
		"127.0.0.1:8000":   "different port from PORT",
	} {
		_, err := Load(map[string]string{"DEBUG_ADDR": address})
		var problems Problems
		errors.As(err, &problems)
		found, failed := problems.Of("DEBUG_ADDR")
		if failed != (problem != "") || !strings.Contains(found.Message, problem) {
			t.Errorf("%s: %q, want %q", address, found.Message, problem)
		}
	}
}
