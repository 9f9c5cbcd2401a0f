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

// startNode runs server.mjs in a process of its own until the test ends. It returns the address that the server prints,
// and the process.
func startNode(t testing.TB, dir string, env []string) (string, *os.Process) {
	t.Helper()
	// Not with the test's context, whose end would kill the server. It is asked to stop first.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "server.mjs")
	cmd.Dir, cmd.Env = dir, env
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("connecting to node: %v", err)
	}
	stdin, err := cmd.StdinPipe() // The server ends when it is closed, even if this process is killed.
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

// follow copies the server's output and sends its address to the channel. It closes the channel when the server ends.
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

// stopNode asks the server to end, and kills it if it has not after a minute.
func stopNode(t testing.TB, cmd *exec.Cmd, stdin io.Closer, drained <-chan struct{}) {
	t.Helper()
	_ = stdin.Close()
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	<-drained // Wait closes the pipe, so the reader must have finished.
	if err := cmd.Wait(); err != nil {
		t.Logf("stopping Better Auth: %v", err)
	}
}

// sharedNode is a node process for the Better Auth servers of all tests of this process. Starting a server in it takes
// a fraction of the time of starting node and loading Better Auth. It ends when its input is closed, and so with this
// process.
type sharedNode struct {
	output lockedBuffer

	mu      sync.Mutex
	stdin   io.Writer              // nil before the first server
	last    int                    // the number of the last server
	replies map[string]chan string // by the server's number; closed when node ends
}

var sharedAuth = &sharedNode{replies: map[string]chan string{}} //nolint:gochecknoglobals // It lasts as long as the process.

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

// begin starts node unless it is running, and returns the number of the next server and the channel for replies about
// it, which is closed when node ends.
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

// follow sends node's replies to the tests that wait for them, until node ends.
func (n *sharedNode) follow(cmd *exec.Cmd, stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		number, reply, _ := strings.Cut(lines.Text(), " ")
		n.mu.Lock()
		replies := n.replies[number]
		n.mu.Unlock()
		if replies == nil { // Not a reply, but output of Better Auth.
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
	n.stdin = nil // The next call of begin starts a new process.
}

// send sends a request to node.
func (n *sharedNode) send(t testing.TB, request map[string]any) {
	t.Helper()
	line, err := json.Marshal(request)
	if err != nil {
		t.Fatalf("encoding a request to node: %v", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stdin == nil {
		return // awaitReply reports it.
	}
	if _, err := n.stdin.Write(append(line, '\n')); err != nil {
		t.Logf("sending a request to node, which may be ending: %v", err)
	}
}

// awaitReply returns the next reply. The test ends if there is none.
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
