package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"taskql/internal/testkit"
)

// resident returns the server's memory in MB: VmRSS is the present amount, VmHWM the maximum.
func (p *process) resident(t *testing.T, line string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	testkit.Require(t, "/proc, to read the memory from", err)
	_, value, _ := strings.Cut(string(status), line+":")
	kb, err := strconv.Atoi(strings.Fields(value)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb >> 10
}

// othersMedian returns how long another user's request takes, as the median of 101.
func (p *process) othersMedian(t *testing.T) time.Duration {
	t.Helper()
	var took []time.Duration
	for range 101 {
		start := time.Now()
		status, body, err := get(t, p.URL+"/graphql?query=%7B__typename%7D")
		if err != nil || status != http.StatusOK {
			t.Fatalf("a stranger got %d %s, %v", status, body, err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// connect opens connections, which stay open until the test ends, and calls send concurrently with each.
func (p *process) connect(t *testing.T, connections int, send func(net.Conn)) {
	t.Helper()
	var clients sync.WaitGroup
	limit := make(chan struct{}, 300) // The backlog of the listener is bounded.
	for range connections {
		limit <- struct{}{}
		clients.Go(func() {
			defer func() { <-limit }()
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.URL, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			send(conn)
		})
	}
	clients.Wait()
}

// TestPromisedBodiesTakeNoMemory: clients without a session announce a megabyte each and send the headers alone.
func TestPromisedBodiesTakeNoMemory(t *testing.T) {
	t.Parallel()
	const connections, most = 2_000, 128
	p := start(t, "LOG_LEVEL=error")
	p.healthy(t)
	t.Logf("before: %d MB resident, a stranger's median is %s", p.resident(t, "VmRSS"), p.othersMedian(t))
	// The server asks for the body when the handler begins to read it, after it has reserved memory.
	header := "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n"
	p.connect(t, connections, func(conn net.Conn) {
		if _, err := io.WriteString(conn, header); err != nil {
			t.Error(err)
			return
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
			t.Errorf("the server said %q, %v", line, err)
		}
	})
	mb := p.resident(t, "VmRSS")
	t.Logf("with %d connections: %d MB resident (%d at the most), a stranger's median is %s",
		connections, mb, p.resident(t, "VmHWM"), p.othersMedian(t))
	if mb > most {
		t.Errorf("%d MB resident, %d are allowed", mb, most)
	}
}

// TestUnfinishedBodiesTakeLittleMemory: clients of one address send nearly all of their bodies, and wait. The address's budget
// limits them.
func TestUnfinishedBodiesTakeLittleMemory(t *testing.T) {
	t.Parallel()
	const connections, most = 300, 128
	p := start(t, "LOG_LEVEL=error")
	p.healthy(t)
	header := "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n{\"query\":\""
	body := strings.Repeat("x", 1_000_000)
	p.connect(t, connections, func(conn net.Conn) { _, _ = io.WriteString(conn, header+body) }) // The server may close it before the end.
	mb := p.resident(t, "VmHWM")
	t.Logf("with %d connections: %d MB resident at the most", connections, mb)
	if mb > most {
		t.Errorf("%d MB resident, %d are allowed", mb, most)
	}
}

// TestLongResponsesTakeLittleMemory: a user asks again and again for as much text as the limits allow, without a rate limit.
func TestLongResponsesTakeLittleMemory(t *testing.T) {
	t.Parallel()
	const aliases, most = 87, 200
	text := func(field string) string {
		var b strings.Builder
		for i := range aliases {
			fmt.Fprintf(&b, " f%d: %s", i, field)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, user, query, want string
		tasks                   int
	}{
		{"long descriptions", "Ada", "{ tasks(first: 100) { nodes { " + text("description") + " } } }", "RESPONSE_TOO_LARGE", 34},
		{"a long name", strings.Repeat("n", 1_000_000), "{ viewer { " + text("name") + " } }", `{"data":{"viewer":{"f0":"nnn`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "LOG_LEVEL=error", "LIMIT_COST=1000000", "RATE_LIMIT=off", fmt.Sprint("LIMIT_ALIASES=", aliases))
			p.healthy(t)
			c := &client{t: t, url: p.URL, header: signUpHere(t, p, "ada@example.com", tt.user)}
			long := strings.Repeat("🙂", 10_000)
			for range tt.tasks {
				c.ask(`mutation($d: String) { createTask(input: {title: "t", description: $d}) { task { id } } }`, map[string]any{"d": long}).one(t, "createTask.task.id")
			}
			stop, asked := make(chan struct{}), make(chan int)
			go func() {
				longest := 0
				defer func() { asked <- longest }()
				for {
					resp, err := c.post(t.Context(), http.DefaultClient, tt.query, nil)
					if err != nil {
						t.Error(err)
						return
					}
					body, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if longest = max(longest, len(body)); err != nil || !strings.Contains(string(body), tt.want) {
						t.Errorf("%d bytes, %v: %.200s", len(body), err, body)
						return
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			}()
			median := p.othersMedian(t)
			close(stop)
			longest := <-asked
			mb := p.resident(t, "VmHWM")
			t.Logf("a response of %d bytes: %d MB resident at the most, a stranger's median is %s", longest, mb, median)
			if mb > most {
				t.Errorf("%d MB resident, %d are allowed", mb, most)
			}
		})
	}
}
