// Command withpostgres runs another command with a PostgreSQL server for tests:
//
//	go run ./internal/testkit/cmd/withpostgres [-pooler] go test ./...
//
// If TEST_DATABASE_URL is not set, it starts a throwaway cluster, sets the variable for the command, and stops the
// cluster afterwards. With -pooler it also starts PgBouncer in transaction mode and sets TEST_POOLER_URL. On Linux the
// temporary files of both are in memory, unless TMPDIR is set. It exits with the command's exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"taskql/internal/testkit/pgbouncer"
	"taskql/internal/testkit/pgcluster"
)

func main() {
	code, err := run(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "withpostgres:", err)
	}
	os.Exit(code)
}

// run returns the exit code, and an error if the code is not the command's.
func run(ctx context.Context, args []string) (int, error) {
	pooler := len(args) > 0 && args[0] == "-pooler"
	if pooler {
		args = args[1:]
	}
	if len(args) == 0 {
		return 2, errors.New("usage: withpostgres [-pooler] COMMAND [ARGUMENT…]")
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	remove, err := useMemory()
	if err != nil {
		return 1, err
	}
	defer remove()
	env, address := os.Environ(), os.Getenv("TEST_DATABASE_URL")
	if address == "" {
		cluster, err := startCluster(ctx)
		if err != nil {
			return 1, err
		}
		if cluster != nil {
			defer stop(cluster) // Even if this fails, the cluster ends with this process.
			address = cluster.URL()
			env = append(env, "TEST_DATABASE_URL="+address)
		}
	}
	if pooler && address != "" {
		// With fewer server connections than the server's pool has, clients share them.
		bouncer, err := pgbouncer.Start(ctx, pgbouncer.Config{URL: address, PoolSize: 5})
		if err != nil {
			return 1, err
		}
		defer stop(bouncer)
		env = append(env, "TEST_POOLER_URL="+bouncer.URL)
	}
	return runCommand(ctx, args, env, signals)
}

// startCluster starts a PostgreSQL cluster. It returns nil if the machine has no PostgreSQL, except under CI=true.
func startCluster(ctx context.Context) (*pgcluster.Cluster, error) {
	started := time.Now()
	cluster, err := pgcluster.Start(ctx, pgcluster.Config{})
	switch {
	case errors.Is(err, pgcluster.ErrNoBinaries) && os.Getenv("CI") != "true":
		fmt.Fprintln(os.Stderr, "withpostgres:", err, "- tests that need PostgreSQL will be skipped")
		return nil, nil
	case err != nil:
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "withpostgres: PostgreSQL started on 127.0.0.1:%d in %s\n", cluster.Port(), time.Since(started).Round(time.Millisecond))
	return cluster, nil
}

func stop(server interface{ Stop() error }) {
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "withpostgres:", err)
	}
}

// runCommand runs the command, passing signals on to it, and returns its exit code.
func runCommand(ctx context.Context, args, env []string, signals <-chan os.Signal) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 127, fmt.Errorf("starting %s: %w", args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case received := <-signals:
			_ = cmd.Process.Signal(received) // It fails if the command has just ended.
		case err := <-ended:
			return exitCode(cmd.ProcessState, err)
		}
	}
}

func exitCode(state *os.ProcessState, err error) (int, error) {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, fmt.Errorf("running the command: %w", err)
	}
	return state.ExitCode(), nil
}
