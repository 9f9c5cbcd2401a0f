package model_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"taskql/internal/testkit"
)

// stores is a process of Node that runs stores: examples/sync/test/host.ts.
type stores struct {
	input  io.WriteCloser
	errors bytes.Buffer

	writing sync.Mutex

	mu sync.Mutex
	// listeners get the events, by device.
	listeners map[string]chan<- event
	// over is closed when the process has ended.
	over chan struct{}
}

// command is what a store is told.
type command struct {
	Op      string         `json:"op"`
	Device  string         `json:"device"`
	URL     string         `json:"url,omitempty"`
	Cookie  string         `json:"cookie,omitempty"`
	First   int            `json:"first,omitempty"`
	Poll    bool           `json:"poll,omitempty"`
	Tasks   string         `json:"tasks,omitempty"`
	Tags    string         `json:"tags,omitempty"`
	List    string         `json:"list"`
	Forget  int            `json:"forget"`
	Image   string         `json:"image,omitempty"`
	Name    string         `json:"name,omitempty"`
	Input   map[string]any `json:"input,omitempty"`
	Version int            `json:"version,omitempty"`
}

// event is what a store tells.
type event struct {
	Device  string `json:"device"`
	Event   string `json:"event"`
	Version int    `json:"version"`
	Rows    []struct {
		Kind string          `json:"kind"`
		Row  json.RawMessage `json:"row"`
	} `json:"rows"`
	List     *listed         `json:"list"`
	Reason   string          `json:"reason"`
	Message  string          `json:"message"`
	Mutation string          `json:"mutation"`
	Input    map[string]any  `json:"input"`
	Errors   json.RawMessage `json:"errors"`
}

// compileStores compiles the program, and returns it.
func compileStores(t *testing.T) string {
	t.Helper()
	dir, out := testkit.NodePackages(t, "../../examples/sync"), t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "package.json"), []byte(`{"type":"module"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	compile := exec.CommandContext(t.Context(), "npx", "tsc", "-p", "test", "--outDir", out)
	compile.Dir = dir
	if output, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("compiling the store: %v\n%s", err, output)
	}
	return filepath.Join(out, "test", "host.js")
}

// startStores starts the program. It ends with the test.
func startStores(t *testing.T, program string) *stores {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "--max-old-space-size=1024", program)
	s := &stores{listeners: map[string]chan<- event{}, over: make(chan struct{})}
	cmd.Stderr = &s.errors
	var err error
	if s.input, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.input.Close()
		<-s.over
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("the stores' process: %v", err)
		}
		if s.errors.Len() > 0 {
			t.Errorf("the stores' process wrote:\n%.10000s", s.errors.String())
		}
	})
	go s.read(output)
	return s
}

func (s *stores) read(output io.Reader) {
	defer close(s.over)
	lines := bufio.NewReaderSize(output, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			e = event{Event: "error", Message: fmt.Sprintf("%v: %.200s", err, line)}
		}
		s.mu.Lock()
		listener := s.listeners[e.Device]
		s.mu.Unlock()
		if listener != nil {
			listener <- e
		}
		if e.Event == "dropped" && listener != nil {
			close(listener)
			s.drop(e.Device)
		}
	}
}

// listen has the events of a device sent to a channel.
func (s *stores) listen(device string, events chan<- event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[device] = events
}

// drop ends the events of a device.
func (s *stores) drop(device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, device)
}

func (s *stores) send(c command) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err = s.input.Write(append(line, '\n'))
	return err
}
