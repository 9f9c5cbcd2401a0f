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
	"time"

	"taskql/graph"
	"taskql/internal/config"
	"taskql/internal/importer"
	"taskql/internal/server"
)

const usage = `taskql serves a task list through GraphQL.

Usage: server [command]

  serve            migrate the database, then serve (the default)
  migrate          migrate the database and end
  migrate status   list the migrations, applied and pending; change nothing
  doctor           check variables, database, auth server and cookies, and say what to do: exit 0 or 1
    --cookie VALUE   look into a session too: a Cookie header, a Set-Cookie line, a value or a
                     bearer token; - reads it from standard input, which no process list shows
  import --from URL
                   copy the tasks and tags of the original FastAPI back end (docs/import.md); again
                   does no harm: exit 0, 1 on an error, 3 where the report names what was left behind
    --from -         read the address from standard input, so that no process list shows its password
    --dry-run        change nothing, and report what would become of everything
    --user ID        only this user's; may be given several times
    --verbose        name every row in the report
  schema           print the GraphQL schema; needs no database and no variables
  health           ask the server on this machine for its health: exit 0 or 1
  version          print version, commit and Go version
  help             print this

Everything is configured by environment variables:
`

// healthTimeout bounds the health command.
const healthTimeout = 3 * time.Second

// errUsage is a command line that is none.
var errUsage = errors.New("unknown command")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "%v\n\n%s", err, usage)
		os.Exit(2)
	case errors.Is(err, importer.ErrIncomplete):
		os.Exit(3) // The report has said what.
	case errors.Is(err, errLogged):
		os.Exit(1)
	case err != nil:
		fmt.Fprintf(os.Stderr, "server: %v\n", err)
		os.Exit(1)
	}
}

// run runs the command that args name. ctx ends it.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	env := config.FromEnviron(environ)
	if len(args) > 0 && args[0] == "doctor" {
		return examine(ctx, env, args[1:], stdin, stdout)
	}
	if len(args) > 0 && args[0] == "import" {
		return importTasks(ctx, env, args[1:], streams{stdin, stdout, stderr})
	}
	switch command := strings.Join(args, " "); command {
	case "", "serve":
		return serve(ctx, env, stdout)
	case "migrate":
		return migrate(ctx, env, stdout)
	case "migrate status":
		return migrationStatus(ctx, env, stdout, stderr)
	case "health":
		ctx, cancel := context.WithTimeout(ctx, healthTimeout)
		defer cancel()
		return server.CheckHealth(ctx, config.HealthURL(env))
	case "schema":
		return graph.WriteSDL(stdout)
	case "version":
		return printVersion(stdout)
	case "help", "-h", "--help":
		return help(stdout)
	default:
		return fmt.Errorf("%w: %s", errUsage, command)
	}
}
