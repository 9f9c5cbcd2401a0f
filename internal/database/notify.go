package database

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"entgo.io/ent/dialect"
	"github.com/lib/pq"

	"taskql/internal/viewer"
)

// listenTimeout is how long Listen may take until it listens.
const listenTimeout = 15 * time.Second

var (
	errNotPostgres  = errors.New("only PostgreSQL has notifications")
	errNotArrived   = errors.New("a notification that was sent has not arrived, as behind a pooler that shares sessions")
	errListenerLost = errors.New("the connection was lost")
)

// Notifications reports whether the database has notifications: PostgreSQL has, SQLite doesn't.
func (db *DB) Notifications() bool { return db.Dialect == dialect.Postgres }

// Notify sends a notification to all listeners of the channel. It is a transaction of its own, which doesn't wait for the disk:
// after a crash of the database its listeners have to connect again anyway. It may go through a pooler.
func (db *DB) Notify(ctx context.Context, channel, payload string) error {
	if !db.Notifications() {
		return errNotPostgres
	}
	const statement = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)"
	err := db.QueryRaw(viewer.AsSystem(ctx), statement, []any{channel, payload}, func([]driver.Value) error { return nil })
	if err != nil {
		return fmt.Errorf("notifying: %w", err)
	}
	return nil
}

// HasListeners reports whether any process but the named listener listens to the channel by Listen.
func (db *DB) HasListeners(ctx context.Context, channel, except string) (bool, error) {
	if !db.Notifications() {
		return false, errNotPostgres
	}
	// PostgreSQL tells nobody who listens to what, but it tells the names of connections.
	const query = `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND starts_with(application_name, $1) AND application_name <> $2`
	var count int64
	err := db.QueryRaw(viewer.AsSystem(ctx), query, []any{listenerName(channel, ""), listenerName(channel, except)}, func(row []driver.Value) error {
		count, _ = row[0].(int64)
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("looking for listeners: %w", err)
	}
	return count > 0, nil
}

// listenerName returns the application_name of a listener's connection.
func listenerName(channel, listener string) string { return channel + " listener " + listener }

// Listen listens to a channel on a connection of its own, past the pooler if DirectURL leads past it. It calls listening once
// notifications arrive, and then received with the payload of each. It returns when the context or the connection ends, with
// the reason, or if it can't connect. The calls come from one goroutine and must return soon. listener is an identifier that HasListeners can
// except; with the channel's name it may have 50 characters.
//
// Behind a pooler that shares sessions between clients, LISTEN succeeds, and nothing arrives. Only a notification of one's own
// that arrives shows that it works.
func (db *DB) Listen(ctx context.Context, channel, listener string, listening func(), received func(payload string)) error {
	if !db.Notifications() {
		return errNotPostgres
	}
	address, err := url.Parse(db.listenURL)
	if err != nil {
		return errors.New("listening: the URL of the database can't be used") // The error would quote it, password included.
	}
	query := address.Query()
	query.Set("application_name", listenerName(channel, listener))
	address.RawQuery = query.Encode()
	if err := listen(ctx, address.String(), channel, listening, received); err != nil {
		return fmt.Errorf("listening on %s: %w", db.name, explain(err))
	}
	return nil
}

// CheckNotifications sends a notification to itself, and returns why it doesn't arrive; nil if it does. The context should have a
// deadline.
func (db *DB) CheckNotifications(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	channel := "taskql_check_" + strings.ToLower(rand.Text())
	arrived := errors.New("it has arrived")
	listening, sent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		select {
		case <-listening:
			if err := db.Notify(ctx, channel, ""); err != nil {
				end(err)
			}
		case <-ctx.Done():
		}
	}()
	err := db.Listen(ctx, channel, "", func() { close(listening) }, func(string) { end(arrived) })
	end(err)
	<-sent
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, arrived):
		return nil
	case errors.Is(cause, context.DeadlineExceeded):
		return errNotArrived
	default:
		return cause
	}
}

// listen uses a lib/pq Listener for one connection. A Listener would connect again by itself, but it holds its lock while it
// connects, so it couldn't be closed if a server accepted the connection and then sent nothing.
func listen(ctx context.Context, address, channel string, listening func(), received func(payload string)) error {
	dialer := &dialer{}
	lost := make(chan error, 1)
	const pause = time.Millisecond // Until the Listener notices that it is closed.
	listener := pq.NewDialListener(dialer, address, pause, pause, func(event pq.ListenerEventType, err error) {
		if event == pq.ListenerEventConnected {
			return
		}
		dialer.close() // It doesn't connect again.
		select {
		case lost <- errors.Join(errListenerLost, err):
		default: // The first reason counts.
		}
	})
	stop, deadline := context.AfterFunc(ctx, dialer.close), time.AfterFunc(listenTimeout, dialer.close)
	ready := make(chan error, 1)
	go func() { ready <- listener.Listen(channel) }()
	defer func() {
		stop()
		deadline.Stop()
		dialer.close()
		_ = listener.Close() // It was not closed before.
		for range listener.Notify {
		}
	}()
	var notifications <-chan *pq.Notification
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-lost:
			return err
		case err := <-ready:
			if err != nil {
				return err
			}
			deadline.Stop()
			notifications = listener.Notify
			listening()
		case n := <-notifications:
			if n == nil {
				return errListenerLost
			}
			received(n.Extra)
		}
	}
}

// listenURL returns a URL of which lib/pq makes the configuration again: its Listener takes no configuration.
func listenURL(parsed *url.URL, config pq.Config, ignored []string) string {
	query := parsed.Query()
	for _, name := range ignored {
		query.Del(name)
	}
	query.Set("sslmode", string(config.SSLMode))
	query.Set("sslnegotiation", string(pq.SSLNegotiationPostgres))
	query.Set("connect_timeout", strconv.Itoa(int(config.ConnectTimeout.Seconds())))
	if config.TargetSessionAttrs != "" {
		query.Set("target_session_attrs", string(config.TargetSessionAttrs))
	}
	listen := *parsed
	listen.RawQuery = query.Encode()
	return listen.String()
}
