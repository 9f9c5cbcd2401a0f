// Command server is the task API: it serves GraphQL over HTTP, migrates its database and checks its health.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"taskql/internal/config"
	"taskql/internal/importer"
)

// errUsage reports an unknown command or bad flags.
var errUsage = errors.New("wrong command line")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // A second signal ends the process at once.
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "%s\nserver: %v\n", usage(), err)
		os.Exit(2)
	case errors.Is(err, importer.ErrIncomplete):
		os.Exit(3) // The report says what is missing.
	case errors.Is(err, errLogged):
		os.Exit(1)
	case err != nil:
		fmt.Fprintf(os.Stderr, "server: %v\n", err)
		os.Exit(1)
	}
}

// run runs the command that args name, until ctx ends.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	for _, c := range commands() {
		if rest, ok := c.matches(args); ok {
			return c.run(ctx, invocation{
				env: config.FromEnviron(environ), args: rest, streams: streams{in: stdin, out: stdout, errors: stderr},
			})
		}
	}
	return fmt.Errorf("%w: unknown command: %s", errUsage, strings.Join(args, " "))
}
