package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sync/errgroup"
)

// The clients of bench live run in a process of their own, so that neither their memory nor their CPU counts for the
// server. The parent sends one command a line and reads one reply a line.

// command is what the parent asks for.
type command struct {
	// Op is "open", "reset", "stats", "cut", "resume" or "close".
	Op string `json:"op"`
	// URL is the server's GraphQL endpoint, over HTTP.
	URL string `json:"url,omitempty"`
	// Protocol is "ws" or "sse".
	Protocol string `json:"protocol,omitempty"`
	// Streams are the connections to open.
	Streams []streamSpec `json:"streams,omitempty"`
	// Query is the subscription, with the variable $after if it can resume.
	Query string `json:"query,omitempty"`
	// Silent is whether the server sends no first result.
	Silent bool `json:"silent,omitempty"`
	// Reached are the versions that the workspaces' streams must reach before "resume" replies, by user.
	Reached map[string]int `json:"reached,omitempty"`
	// Parallel is how many connections are opened at once.
	Parallel int `json:"parallel,omitempty"`
}

// streamSpec is one connection with one subscription.
type streamSpec struct {
	User string `json:"user"`
	// Authorization is the value of the header, sent in connection_init or as a header.
	Authorization string `json:"authorization,omitempty"`
	// Cookie is the value of that header. It is sent instead of Authorization if it is not empty.
	Cookie string `json:"cookie,omitempty"`
	// Variables are those of the subscription.
	Variables map[string]any `json:"variables,omitempty"`
}

// reply is the answer to a command.
type reply struct {
	Error string `json:"error,omitempty"`
	// Open is how many streams are open, Frames how many results have arrived since the reset, and Bytes their length.
	Open   int   `json:"open"`
	Frames int64 `json:"frames"`
	Bytes  int64 `json:"bytes"`
	// Delays are the times from the change to the result, in microseconds, sorted.
	Delays []int64 `json:"delays,omitempty"`
	// Seconds is how long the command took.
	Seconds float64 `json:"seconds"`
}

// clients are the streams of this process.
type clients struct {
	command

	streams       []*liveStream
	frames, bytes atomic.Int64
	resets        atomic.Int64 // pages with which a copy begins
	firstFault    sync.Once    // prints the first stream's failure

	mu     sync.Mutex
	delays []int64
}

// liveStream is one connection.
type liveStream struct {
	streamSpec

	all  *clients
	conn net.Conn
	// token and version are those of the last complete page; changed is signalled with each.
	mu      sync.Mutex
	token   string
	version int
	changed chan struct{}
	closed  atomic.Bool
	failed  atomic.Pointer[error]
}

// runLiveClients executes commands until the input ends.
func runLiveClients(ctx context.Context) error {
	input, output := bufio.NewReaderSize(os.Stdin, 1<<20), json.NewEncoder(os.Stdout)
	all := &clients{}
	for {
		line, err := input.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a command: %w", err)
		}
		var c command
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("reading a command: %w", err)
		}
		begun := time.Now()
		err = all.run(ctx, c)
		r := all.reply(c.Op == "stats")
		r.Seconds = time.Since(begun).Seconds()
		if err != nil {
			r.Error = err.Error()
		}
		if err := output.Encode(r); err != nil {
			return fmt.Errorf("writing a reply: %w", err)
		}
	}
}

func (a *clients) run(ctx context.Context, c command) error {
	switch c.Op {
	case "open":
		a.command = c
		a.streams = nil
		for _, spec := range c.Streams {
			a.streams = append(a.streams, &liveStream{streamSpec: spec, all: a, changed: make(chan struct{}, 1)})
		}
		return a.openAll(ctx)
	case "reset":
		a.frames.Store(0)
		a.bytes.Store(0)
		a.mu.Lock()
		a.delays = nil
		a.mu.Unlock()
		return nil
	case "stats":
		return a.firstFailure()
	case "cut", "close":
		for _, s := range a.streams {
			s.closed.Store(true)
			_ = s.conn.Close()
		}
		return nil
	case "resume":
		a.Parallel = c.Parallel
		if err := a.openAll(ctx); err != nil {
			return err
		}
		return a.await(ctx, c.Reached)
	}
	return fmt.Errorf("unknown command %q", c.Op)
}

// openAll opens all streams, and waits for the first result of each.
func (a *clients) openAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(a.Parallel, 1))
	for _, s := range a.streams {
		group.Go(func() error { return s.open(ctx) })
	}
	return group.Wait()
}

