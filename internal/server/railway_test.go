package server

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"taskql/internal/config"
)

// TestRailwayConfiguration checks railway.json: its shape, and what it says of this server.
func TestRailwayConfiguration(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../railway.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := railwaySchema(t).Validate(decoded(t, string(text))); err != nil {
		t.Error(err)
	}
	var file struct {
		Build struct {
			Builder, DockerfilePath string
		}
		Deploy struct {
			HealthcheckPath                  string
			OverlapSeconds, DrainingSeconds  int
			HealthcheckTimeout, StartCommand any
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join("../..", file.Build.DockerfilePath)); err != nil {
		t.Errorf("dockerfilePath: %v", err)
	}
	if file.Deploy.HealthcheckPath != healthPath {
		t.Errorf("healthcheckPath is %q, and the server answers at %q", file.Deploy.HealthcheckPath, healthPath)
	}
	if file.Deploy.StartCommand != nil {
		t.Error("startCommand would run in a shell, which the image does not have")
	}
	cfg, err := config.Load(map[string]string{"ENVIRONMENT": "test"})
	if err != nil {
		t.Fatal(err)
	}
	if draining := time.Duration(file.Deploy.DrainingSeconds) * time.Second; draining <= cfg.ShutdownTimeout {
		t.Errorf("drainingSeconds is %s: the server would be killed within its SHUTDOWN_TIMEOUT of %s", draining, cfg.ShutdownTimeout)
	}
}

// TestRailwayConfigurationFaults: the check above can fail.
func TestRailwayConfigurationFaults(t *testing.T) {
	t.Parallel()
	schema := railwaySchema(t)
	for name, text := range map[string]string{
		"misspelt member": `{"deploy": {"healthCheckPath": "/health"}}`,
		"string number":   `{"deploy": {"drainingSeconds": "30"}}`,
		"unknown builder": `{"build": {"builder": "DOCKER"}}`,
		"unknown policy":  `{"deploy": {"restartPolicyType": "on_failure"}}`,
		"unknown section": `{"service": {}}`,
	} {
		if schema.Validate(decoded(t, text)) == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func railwaySchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("testdata/railway.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}
