package testkit

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
	"syscall"
	"testing"
	"time"
)

// PgBouncer starts a PgBouncer in transaction mode in front of the database at address, and returns the address that
// leads through it. Sessions are few, so that clients share them. It stops when the test ends. Where the machine has no
// PgBouncer, see Lack.
func PgBouncer(t testing.TB, address string, settings ...string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			Lack(t, "pgbouncer (apt-get install pgbouncer): %v", err)
		}
	}
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal("the address is no URL")
	}
	port := freePort(t)
	folder, err := os.MkdirTemp("", "taskql-pgbouncer-") //nolint:usetesting // The folders above t.TempDir are this user's alone.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	password, _ := parsed.User.Password()
	name := strings.TrimPrefix(parsed.Path, "/")
	config := fmt.Sprintf("[databases]\n%s = host=%s port=%s user=%s password=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n%s\n",
		name, parsed.Hostname(), parsed.Port(), parsed.User.Username(), password, port, strings.Join(settings, "\n"))
	file := filepath.Join(folder, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil { // PgBouncer reads it as another user.
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o755); err != nil { // As above.
		t.Fatal(err)
	}
	args := []string{file}
	if os.Getuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...) // It refuses root.
	}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	var log strings.Builder
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Logf("PgBouncer ended with %v:\n%s", err, log.String())
		}
	})
	if err := awaitPort(t.Context(), port); err != nil {
		t.Fatalf("starting PgBouncer: %v", err)
	}
	parsed.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	return parsed.String()
}

// freePort finds a port that nobody listens on.
func freePort(t testing.TB) int {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal("no TCP address")
	}
	return address.Port
}

// awaitPort waits until somebody listens on the port.
func awaitPort(ctx context.Context, port int) error {
	var dialer net.Dialer
	var errs error
	for range 200 {
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return conn.Close()
		}
		errs = err
		time.Sleep(25 * time.Millisecond)
	}
	return errors.Join(errors.New("nobody listens"), errs)
}
