package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"taskql/graph"
	"taskql/internal/config"
	"taskql/internal/server"
)

// healthTimeout bounds the health command.
const healthTimeout = 3 * time.Second

// command is a command of the binary. The help is printed from these.
type command struct {
	// name is one or two words.
	name    string
	aliases []string
	// flags reports whether arguments may follow.
	flags bool
	help  string
	run   func(context.Context, invocation) error
}

// invocation is what a command gets: the environment, the arguments after its name, and the process's streams.
type invocation struct {
	streams

	env  map[string]string
	args []string
}

// matches reports whether args name the command, and returns the arguments after the name.
func (c command) matches(args []string) ([]string, bool) {
	if c.flags {
		return args[min(1, len(args)):], len(args) > 0 && args[0] == c.name
	}
	line := strings.Join(args, " ")
	return nil, line == c.name || slices.Contains(c.aliases, line)
}

// commands returns all commands.
func commands() []command {
	return []command{
		{name: "serve", aliases: []string{""}, help: "migrate the database, then serve (the default)", run: func(ctx context.Context, c invocation) error {
			return serve(ctx, c.env, c.out)
		}},
		{name: "migrate", help: "migrate the database and exit", run: func(ctx context.Context, c invocation) error {
			return migrate(ctx, c.env, c.out)
		}},
		{name: "migrate status", help: "list the migrations, applied and pending; change nothing", run: func(ctx context.Context, c invocation) error {
			return migrationStatus(ctx, c.env, c.out, c.errors)
		}},
		{name: "doctor", flags: true, help: doctorHelp, run: func(ctx context.Context, c invocation) error {
			return runDoctor(ctx, c.env, c.args, c.in, c.out)
		}},
		{name: "import", flags: true, help: importHelp, run: func(ctx context.Context, c invocation) error {
			return importTasks(ctx, c.env, c.args, c.streams)
		}},
		{name: "erase", flags: true, help: eraseHelp, run: func(ctx context.Context, c invocation) error {
			return eraseUser(ctx, c.env, c.args, c.streams)
		}},
		{name: "workspaces", flags: true, help: workspacesHelp, run: func(ctx context.Context, c invocation) error {
			return manageWorkspaces(ctx, c.env, c.args, c.streams)
		}},
		{name: "schema", help: "print the GraphQL schema; needs no database and no variables", run: func(_ context.Context, c invocation) error {
			return graph.WriteSDL(c.out)
		}},
		{name: "health", help: "ask the server on this machine for its health; exits with 0 or 1", run: func(ctx context.Context, c invocation) error {
			ctx, cancel := context.WithTimeout(ctx, healthTimeout)
			defer cancel()
			return server.CheckHealth(ctx, config.HealthURL(c.env))
		}},
		{name: "version", help: "print version, commit and Go version", run: func(_ context.Context, c invocation) error {
			return printVersion(c.out)
		}},
		{name: "help", aliases: []string{"-h", "--help"}, help: "print this", run: func(_ context.Context, c invocation) error {
			return help(c.out)
		}},
	}
}

const doctorHelp = `check variables, database, auth server and cookies, and say what to do about each problem;
exits with 0 or 1
  --cookie VALUE   check a session too: a Cookie header, a Set-Cookie line, a cookie's value or a
                   bearer token; - reads it from standard input, so that no process list shows it
  --api-key KEY    check an API key too, which costs it up to four of its requests, and one for
                   each organization; - as above`

const importHelp = `copy the tasks and tags of the original FastAPI back end (docs/import.md); can be repeated;
exits with 0, with 1 on an error, with 3 if something could not be copied
  --from URL       the database to copy from; - reads the URL from standard input, so that no
                   process list shows its password
  --dry-run        change nothing, and report what would be copied
  --user ID        copy only this user's; may be given several times
  --verbose        name every row in the report`

// usage returns the list of commands.
func usage() string {
	const width = 16
	var b strings.Builder
	b.WriteString("taskql serves a task list through GraphQL.\n\nUsage: server [command]\n\n")
	for _, c := range commands() {
		help := strings.ReplaceAll(c.help, "\n", "\n"+strings.Repeat(" ", width+3))
		fmt.Fprintf(&b, "  %-*s %s\n", width, c.name, help)
	}
	return b.String()
}
