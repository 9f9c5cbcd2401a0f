// Package stores runs reference stores of examples/sync for tests, many in one process of Node.
package stores

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

// Process is a process of Node that runs stores: examples/sync/test/host.ts.
type Process struct {
	input  io.WriteCloser
	errors bytes.Buffer

	writing sync.Mutex

	mu sync.Mutex
	// listeners get the events, by device.
	listeners map[string]chan<- Event
	over      chan struct{}
}

// Command is what a store is told.
type Command struct {
	Op     string `json:"op"`
	Device string `json:"device"`
	URL    string `json:"url,omitempty"`
	Cookie string `json:"cookie,omitempty"`
	First  int    `json:"first,omitempty"`
	Poll   bool   `json:"poll,omitempty"`
	// Quiet has the store report no copies.
	Quiet bool `json:"quiet,omitempty"`
	// Workspace is that of an organization, "" for the user's own.
	Workspace string `json:"workspace,omitempty"`
	// Tasks, Tags, Projects and Sections are what is selected of them.
	Tasks    string         `json:"tasks,omitempty"`
	Tags     string         `json:"tags,omitempty"`
	Projects string         `json:"projects,omitempty"`
	Sections string         `json:"sections,omitempty"`
	List     string         `json:"list"`
	Forget   int            `json:"forget"`
	Image    string         `json:"image,omitempty"`
	Name     string         `json:"name,omitempty"`
	Input    map[string]any `json:"input,omitempty"`
	Version  int            `json:"version,omitempty"`
}

// Event is what a store tells.
type Event struct {
	Device   string          `json:"device"`
	Event    string          `json:"event"`
	Version  int             `json:"version"`
	Rows     []Row           `json:"rows"`
	List     *List           `json:"list"`
	Reason   string          `json:"reason"`
	Message  string          `json:"message"`
	Mutation string          `json:"mutation"`
	Input    map[string]any  `json:"input"`
	Errors   json.RawMessage `json:"errors"`
}

// Row is a row that a store has.
type Row struct {
	Kind string          `json:"kind"`
	Row  json.RawMessage `json:"row"`
}

// List is a live list as a store has it.
type List struct {
	TotalCount  int             `json:"totalCount"`
	HasNextPage bool            `json:"hasNextPage"`
	Nodes       json.RawMessage `json:"nodes"`
}

// Compile compiles the program, and returns its path.
func Compile(t testing.TB) string {
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

// Start starts the program. It ends with the test.
func Start(t testing.TB, program string) *Process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "--max-old-space-size=1024", program)
	p := &Process{listeners: map[string]chan<- Event{}, over: make(chan struct{})}
	cmd.Stderr = &p.errors
	var err error
	if p.input, err = cmd.StdinPipe(); err != nil {
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
		_ = p.input.Close()
		<-p.over
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("the stores' process: %v", err)
		}
		if p.errors.Len() > 0 {
			t.Errorf("the stores' process wrote:\n%.10000s", p.errors.String())
		}
	})
	go p.read(output)
	return p
}

func (p *Process) read(output io.Reader) {
	defer close(p.over)
	lines := bufio.NewReaderSize(output, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			e = Event{Event: "error", Message: fmt.Sprintf("%v: %.200s", err, line)}
		}
		p.mu.Lock()
		listener := p.listeners[e.Device]
		p.mu.Unlock()
		if listener != nil {
			listener <- e
		}
		if e.Event == "dropped" && listener != nil {
			close(listener)
			p.drop(e.Device)
		}
	}
}

// Listen has the events of a device sent to a channel.
func (p *Process) Listen(device string, events chan<- Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners[device] = events
}

// drop ends the events of a device.
func (p *Process) drop(device string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.listeners, device)
}

// Over returns a channel that is closed when the process has ended.
func (p *Process) Over() <-chan struct{} { return p.over }

// Send sends a command. The device's events answer it.
func (p *Process) Send(c Command) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	_, err = p.input.Write(append(line, '\n'))
	return err
}