// await waits until the streams of each user have reached its version.
func (a *clients) await(ctx context.Context, reached map[string]int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, s := range a.streams {
		for s.position() < reached[s.User] {
			select {
			case <-s.changed:
			case <-ctx.Done():
				return fmt.Errorf("%s is at version %d, not at %d: %w", s.User, s.position(), reached[s.User], ctx.Err())
			}
		}
	}
	return a.firstFailure()
}

// firstFailure returns why a stream has ended that should not have.
func (a *clients) firstFailure() error {
	for _, s := range a.streams {
		if err := s.failed.Load(); err != nil {
			return *err
		}
	}
	return nil
}

func (a *clients) reply(withDelays bool) reply {
	r := reply{Frames: a.frames.Load(), Bytes: a.bytes.Load()}
	for _, s := range a.streams {
		if !s.closed.Load() && s.failed.Load() == nil {
			r.Open++
		}
	}
	if withDelays {
		a.mu.Lock()
		defer a.mu.Unlock()
		r.Delays = slices.Sorted(slices.Values(a.delays))
	}
	return r
}

func (s *liveStream) position() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// payload is the subscription, from where the stream has got to.
func (s *liveStream) payload() map[string]any {
	variables := map[string]any{}
	for name, value := range s.Variables {
		variables[name] = value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" {
		variables["after"] = s.token
	}
	return map[string]any{"query": s.all.Query, "variables": variables}
}

// open connects, subscribes and waits for the first result.
func (s *liveStream) open(ctx context.Context) error {
	endpoint, err := url.Parse(s.all.URL)
	if err != nil {
		return fmt.Errorf("reading the URL: %w", err)
	}
	var dialer net.Dialer
	s.conn, err = dialer.DialContext(ctx, "tcp4", endpoint.Host)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	s.closed.Store(false)
	s.failed.Store(nil)
	first := make(chan struct{})
	// The reader's buffer is small: 15,000 of them are in this process.
	reader := bufio.NewReaderSize(s.conn, 512)
	begin, next := s.beginWebSocket, s.nextFrame
	if s.all.Protocol == "sse" {
		begin, next = s.beginEvents, s.nextEvent
	}
	if err := begin(reader, endpoint); err != nil {
		return fmt.Errorf("%s: %w", s.User, err)
	}
	go s.read(reader, next, first)
	if s.all.Silent {
		return nil
	}
	select {
	case <-first:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(30 * time.Second):
		return fmt.Errorf("%s: no first result within 30 s", s.User)
	}
}

// read reads results until the connection ends.
func (s *liveStream) read(reader *bufio.Reader, next func(*bufio.Reader) ([]byte, error), first chan struct{}) {
	for {
		data, err := next(reader)
		if err != nil {
			if !s.closed.Load() {
				err = fmt.Errorf("%s: the stream has ended: %w", s.User, err)
				s.failed.Store(&err)
				s.all.firstFault.Do(func() { fmt.Fprintln(os.Stderr, err) })
			}
			return
		}
		if data == nil {
			continue
		}
		s.take(data)
		if first != nil {
			close(first)
			first = nil
		}
	}
}

var (
	tokenIn    = regexp.MustCompile(`"token":"([^"]+)"`)
	versionIn  = regexp.MustCompile(`"version":(\d+),"complete":true`)
	changeTime = regexp.MustCompile(`"(?:updatedAt|at)":"([^"]{20,})"`)
)

// take counts a result, and notes its position and how old its newest change is.
func (s *liveStream) take(data []byte) {
	now := time.Now()
	s.all.frames.Add(1)
	s.all.bytes.Add(int64(len(data)))
	s.mu.Lock()
	if bytes.Contains(data, []byte(`"reset":"`)) {
		s.all.resets.Add(1)
	}
	if m := tokenIn.FindSubmatch(data); m != nil {
		s.token = string(m[1])
	}
	if m := versionIn.FindSubmatch(data); m != nil {
		_, _ = fmt.Sscan(string(m[1]), &s.version)
	}
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	var newest time.Time
	for _, m := range changeTime.FindAllSubmatch(data, -1) {
		if at, err := time.Parse(time.RFC3339Nano, string(m[1])); err == nil && at.After(newest) {
			newest = at
		}
	}
	if !newest.IsZero() && now.Sub(newest) < time.Minute { // Older ones are part of a first copy.
		s.all.mu.Lock()
		s.all.delays = append(s.all.delays, now.Sub(newest).Microseconds())
		s.all.mu.Unlock()
	}
}

