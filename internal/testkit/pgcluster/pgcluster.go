// Package pgcluster starts a throwaway PostgreSQL cluster for tests, with the machine's programs or downloaded ones.
// The cluster never outlives the process that started it, however that process ends.
package pgcluster

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

// ErrNoBinaries reports that PostgreSQL's programs are neither installed nor can be downloaded.
var ErrNoBinaries = errors.New("no PostgreSQL programs found")

// errPortTaken reports that another process took the port first.
var errPortTaken = errors.New("another server has the port")

// Config configures a cluster. The zero value is a cluster on a free port.
type Config struct {
	// Port is the port on 127.0.0.1; 0 means a free one.
	Port int
	// MaxConnections is PostgreSQL's max_connections. The default is 300, enough for packages that are tested in
	// parallel.
	MaxConnections int
	// Auth is the superuser's authentication method, as in pg_hba.conf. The default is password. With trust, any
	// password is accepted.
	Auth string
	// Certificate and Key turn on TLS. They are in PEM.
	Certificate, Key []byte
	// StandbyOf makes the cluster a standby of the cluster with that URL, which needs ReplicationSettings.
	StandbyOf string
	// Settings are PostgreSQL's settings, such as "max_connections". They take precedence over those of this package.
	Settings map[string]string
}

// ReplicationSettings returns the settings that a cluster needs to have standbys, or to be one.
func ReplicationSettings() map[string]string {
	return map[string]string{"wal_level": "replica", "max_wal_senders": "4"}
}

const certificateFile, keyFile = "server.crt", "server.key"

// Cluster is a running PostgreSQL. It is safe for use by several goroutines.
type Cluster struct {
	url     string
	port    int
	watcher *exec.Cmd
	pipe    io.Closer // see watcher
	done    chan struct{}
	stop    sync.Once
}

// watcher is a shell script that runs PostgreSQL. It reads from a pipe whose other end only this process has. When the
// pipe is closed, because this process stops the cluster or ends in any way, the script stops PostgreSQL and removes
// the folder. It ignores the terminal's signals, so that Ctrl-C can't end it first.
const watcher = `
trap '' INT TERM HUP
exec 3<&0
dir=$1; shift
"$@" </dev/null 3<&- >>"$dir/log" 2>&1 &
pid=$!
( while read -r _ <&3; do :; done; kill -INT $pid ) 2>/dev/null &
reader=$!
wait $pid
kill -KILL $reader 2>/dev/null
cd / && rm -rf "$dir"
`

// Start starts a cluster and waits until it answers. Its superuser is postgres, with a random password. Durability is
// off, and the time zone is an unusual one, so that tests find code that relies on the session's time zone. The error
// wraps ErrNoBinaries if there is no PostgreSQL.
func Start(ctx context.Context, c Config) (*Cluster, error) {
	bin, err := binaries()
	if c.StandbyOf != "" {
		bin, err = Programs("postgres", "pg_basebackup")
	}
	if err != nil {
		return nil, err
	}
	user, err := unprivileged()
	if err != nil {
		return nil, err
	}
	// Between finding a free port and using it another process may take it: try again.
	for attempt := 1; ; attempt++ {
		dir, err := os.MkdirTemp("", "taskql-postgres-")
		if err != nil {
			return nil, fmt.Errorf("making the cluster's folder: %w", err)
		}
		cluster, err := start(ctx, c, bin, dir, user)
		if err == nil {
			return cluster, nil
		}
		err = errors.Join(err, os.RemoveAll(dir))
		if c.Port != 0 || attempt == 3 || ctx.Err() != nil || !errors.Is(err, errPortTaken) {
			return nil, err
		}
	}
}

