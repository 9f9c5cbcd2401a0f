package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"taskql/internal/database"
	"taskql/internal/feed"
)

// database checks the database. It connects as the server does, and only reads.
func (d *doctor) database(ctx context.Context) {
	d.section("Database")
	if name := d.anyProblem("DATABASE_URL"); name != "" {
		d.unchecked("the database was", name)
		return
	}
	address := strings.TrimSpace(strings.Trim(d.cfg.DatabaseURL.Reveal(), `"'`))
	if strings.HasPrefix(strings.ToLower(address), "sqlite") {
		d.sqlite(address)
		return
	}
	direct := d.cfg.DirectDatabaseURL.Reveal()
	if name := d.anyProblem("DIRECT_DATABASE_URL"); name != "" {
		direct = ""
	}
	open, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	db, err := database.Open(open, database.Config{
		URL: d.cfg.DatabaseURL.Reveal(), DirectURL: direct, MaxOpenConns: 1, ConnectTimeout: d.Timeout, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fix := "check host, port, user, password and name in DATABASE_URL, and that the database runs and lets this machine in"
		if database.IsCertificateError(err) || database.IsUnsuitable(err) {
			fix = "" // The error says it.
		}
		d.fail(err.Error(), fix)
		return
	}
	defer func() { _ = db.Close() }() // It only read.
	d.postgres(ctx, db)
	d.tls(db.TLS())
	d.pooler()
	d.notifications(ctx, db)
	d.history(ctx, db)
	d.migrations(ctx, db)
}

// sqlite checks the file without opening it as a database, because SQLite would create files beside it.
func (d *doctor) sqlite(address string) {
	_, path, _ := strings.Cut(address, ":")
	path, _, _ = strings.Cut(strings.TrimPrefix(path, "//"), "?")
	switch info, err := os.Stat(path); {
	case strings.HasSuffix(path, ":memory:"):
		d.ok("SQLite in memory: the data is lost when the process ends")
	case os.IsNotExist(err):
		d.ok("SQLite: " + path + " does not exist yet; the server creates it")
	case err != nil:
		d.fail("SQLite: "+err.Error(), "let the server's user read and write the file and its folder")
	case !info.Mode().IsRegular():
		d.fail("SQLite: "+path+" is not a file", "set DATABASE_URL to the path of a file")
	default:
		d.ok("SQLite: " + path + " exists; the server migrates it")
	}
}

// postgres checks the server's version, clock, and whether it accepts changes.
func (d *doctor) postgres(ctx context.Context, db *database.DB) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	tx, err := db.SQL.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		d.fail(fmt.Sprintf("reading from %s: %v", db, err), "")
		return
	}
	defer func() { _ = tx.Rollback() }() // It only read.
	var version string
	var theirs time.Time
	var standby, readOnly bool
	before := d.Now()
	err = tx.QueryRowContext(ctx, "SELECT current_setting('server_version'), clock_timestamp(), pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool").Scan(&version, &theirs, &standby, &readOnly)
	after := d.Now()
	if err != nil {
		d.fail(fmt.Sprintf("reading from %s: %v", db, err), "")
		return
	}
	d.ok(fmt.Sprintf("reachable: %s, PostgreSQL %s", db, version))
	switch {
	case standby:
		d.fail("it is a standby, which is read-only", "set DATABASE_URL to the primary, or to all hosts: host1,host2")
	case readOnly:
		d.fail("it accepts no changes: default_transaction_read_only is on", "free space if the host has turned it on because the disk is full; else turn it off, or take it out of DATABASE_URL")
	}
	if schema := db.Schema(); schema != "" {
		d.ok(fmt.Sprintf("schema: tables are in %q", schema))
	}
	d.skew("the database's", theirs, before, after, "let both machines keep their clocks by NTP")
}

// tls reports whether the database's certificate is verified.
func (d *doctor) tls(t database.TLS) {
	switch {
	case t.Upgraded:
		d.ok("TLS: the certificate is verified (verify-full), though the URL does not ask for it")
	case t.Verified():
		d.ok("TLS: the certificate is verified (" + t.Mode + ")")
	case t.Public:
		d.warn("TLS: the certificate is not verified (sslmode="+t.Mode+"): any server that answers is trusted",
			"set sslmode=verify-full, and sslrootcert=FILE if the certificate authority is not a public one")
	default:
		d.ok("TLS: sslmode=" + t.Mode + ", on a private network")
	}
}

