package config

import (
	"errors"
	"strings"
	"testing"
)

// Profiles are served where strangers can't come, or not at all.
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
