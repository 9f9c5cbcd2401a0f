package config

import (
	"errors"
	"strings"
	"testing"
)

// TestTrustedDocuments checks that the manifest is required if it is used, and that only production refuses other
// documents.
func TestTrustedDocuments(t *testing.T) {
	t.Parallel()
	_, err := Load(map[string]string{"TRUSTED_DOCUMENTS": "allow"})
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("no manifest: %v", err)
	}
	if _, ok := problems.Of("TRUSTED_DOCUMENTS_FILE"); !ok {
		t.Errorf("no manifest: %v", err)
	}
	cfg, err := Load(map[string]string{"TRUSTED_DOCUMENTS_FILE": "m.json"})
	if err != nil || !strings.Contains(strings.Join(cfg.Warnings, "\n"), "the file is not read") {
		t.Errorf("a manifest for nothing: %v, %v", cfg.Warnings, err)
	}
	for environment, only := range map[Environment]bool{Production: true, Development: false} {
		if got := (Config{Environment: environment, TrustedDocuments: "only"}).TrustedOnly(); got != only {
			t.Errorf("only in %s: %v", environment, got)
		}
	}
}
