// Command withpostgres runs another command with a PostgreSQL for tests at hand:
//
//	go run ./internal/testkit/cmd/withpostgres [-pooler] go test ./...
//
// Where TEST_DATABASE_URL is not set it starts a throwaway cluster, sets the variable for the command, and stops the
// cluster afterwards. With -pooler it starts PgBouncer in transaction mode in front, and TEST_POOLER_URL leads through
// that. It exits as the command did.
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

// run returns the code to exit with, and why where it is not the command's own.
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

	env, address := os.Environ(), os.Getenv("TEST_DATABASE_URL")
	if address == "" {
		started := time.Now()
		cluster, err := pgcluster.Start(ctx, pgcluster.Config{})
		switch {
		case errors.Is(err, pgcluster.ErrNoBinaries) && os.Getenv("CI") != "true":
			fmt.Fprintln(os.Stderr, "withpostgres:", err, "- tests that need PostgreSQL will be skipped")
		case err != nil:
			return 1, err
		default:
			defer func() { // Even if it fails, the cluster ends with this process.
				if err := cluster.Stop(); err != nil {
					fmt.Fprintln(os.Stderr, "withpostgres:", err)
				}
			}()
			fmt.Fprintf(os.Stderr, "withpostgres: PostgreSQL started on 127.0.0.1:%d in %s\n", cluster.Port(), time.Since(started).Round(time.Millisecond))
			address = cluster.URL()
			env = append(env, "TEST_DATABASE_URL="+address)
		}
	}
	if pooler && address != "" {
		// Fewer sessions than the pool of one server has connections, so that they are shared.
		bouncer, err := pgbouncer.Start(ctx, pgbouncer.Config{URL: address, PoolSize: 5})
		if err != nil {
			return 1, err
		}
		defer func() {
			if err := bouncer.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, "withpostgres:", err)
			}
		}()
		env = append(env, "TEST_POOLER_URL="+bouncer.URL)
	}

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
			_ = cmd.Process.Signal(received) // The command may just have ended.
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