func start(ctx context.Context, c Config, bin, dir string, user account) (*Cluster, error) {
	password := rand.Text()
	if c.StandbyOf != "" {
		primary, err := url.Parse(c.StandbyOf)
		if err != nil {
			return nil, errors.New("the primary's address is not a URL") // The error would quote it, password included.
		}
		password, _ = primary.User.Password()
	}
	pwfile := filepath.Join(dir, "password")
	if err := os.WriteFile(pwfile, []byte(password+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("writing the cluster's password: %w", err)
	}
	for _, path := range []string{pwfile, dir} {
		if err := user.chown(path); err != nil {
			return nil, err
		}
	}
	for name, content := range map[string][]byte{certificateFile: c.Certificate, keyFile: c.Key} {
		if content == nil {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, fmt.Errorf("writing the cluster's %s: %w", name, err)
		}
		if err := user.chown(path); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(dir, "data")
	err := fill(ctx, c, bin, dir, data, pwfile, user)
	if err != nil {
		return nil, err
	}
	port := c.Port
	if port == 0 {
		if port, err = FreePort(ctx); err != nil {
			return nil, err
		}
	}
	return launch(ctx, c, bin, dir, data, password, port, user)
}

// fill creates the data of a new cluster, or copies the primary's.
func fill(ctx context.Context, c Config, bin, dir, data, pwfile string, user account) error {
	if c.StandbyOf == "" {
		return initdb(ctx, c, bin, dir, data, pwfile, user)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pg_basebackup"), "-d", c.StandbyOf, "-D", data, "--write-recovery-conf",
		"--checkpoint=fast", "--no-sync")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, environment(), user.sysProcAttr()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("copying the primary: %w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}

// initdb creates the data of a new cluster. It prefers a locale with UTF-8, because C has no rules for letters outside
// of ASCII.
func initdb(ctx context.Context, c Config, bin, dir, data, pwfile string, user account) error {
	var failures []error
	for _, locale := range []string{"C.UTF-8", "en_US.UTF-8", "C"} {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "--pwfile", pwfile,
			"--auth="+cmp.Or(c.Auth, "password"), "--encoding=UTF8", "--locale="+locale, "--no-sync", "--no-instructions")
		cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, environment(), user.sysProcAttr()
		output, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		failures = append(failures, fmt.Errorf("initdb with locale %s: %w: %s", locale, err, bytes.TrimSpace(output)))
		if err := os.RemoveAll(data); err != nil {
			return fmt.Errorf("removing a failed cluster: %w", err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failures...)
}

// launch starts PostgreSQL and waits until it answers.
func launch(ctx context.Context, c Config, bin, dir, data, password string, port int, user account) (*Cluster, error) {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(port),
		"unix_socket_directories": "",
		"max_connections":         strconv.Itoa(cmp.Or(c.MaxConnections, 300)),
		"shared_buffers":          "64MB",
		"fsync":                   "off",
		"synchronous_commit":      "off",
		"full_page_writes":        "off",
		"wal_level":               "minimal",
		"max_wal_senders":         "0",
		"TimeZone":                "<+0545>-05:45",
		"log_timezone":            "UTC",
	}
	if c.Certificate != nil {
		settings["ssl"] = "on"
		settings["ssl_cert_file"], settings["ssl_key_file"] = filepath.Join(dir, certificateFile), filepath.Join(dir, keyFile)
	}
	for name, value := range c.Settings {
		settings[name] = value
	}
	args := []string{"-c", watcher, "taskql-postgres", dir, filepath.Join(bin, "postgres"), "-D", data}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	// No context: the pipe ends the watcher, not the caller's deadline.
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, environment(), user.sysProcAttr()
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making the watcher's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	address := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/postgres", RawQuery: "sslmode=disable",
	}
	cluster := &Cluster{url: address.String(), port: port, watcher: cmd, pipe: pipe, done: make(chan struct{})}
	go func() {
		defer close(cluster.done)
		_ = cmd.Wait() // The log says more than the exit status.
	}()
	if err := cluster.await(ctx, filepath.Join(dir, "log")); err != nil {
		return nil, errors.Join(err, cluster.Stop())
	}
	return cluster, nil
}

// await waits until the cluster answers, for at most 5 minutes, because the machine may be busy.
func (c *Cluster) await(ctx context.Context, log string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	db, err := sql.Open("postgres", c.url)
	if err != nil {
		return fmt.Errorf("opening the cluster: %w", err)
	}
	defer db.Close()
	var tail string
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		// Read the log now, because the watcher removes it if PostgreSQL ends at once.
		if lines := lastLines(log, 5); lines != "" {
			tail = lines
		}
		var refused *pq.Error
		if errors.As(err, &refused) && refused.Code != "57P03" {
			return fmt.Errorf("%w: %w", errPortTaken, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer (%w): %s", ctx.Err(), tail)
		case <-c.done:
			err := errors.New("PostgreSQL ended at once")
			if tail == "" || strings.Contains(tail, "could not bind") {
				err = fmt.Errorf("%w: %w", err, errPortTaken)
			}
			return fmt.Errorf("%w: %s", err, tail)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// URL returns the address of the database postgres, with the superuser and password.
func (c *Cluster) URL() string { return c.url }

// Port returns the cluster's port on 127.0.0.1.
func (c *Cluster) Port() int { return c.port }

// Stop stops the cluster, which ends all sessions, and removes its folder. It may be called more than once. It returns
// an error if the cluster has not stopped after 2 minutes.
func (c *Cluster) Stop() error {
	c.stop.Do(func() { _ = c.pipe.Close() })
	select {
	case <-c.done:
		return nil
	case <-time.After(2 * time.Minute):
		return errors.New("PostgreSQL has not stopped after 2 minutes")
	}
}

// environment returns the environment variables without PostgreSQL's, which would change what its programs do.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "PG") })
}

// FreePort returns a port of 127.0.0.1 that is free at the moment. Systems give higher ports to connections, so that none takes
// this one before the caller listens there, or while it doesn't for a while.
func FreePort(ctx context.Context) (int, error) {
	const first, ports, attempts = 10_000, 20_000, 100
	var config net.ListenConfig
	var err error
	for range attempts {
		port := first + mathrand.IntN(ports)
		var listener net.Listener
		if listener, err = config.Listen(ctx, "tcp4", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("finding a free port: %w", err)
}

// lastLines returns the last n lines of a file, "" if it can't be read.
func lastLines(path string, n int) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	var lines []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if lines = append(lines, scanner.Text()); len(lines) > n {
			lines = lines[1:]
		}
	}
	return strings.Join(lines, "\n")
}
