package testkit

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// startNode runs server.mjs until the test ends, and returns the address that it prints and its process.
func startNode(t testing.TB, dir string, env []string) (string, *os.Process) {
	t.Helper()
	// Without the test's context: at its end the server is asked to stop, and only killed if it does not.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "server.mjs")
	cmd.Dir, cmd.Env = dir, env
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("connecting to node: %v", err)
	}
	stdin, err := cmd.StdinPipe() // Held open: the server ends with it, even if this process is killed.
	if err != nil {
		t.Fatalf("connecting to node: %v", err)
	}
	output := &lockedBuffer{}
	cmd.Stderr = output
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting node: %v", err)
	}
	address := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		follow(stdout, output, address)
	}()
	t.Cleanup(func() {
		stopNode(t, cmd, stdin, drained)
		if t.Failed() {
			t.Logf("Better Auth said:\n%s", output)
		}
	})
	select {
	case url, ok := <-address:
		if !ok {
			t.Fatal("Better Auth ended at once")
		}
		return url, cmd.Process
	case <-time.After(5 * time.Minute):
		t.Fatal("Better Auth did not start within five minutes")
	}
	return "", nil
}

// follow copies what the server prints and passes its address on. It closes the channel when the server ends.
func follow(stdout io.Reader, output io.Writer, address chan<- string) {
	defer close(address)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		_, _ = fmt.Fprintln(output, lines.Text())
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			address <- url
		}
	}
}

// stopNode asks the server to end, and kills it if it does not.
func stopNode(t testing.TB, cmd *exec.Cmd, stdin io.Closer, drained <-chan struct{}) {
	t.Helper()
	_ = stdin.Close()
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	<-drained // Wait would close the pipe under the reader.
	if err := cmd.Wait(); err != nil {
		t.Logf("stopping Better Auth: %v", err)
	}
}

// sharedNode is a node process for the Better Auth servers of all tests of this process: starting a server in it takes
// a fraction of what starting node and loading Better Auth does. It ends with its input, and so with this process.
type sharedNode struct {
	output lockedBuffer

	mu      sync.Mutex
	stdin   io.Writer              // nil before the first server
	last    int                    // the number of the newest server
	replies map[string]chan string // by server; closed when node ends
}

var sharedAuth = &sharedNode{replies: map[string]chan string{}} //nolint:gochecknoglobals // Its life is the process's.

// startShared starts a server in the shared process until the test ends, and returns its address.
func startShared(t testing.TB, dir string, env []string) string {
	t.Helper()
	variables := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	seen := len(sharedAuth.output.String())
	number, replies, err := sharedAuth.begin(dir)
	if err != nil {
		t.Fatalf("starting node: %v", err)
	}
	t.Cleanup(func() {
		sharedAuth.send(t, map[string]any{"stop": number})
		awaitReply(t, replies)
		if t.Failed() {
			t.Logf("Better Auth said, with the servers of other tests:\n%s", sharedAuth.output.String()[seen:])
		}
	})
	sharedAuth.send(t, map[string]any{"start": number, "env": variables})
	reply := awaitReply(t, replies)
	url, ok := strings.CutPrefix(reply, "listening on ")
	if !ok {
		t.Fatalf("starting Better Auth: %q", reply)
	}
	return url
}

// begin starts node unless it runs, and returns the next server's number and the replies about it. The channel is closed
// if node ends.
func (n *sharedNode) begin(dir string) (int, <-chan string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stdin == nil {
		cmd := exec.CommandContext(context.Background(), "node", "server.mjs")
		cmd.Dir, cmd.Env, cmd.Stderr = dir, append(nodeEnvironment(), "CONTROL=1"), &n.output
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return 0, nil, err
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			return 0, nil, err
		}
		if err := cmd.Start(); err != nil {
			return 0, nil, err
		}
		n.stdin = stdin
		go n.follow(cmd, stdout)
	}
	n.last++
	replies := make(chan string, 2)
	n.replies[strconv.Itoa(n.last)] = replies
	return n.last, replies, nil
}

// follow hands node's replies to the tests that wait for them, until node ends.
func (n *sharedNode) follow(cmd *exec.Cmd, stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		number, reply, _ := strings.Cut(lines.Text(), " ")
		n.mu.Lock()
		replies := n.replies[number]
		n.mu.Unlock()
		if replies == nil { // Better Auth itself printed it.
			_, _ = fmt.Fprintln(&n.output, lines.Text())
			continue
		}
		replies <- reply
	}
	if err := cmd.Wait(); err != nil {
		_, _ = fmt.Fprintln(&n.output, "node has ended:", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, replies := range n.replies {
		close(replies)
	}
	clear(n.replies)
	n.stdin = nil // The next server gets a new process.
}

// send asks node for something.
func (n *sharedNode) send(t testing.TB, request map[string]any) {
	t.Helper()
	line, err := json.Marshal(request)
	if err != nil {
		t.Fatalf("encoding a request to node: %v", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stdin == nil {
		return // awaitReply says so.
	}
	if _, err := n.stdin.Write(append(line, '\n')); err != nil {
		t.Logf("asking node, which may just be ending: %v", err)
	}
}

func awaitReply(t testing.TB, replies <-chan string) string {
	t.Helper()
	select {
	case reply, ok := <-replies:
		if !ok {
			t.Fatalf("node has ended:\n%s", &sharedAuth.output)
		}
		return reply
	case <-time.After(5 * time.Minute):
		t.Fatal("node did not answer within five minutes")
	}
	return ""
}
