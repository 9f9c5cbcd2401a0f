package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// peersFolder has the programs of the peers, from the repository's root.
	peersFolder = "internal/testkit/cmd/bench/peers"
	// peerQuery selects the same as watchQuery. It gets no first result.
	peerQuery = `subscription { changes { reset gone { kind id version }
		tasks { id title completed priority version updatedAt } tags { id name } token version complete } }`
	// peerStreams is how many idle streams the peers have at most, so that their part takes a minute each.
	peerStreams = 5000
	// peerSettle is how long a peer's memory may settle.
	peerSettle = 5 * time.Second
)

// liveFigures are what our server and its peers are compared by.
type liveFigures struct {
	name string
	// streamKB is the resident memory of an idle stream in kB, and frameMicros the CPU of a delivered result; 0: not measured.
	streamKB, frameMicros float64
	// why says why there are no figures.
	why string
}

// peers measures other GraphQL servers' subscriptions: the memory of idle WebSockets, and what a delivery costs.
func (r *liveRun) peers(ctx context.Context, streams int) error {
	missing := installPeers(ctx)
	for _, p := range []struct{ name, program string }{
		{"Mercurius", "mercurius.mjs"}, {"Apollo Server with graphql-ws", "apollo.mjs"}, {"PostGraphile", "postgraphile.mjs"},
	} {
		figures := liveFigures{name: p.name}
		err := missing
		if err == nil {
			err = r.measurePeer(ctx, p.program, min(streams, peerStreams), &figures)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			figures.why = err.Error()
		}
		r.figures = append(r.figures, figures)
	}
	return nil
}

// installPeers installs the peers' packages unless they are there. It returns why they can't be had.
func installPeers(ctx context.Context) error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is missing", program)
		}
	}
	lock, err := os.Stat(filepath.Join(peersFolder, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("the peers' programs are not here: %w", err)
	}
	installed, err := os.Stat(filepath.Join(peersFolder, "node_modules", ".package-lock.json"))
	if err == nil && !installed.ModTime().Before(lock.ModTime()) {
		return nil
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	install.Dir = peersFolder
	if output, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}

// measurePeer measures a peer.
func (r *liveRun) measurePeer(ctx context.Context, program string, streams int, figures *liveFigures) error {
	p, err := r.startPeer(ctx, program)
	if err != nil {
		return err
	}
	defer p.stop()
	if figures.streamKB, err = p.idle(ctx, streams); err != nil {
		return err
	}
	figures.frameMicros, err = p.fanOut(ctx)
	return err
}

// peer is a running peer.
type peer struct {
	cmd *exec.Cmd
	url string
}

func (r *liveRun) startPeer(ctx context.Context, program string) (*peer, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	var said bytes.Buffer
	p := &peer{cmd: exec.CommandContext(ctx, "node", program), url: "http://" + address}
	p.cmd.Dir = peersFolder
	p.cmd.Env = append(os.Environ(), "PORT="+port, "DATABASE_URL="+r.database.url, "NODE_ENV=production", "GRAPHILE_ENV=production")
	p.cmd.Stdout, p.cmd.Stderr = &said, &said
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting node: %w", err)
	}
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		if p.publish(ctx) == nil {
			return p, nil
		}
	}
	p.stop()
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	return nil, fmt.Errorf("it does not answer: %s", lines[len(lines)-1])
}

func (p *peer) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// publish has a result sent to all watchers.
func (p *peer) publish(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/publish", http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("publishing was answered %d", answer.StatusCode)
	}
	return nil
}

// watch opens streams.
func (p *peer) watch(ctx context.Context, streams int) (*clientProcess, error) {
	clients, err := startClients(ctx)
	if err != nil {
		return nil, err
	}
	_, err = clients.do(command{Op: "open", URL: p.url + "/graphql", Protocol: "ws", Streams: make([]streamSpec, streams), Query: peerQuery, Silent: true, Parallel: 32})
	if err != nil {
		clients.stop()
		return nil, err
	}
	time.Sleep(peerSettle)
	return clients, nil
}

// idle returns the resident memory of an idle stream in kB.
func (p *peer) idle(ctx context.Context, streams int) (float64, error) {
	warm, err := p.watch(ctx, min(200, streams))
	if err != nil {
		return 0, err
	}
	warm.stop()
	time.Sleep(peerSettle)
	before, err := residentKB(p.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	clients, err := p.watch(ctx, streams)
	if err != nil {
		return 0, err
	}
	defer clients.stop()
	time.Sleep(peerSettle)
	after, err := residentKB(p.cmd.Process.Pid)
	return float64(after-before) / float64(streams), err
}

// fanOut returns the CPU of a delivered result in microseconds, with 1,000 watchers.
func (p *peer) fanOut(ctx context.Context) (float64, error) {
	const watchers, results = 1000, 100
	clients, err := p.watch(ctx, watchers)
	if err != nil {
		return 0, err
	}
	defer clients.stop()
	for range 10 { // Warm-up.
		if err := p.publish(ctx); err != nil {
			return 0, err
		}
	}
	time.Sleep(time.Second)
	if _, err := clients.do(command{Op: "reset"}); err != nil {
		return 0, err
	}
	before, err := stat(p.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	for range results {
		time.Sleep(time.Second / 10)
		if err := p.publish(ctx); err != nil {
			return 0, err
		}
	}
	time.Sleep(time.Second)
	after, err := stat(p.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	got, err := clients.do(command{Op: "stats"})
	if err != nil {
		return 0, err
	}
	if got.Frames < watchers*results*9/10 {
		return 0, errors.New("results are missing: " + fmt.Sprint(got.Frames))
	}
	return float64((ticks(after, statUser) - ticks(before, statUser)).Microseconds()) / float64(got.Frames), nil
}

// printFigures prints the comparison, if there is one.
func (r *liveRun) printFigures() {
	if len(r.figures) < 2 {
		return
	}
	number := func(f float64) string {
		if f == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f", f)
	}
	fmt.Printf("\n%-32s %18s %18s\n", "", "kB per idle socket", "CPU µs per result")
	for _, f := range r.figures {
		if f.why != "" {
			fmt.Printf("%-32s left out: %s\n", f.name, f.why)
			continue
		}
		fmt.Printf("%-32s %18s %18s\n", f.name, number(f.streamKB), number(f.frameMicros))
	}
	fmt.Println("The peers know no users and read no database.")
}