// pooler reports whether connections go through a pooler, as far as the addresses show.
func (d *doctor) pooler() {
	switch advice := d.cfg.PoolerWarning(); {
	case d.anyProblem("DIRECT_DATABASE_URL") != "":
		d.unchecked("the connection of migrations was", "DIRECT_DATABASE_URL")
	case advice != "":
		d.warn(advice, "")
	case d.cfg.Pooled():
		d.ok("connections go through a pooler, migrations directly by DIRECT_DATABASE_URL")
	default:
		d.ok("connections are direct, as far as the address shows")
	}
}

// notificationTimeout is how long a notification may take.
const notificationTimeout = 3 * time.Second

// notifications checks whether replicas can tell one another of changes.
func (d *doctor) notifications(ctx context.Context, db *database.DB) {
	if d.anyProblem("DIRECT_DATABASE_URL") != "" {
		return // It was said of the pooler.
	}
	ctx, cancel := context.WithTimeout(ctx, min(d.Timeout, notificationTimeout))
	defer cancel()
	if err := db.CheckNotifications(ctx); err != nil {
		d.warn("notifications: "+err.Error()+"; several replicas find one another's changes by polling, up to a second late",
			"set DIRECT_DATABASE_URL to an address past the pooler")
		return
	}
	d.ok("notifications arrive: replicas tell one another of changes at once")
}

// history checks whether the server can see that the database was restored or replaced.
func (d *doctor) history(ctx context.Context, db *database.DB) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	if err := feed.CheckHistory(ctx, db.QueryRaw); err != nil {
		d.warn("history: "+err.Error()+"; whether the database was restored is only seen by the versions of workspaces, which may miss it",
			"GRANT EXECUTE ON FUNCTION pg_control_system() TO the user in DATABASE_URL, if the host allows it")
		return
	}
	d.ok("history: a restored or promoted database is noticed, and clients' copies begin from scratch")
}

// migrations compares the database's migrations with the binary's.
func (d *doctor) migrations(ctx context.Context, db *database.DB) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	if err := db.CheckForeignTables(ctx); errors.Is(err, database.ErrForeignTables) {
		d.fail(err.Error(), "")
		return
	}
	list, err := db.MigrationStatuses(ctx)
	if err != nil {
		d.fail("migrations: "+err.Error(), "check DIRECT_DATABASE_URL, or DATABASE_URL if that is not set")
		return
	}
	applied, pending, unknown := 0, 0, 0
	for _, m := range list {
		switch {
		case m.Name == "":
			unknown++
		case m.AppliedAt.IsZero():
			pending++
		default:
			applied++
		}
	}
	if pending > 0 {
		d.warn(fmt.Sprintf("migrations: %d applied, %d pending", applied, pending), "the next start applies them, or `server migrate` now")
	}
	if unknown > 0 {
		d.warn(fmt.Sprintf("migrations: the database has %d that this release does not know", unknown), "a later release migrated it; deploy that one again, or go on: releases work with the next one's migrations")
	}
	if pending+unknown == 0 {
		d.ok(fmt.Sprintf("migrations: all %d applied", applied))
		d.reminders(ctx, db)
	}
}

// overdue is how long after its time a reminder that has not fired is overdue.
const overdue = 5 * time.Minute

// reminders looks for reminders that no server fires.
func (d *doctor) reminders(ctx context.Context, db *database.DB) {
	var count int
	var first sql.NullTime
	err := db.SQL.QueryRowContext(ctx, "SELECT count(*), min(r.fire_at) FROM reminders r JOIN workspaces w ON w.id = r.workspace_id WHERE w.closed_at IS NULL AND r.fire_at < $1",
		d.Now().Add(-overdue)).Scan(&count, &first)
	switch {
	case err != nil:
		d.fail("reminders: "+err.Error(), "")
	case count > 0:
		d.warn(fmt.Sprintf("reminders: no server has fired %d, the first of which was due at %s", count, first.Time.UTC().Format(time.RFC3339)),
			"let a server run all the time: a service that sleeps, such as a serverless one on Railway, fires nothing until a request wakes it")
	default:
		d.ok("reminders: none is overdue (they only fire while a server runs, so don't let the service sleep)")
	}
}