// beginWebSocket makes the handshakes of WebSocket and of graphql-transport-ws, and subscribes.
func (s *liveStream) beginWebSocket(reader *bufio.Reader, endpoint *url.URL) error {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	_, err := fmt.Fprintf(s.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n%s\r\n", endpoint.RequestURI(), endpoint.Host, base64.StdEncoding.EncodeToString(nonce), s.cookie())
	if err != nil {
		return err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return fmt.Errorf("the handshake was answered %d: %s", response.StatusCode, body)
	}
	hello := map[string]any{"type": "connection_init"}
	if s.Cookie == "" {
		hello["payload"] = map[string]any{"Authorization": s.Authorization}
	}
	if err := s.sendMessage(hello); err != nil {
		return err
	}
	for {
		message, err := s.nextMessage(reader)
		if err != nil {
			return err
		}
		if message.Type == "connection_ack" {
			break
		}
	}
	return s.sendMessage(map[string]any{"id": "1", "type": "subscribe", "payload": s.payload()})
}

// cookie returns the line of the header, or "".
func (s *liveStream) cookie() string {
	if s.Cookie == "" {
		return ""
	}
	return "Cookie: " + s.Cookie + "\r\n"
}

// message is one of graphql-transport-ws.
type message struct {
	Type    string
	Payload json.RawMessage
}

func (s *liveStream) sendMessage(m any) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return s.sendFrame(ws.NewTextFrame(text))
}

func (s *liveStream) sendFrame(frame ws.Frame) error {
	var b bytes.Buffer
	if err := ws.WriteFrame(&b, ws.MaskFrame(frame)); err != nil {
		return err
	}
	_, err := s.conn.Write(b.Bytes())
	return err
}

// nextMessage reads frames until there is a message, and answers pings.
func (s *liveStream) nextMessage(reader *bufio.Reader) (message, error) {
	for {
		frame, err := ws.ReadFrame(reader)
		if err != nil {
			return message{}, err
		}
		switch frame.Header.OpCode {
		case ws.OpPing:
			if err := s.sendFrame(ws.NewPongFrame(frame.Payload)); err != nil {
				return message{}, err
			}
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(frame.Payload)
			return message{}, fmt.Errorf("closed with %d %s", code, reason)
		case ws.OpText:
			var m message
			if err := json.Unmarshal(frame.Payload, &m); err != nil {
				return message{}, err
			}
			if m.Type != "ping" {
				return m, nil
			}
			if err := s.sendMessage(map[string]any{"type": "pong"}); err != nil {
				return message{}, err
			}
		default: // Pongs.
		}
	}
}

// nextFrame returns the next result, or nil for another message.
func (s *liveStream) nextFrame(reader *bufio.Reader) ([]byte, error) {
	m, err := s.nextMessage(reader)
	switch {
	case err != nil:
		return nil, err
	case m.Type == "next" && !bytes.Contains(m.Payload, []byte(`"errors"`)):
		return m.Payload, nil
	case m.Type == "pong", m.Type == "connection_ack":
		return nil, nil
	default:
		return nil, fmt.Errorf("received %s %s", m.Type, m.Payload)
	}
}

// beginEvents sends a request for an event stream.
func (s *liveStream) beginEvents(reader *bufio.Reader, endpoint *url.URL) error {
	body, err := json.Marshal(s.payload())
	if err != nil {
		return err
	}
	credentials := s.cookie()
	if credentials == "" {
		credentials = "Authorization: " + s.Authorization + "\r\n"
	}
	_, err = fmt.Fprintf(s.conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n%sContent-Length: %d\r\n\r\n%s",
		endpoint.RequestURI(), endpoint.Host, credentials, len(body), body)
	if err != nil {
		return err
	}
	for line := 0; ; line++ {
		text, err := reader.ReadString('\n')
		switch {
		case err != nil:
			return err
		case line == 0 && !strings.Contains(text, " 200 "):
			return fmt.Errorf("the request was answered %s", strings.TrimSpace(text))
		case text == "\r\n":
			return nil
		}
	}
}

// nextEvent returns the next result, or nil for a line without one. Chunk sizes, comments and event names are such lines.
func (s *liveStream) nextEvent(reader *bufio.Reader) ([]byte, error) {
	line, err := reader.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok && len(bytes.TrimSpace(data)) > 0 {
		if bytes.Contains(data, []byte(`"errors"`)) {
			return nil, fmt.Errorf("received %s", data)
		}
		return data, nil
	}
	if bytes.HasPrefix(line, []byte("event: complete")) {
		return nil, errors.New("completed")
	}
	return nil, nil
}
