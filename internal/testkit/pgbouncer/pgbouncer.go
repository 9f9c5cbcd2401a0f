// Package pgbouncer starts the machine's PgBouncer in transaction mode for tests.
package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"taskql/internal/testkit/pgcluster"
)

// Config configures a Pooler. URL is required.
type Config struct {
	// URL is the address of the server, all of whose databases are available through the pooler.
	URL string
	// PoolSize is the number of server connections that the clients of a database share. The default is 3.
	PoolSize int
	// Settings are additional lines of the configuration.
	Settings []string
}

// Pooler is a running PgBouncer.
type Pooler struct {
	// URL is Config.URL with the pooler's host and port.
	URL string

	folder  string
	process *os.Process
	ended   chan struct{}
	log     strings.Builder // to be read after it has ended
	stop    sync.Once
}

// Start starts a pooler on a free port and returns when it listens. Call Stop to end it.
func Start(ctx context.Context, c Config) (*Pooler, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			return nil, fmt.Errorf("finding pgbouncer (apt-get install pgbouncer): %w", err)
		}
	}
	address, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("the address is not a URL") // The error would quote it, password included.
	}
	port, err := pgcluster.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	p := &Pooler{ended: make(chan struct{})}
	if p.folder, err = os.MkdirTemp("", "taskql-pgbouncer-"); err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	if err := p.start(ctx, program, c.configuration(address, port)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.folder))
	}
	if err := p.await(ctx, port); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	address.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.URL = address.String()
	return p, nil
}

func (c Config) configuration(address *url.URL, port int) string {
	size := c.PoolSize
	if size == 0 {
		size = 3
	}
	password, _ := address.User.Password()
	return fmt.Sprintf("[databases]\n* = host=%s port=%s user=%s password=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = transaction\nmax_client_conn = 1000\ndefault_pool_size = %d\n"+
		"log_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n%s\n",
		address.Hostname(), address.Port(), address.User.Username(), password, port, size, strings.Join(c.Settings, "\n"))
}

func (p *Pooler) start(ctx context.Context, program, configuration string) error {
	file := filepath.Join(p.folder, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(configuration), 0o644); err != nil { // PgBouncer may run as another user.
		return fmt.Errorf("writing its configuration: %w", err)
	}
	if err := os.Chmod(p.folder, 0o755); err != nil { // As above.
		return fmt.Errorf("opening its folder: %w", err)
	}
	args := []string{file}
	if os.Getuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...) // PgBouncer refuses to run as root.
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	command.Stdout, command.Stderr = &p.log, &p.log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Out of reach of the terminal's signals.
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting pgbouncer: %w", err)
	}
	p.process = command.Process
	go func() {
		defer close(p.ended)
		_ = command.Wait() // The state says what its error does.
		fmt.Fprintln(&p.log, "it ended:", command.ProcessState)
	}()
	return nil
}

// await waits until the pooler listens.
func (p *Pooler) await(ctx context.Context, port int) error {
	var dialer net.Dialer
	var last error
	for range 400 {
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return conn.Close()
		}
		last = err
		select {
		case <-p.ended:
			return fmt.Errorf("pgbouncer ended at once: %s", p.log.String())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(25 * time.Millisecond):
		}
	}
	return fmt.Errorf("pgbouncer does not listen: %w", last)
}

// Stop stops the pooler, which ends all connections through it. It may be called more than once.
func (p *Pooler) Stop() error {
	p.stop.Do(func() { _ = p.process.Signal(syscall.SIGTERM) }) // It fails if the process has ended.
	<-p.ended
	return os.RemoveAll(p.folder)
}

// Log returns the pooler's log. Call it after Stop.
func (p *Pooler) Log() string { return p.log.String() }
