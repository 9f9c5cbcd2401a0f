package feed

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"entgo.io/ent/dialect"

	"taskql/internal/sqlstate"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// The epoch is a random number that stands for the database's history. It is kept in the database, beside what PostgreSQL says of
// itself: the cluster's identifier with the database's, which another database does not have, as after a dump was restored; and the
// timeline, which changes when a standby is promoted and when a backup is restored to a point in time. If either has changed, the
// history is another one, and a new epoch begins. If a file or a volume was put back, neither changes: see FeedState.LaterRow.
const (
	epochRow = "SELECT epoch, coalesce(cluster, ''), coalesce(timeline, '') FROM feed_epochs WHERE id = 1"
	// historyNow is what PostgreSQL says of itself. While it is a standby, it does not say the timeline.
	historyNow = "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()), " +
		"CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END"
	insertEpoch = "INSERT INTO feed_epochs (id, epoch, cluster, timeline, created_at) VALUES (1, $1, $2, $3, $4) ON CONFLICT (id) DO NOTHING"
	// updateEpoch does nothing if another replica was faster.
	updateEpoch = "UPDATE feed_epochs SET epoch = $1, cluster = $2, timeline = $3, created_at = $4 WHERE id = 1 AND epoch = $5"
)

// epochMaxAge is how long an epoch is believed if no connection is opened meanwhile.
const epochMaxAge = time.Minute

// epochs knows the current epoch.
type epochs struct {
	db     workspace.Database
	opened func() uint64
	log    *slog.Logger

	known atomic.Pointer[knownEpoch]
	// refreshing is held while the epoch is read.
	refreshing sync.Mutex
	// unreadable reports that PostgreSQL doesn't let this user see what it says of itself. It is guarded by refreshing.
	unreadable bool
}

type knownEpoch struct {
	epoch  [8]byte
	at     time.Time
	opened uint64
}

// history is what PostgreSQL says of itself. Empty texts are not known.
type history struct{ cluster, timeline string }

// differs reports whether both are known, and not the same.
func (h history) differs(from history) bool {
	other := func(a, b string) bool { return a != "" && b != "" && a != b }
	return other(h.cluster, from.cluster) || other(h.timeline, from.timeline)
}

// or returns what is known of h, and else of old.
func (h history) or(old history) history {
	if h.cluster == "" {
		h.cluster = old.cluster
	}
	if h.timeline == "" {
		h.timeline = old.timeline
	}
	return h
}

// current returns the epoch. While it is looked at again, other callers get the last one.
func (e *epochs) current(ctx context.Context) ([8]byte, error) {
	now, opened := e.db.Now(), e.opened()
	known := e.known.Load()
	if known != nil {
		age := now.Sub(known.at)
		if known.opened == opened && age >= 0 && age < epochMaxAge || !e.refreshing.TryLock() {
			return known.epoch, nil
		}
	} else {
		e.refreshing.Lock()
	}
	defer e.refreshing.Unlock()
	if again := e.known.Load(); again != known {
		return again.epoch, nil
	}
	epoch, err := e.read(viewer.AsSystem(ctx))
	if err != nil {
		return epoch, fmt.Errorf("reading the database's epoch: %w", err)
	}
	e.known.Store(&knownEpoch{epoch: epoch, at: now, opened: opened})
	return epoch, nil
}

// read reads the epoch. It begins a new one if the database has no epoch yet or its history has changed.
func (e *epochs) read(ctx context.Context) ([8]byte, error) {
	const attempts = 3 // Another replica may do the same.
	for range attempts {
		epoch, kept, err := e.readRow(ctx)
		if err != nil {
			return epoch, err
		}
		now, err := e.readHistory(ctx)
		if err != nil {
			return epoch, err
		}
		var next [8]byte
		_, _ = rand.Read(next[:]) // It never fails.
		switch learned := now.or(kept); {
		case epoch == [8]byte{}:
			_, err = e.db.Client.ExecContext(ctx, insertEpoch, next[:], now.cluster, now.timeline, e.db.Now())
		case now.differs(kept):
			e.log.LogAttrs(ctx, slog.LevelWarn, "the database has another history: it is another server, was promoted, or was restored; clients begin their copies anew")
			_, err = e.db.Client.ExecContext(ctx, updateEpoch, next[:], learned.cluster, learned.timeline, e.db.Now(), epoch[:])
		case learned != kept: // It could not be seen before.
			_, err = e.db.Client.ExecContext(ctx, updateEpoch, epoch[:], learned.cluster, learned.timeline, e.db.Now(), epoch[:])
		default:
			return epoch, nil
		}
		if err != nil {
			return epoch, err //nolint:wrapcheck // current says what was read.
		}
	}
	return [8]byte{}, errEpoch
}

var errEpoch = errors.New("the database has no epoch that can be read, or no stable one")

// readRow reads the epoch and the history that was kept with it; zero values if there is no row.
func (e *epochs) readRow(ctx context.Context) ([8]byte, history, error) {
	var epoch [8]byte
	var h history
	err := e.db.QueryRaw(ctx, epochRow, nil, func(row []driver.Value) error {
		b, _ := row[0].([]byte)
		if copy(epoch[:], b) != len(epoch) {
			return errEpoch
		}
		h.cluster, _ = row[1].(string)
		h.timeline, _ = row[2].(string)
		return nil
	})
	return epoch, h, err //nolint:wrapcheck // As above.
}

// readHistory reads what PostgreSQL says of itself.
func (e *epochs) readHistory(ctx context.Context) (history, error) {
	var h history
	if e.db.Dialect != dialect.Postgres || e.unreadable {
		return h, nil
	}
	err := e.db.QueryRaw(ctx, historyNow, nil, func(row []driver.Value) error {
		h.cluster, _ = row[0].(string)
		h.timeline, _ = row[1].(string)
		return nil
	})
	switch sqlstate.Of(err) {
	case "42501", "42883", "0A000", "55000": // No permission, no such function, not supported here.
		e.unreadable = true
		e.log.LogAttrs(ctx, slog.LevelInfo, "PostgreSQL doesn't say which cluster and timeline it is: restored databases are found by versions alone",
			slog.String("error", err.Error()))
		return history{}, nil
	default:
		return h, err //nolint:wrapcheck // As above.
	}
}

// CheckHistory returns why PostgreSQL doesn't say which cluster and timeline it is, or nil if it does. queryRaw is the database's.
func CheckHistory(ctx context.Context, queryRaw workspace.QueryRaw) error {
	return queryRaw(ctx, historyNow, nil, func([]driver.Value) error { return nil })
}
