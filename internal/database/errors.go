package database

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/lib/pq"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// errUnreachable says that Open gave up.
var errUnreachable = errors.New("not reachable in time")

// IsUnavailable says whether the error is an outage of the database, which passes and is nobody's bug: it is not
// there, it is stopping or starting, it is full of connections, it is locked, a statement took too long. A context that the client cancelled or
// that ran out is not one, nor is a statement that the database refused.
func IsUnavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if IsReadOnly(err) {
		return true
	}
	if isStale(err) || isShared(err) {
		return true // A prepared statement was lost in the middle of a transaction, as by a migration. The next try has a new one.
	}
	var refused *pq.Error
	if errors.As(err, &refused) {
		if refused.Code == "57014" { // Cancelled by us, or by statement_timeout: only the words tell.
			return strings.Contains(refused.Message, "statement timeout")
		}
		switch refused.Code {
		case "57P01", "57P02", "57P03", // Stopping, crashed, starting.
			"57P05",          // The connection was idle for too long.
			"55P03", "25P03": // Gave up waiting for a lock; a transaction was idle for too long.
			return true
		}
		switch refused.Code.Class() {
		case "08", "53", "58", // The connection; too few connections, memory, disk; the system beneath.
			"40": // Another transaction was in the way; this one was rolled back.
			return true
		}
		return false
	}
	var locked *sqlite.Error
	if errors.As(err, &locked) {
		switch locked.Code() & 0xff { // The rest of the bits only say more about it.
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN:
			return true
		}
		return false
	}
	for _, outage := range []error{
		errUnreachable, ErrNoConnection, ErrUserBusy, errStandby, ErrFileGone, errChangeLost,
		driver.ErrBadConn, sql.ErrConnDone, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if errors.Is(err, outage) {
			return true
		}
	}
	// What the network itself gave up on, such as dialling. It looks like a context's deadline to errors.Is.
	var operation *net.OpError
	if errors.As(err, &operation) {
		return true
	}
	// A context's deadline is a net.Error too, but says nothing about the database.
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var network net.Error
	return errors.As(err, &network)
}

// retryable says whether connecting again may help. A wrong password, name or certificate stays wrong.
func retryable(err error) bool {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) || explainTLS(err) != nil || errors.Is(err, pq.ErrSSLNotSupported) {
		return false
	}
	if isCantOpen(err) {
		return false
	}
	var refused *pq.Error
	if errors.As(err, &refused) {
		switch {
		case refused.Code.Class() == "XX":
			return true // How Neon says that its machine did not wake up in time.
		case refused.Code == unsupportedParameter:
			return false
		}
	}
	return IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded)
}

// isCantOpen reports whether SQLite can't open its file. Open has found or made the file, so it stays that way.
func isCantOpen(err error) bool {
	var refused *sqlite.Error
	return errors.As(err, &refused) && refused.Code()&0xff == sqlite3.SQLITE_CANTOPEN
}

// unsupportedParameter is how a pooler refuses what a session was to be started with.
const unsupportedParameter = "08P01"

// explain adds what to do to the errors that a wrong URL leads to.
func explain(err error) error {
	if isCantOpen(err) {
		return fmt.Errorf("the SQLite file can't be opened: it must be a file, not a folder, and this user must be allowed to read and write it and its folder: %w", err)
	}
	var refused *pq.Error
	if errors.As(err, &refused) {
		switch refused.Code {
		case "28P01", "28000":
			return fmt.Errorf("the server refuses the user or the password: %w", err)
		case "3D000":
			return fmt.Errorf("the server has no such database: %w", err)
		case unsupportedParameter:
			return fmt.Errorf("a pooler refuses a parameter of the URL; leave it out (a schema can be set in the database: ALTER ROLE … SET search_path = …), or give the address past the pooler: %w", err)
		}
	}
	if errors.Is(err, pq.ErrSSLNotSupported) {
		return fmt.Errorf("the server has no TLS; add sslmode=disable to the URL if that is right: %w", err)
	}
	if explained := explainTLS(err); explained != nil {
		return explained
	}
	return err
}

// NothingDone says whether an error proves that the statement, and the transaction around it, has done nothing: none was
// sent, or PostgreSQL itself gave it up. Of other outages nobody knows.
func NothingDone(err error) bool {
	if errors.Is(err, ErrNoConnection) || IsUserBusy(err) || IsReadOnly(err) || errors.Is(err, errStandby) || errors.Is(err, ErrFileGone) {
		return true
	}
	var refused *pq.Error
	if errors.As(err, &refused) {
		switch refused.Code {
		case "55P03", "57014", "57P03": // It waited too long for a lock, was cancelled, or the server is starting.
			return true
		}
		return refused.Code.Class() == "40" || refused.Code.Class() == "53" // Rolled back for another; too few resources.
	}
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "dial"
}

// unsuitableError says why a database that answers can't be used, and what to do.
type unsuitableError struct{ error }

// IsUnsuitable reports whether the error says that a database answers, but can't be used. It also says what to do.
func IsUnsuitable(err error) bool {
	var unsuitable unsuitableError
	return errors.As(err, &unsuitable)
}
