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

// errUnreachable is returned by Open if the database did not answer within the connect timeout.
var errUnreachable = errors.New("not reachable in time")

// IsUnavailable reports whether the error is an outage of the database, which passes and is nobody's bug: the database can't
// be reached, is stopping or starting, has no free connection, is locked, or took too long. A context that was cancelled or
// ran out is not an outage, nor is a statement that the database refused.
func IsUnavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if IsReadOnly(err) {
		return true
	}
	var postgres *pq.Error
	if errors.As(err, &postgres) {
		return isPostgresOutage(postgres)
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff { // The other bits are the extended code.
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN:
			return true
		}
		return false
	}
	return isConnectionOutage(err)
}

// isPostgresOutage reports whether PostgreSQL's error is an outage.
func isPostgresOutage(err *pq.Error) bool {
	if isStale(err) || isSharedSession(err) {
		return true // In a transaction, as after a migration. The next attempt prepares the statement again.
	}
	if err.Code == "57014" { // Cancelled by the client, or by statement_timeout. Only the message tells.
		return strings.Contains(err.Message, "statement timeout")
	}
	switch err.Code {
	case "57P01", "57P02", "57P03", // Stopping, crashed, starting.
		"57P05",          // The connection was idle for too long.
		"55P03", "25P03": // A lock timeout; a transaction was idle for too long.
		return true
	}
	switch err.Code.Class() {
	case "08", "53", "58", // The connection; too few connections, memory, disk; the system beneath.
		"40": // Rolled back in favour of another transaction.
		return true
	}
	return false
}

// isConnectionOutage reports whether an error that is not the database's is an outage.
func isConnectionOutage(err error) bool {
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
	// A timeout of the network, as while dialling. For errors.Is it is a context's deadline too.
	var operation *net.OpError
	if errors.As(err, &operation) {
		return true
	}
	// A context's deadline is a net.Error, but is not the database's.
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var network net.Error
	return errors.As(err, &network)
}

// retryable reports whether connecting again may help. A wrong password, name or certificate stays wrong.
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
			return true // Neon's error if its machine did not wake up in time.
		case refused.Code == unsupportedParameter:
			return false
		}
	}
	return IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded)
}

// isCantOpen reports whether SQLite can't open its file. Open has found or created the file, so retrying doesn't help.
func isCantOpen(err error) bool {
	var refused *sqlite.Error
	return errors.As(err, &refused) && refused.Code()&0xff == sqlite3.SQLITE_CANTOPEN
}

// unsupportedParameter is the error with which a pooler refuses a parameter of a new session.
const unsupportedParameter = "08P01"

// explain adds advice to the errors that a wrong URL leads to.
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

// NothingDone reports whether the error proves that the statement, and its transaction, changed nothing: it was not sent, or
// PostgreSQL rolled it back. After other outages it may have changed something.
func NothingDone(err error) bool {
	if errors.Is(err, ErrNoConnection) || IsUserBusy(err) || IsReadOnly(err) || errors.Is(err, errStandby) || errors.Is(err, ErrFileGone) {
		return true
	}
	var refused *pq.Error
	if errors.As(err, &refused) {
		switch refused.Code {
		case "55P03", "57014", "57P03": // A lock timeout; cancelled; the server is starting.
			return true
		}
		return refused.Code.Class() == "40" || refused.Code.Class() == "53" // Rolled back for another transaction; too few resources.
	}
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "dial"
}

// unsuitableError is the error of a database that answers but can't be used.
type unsuitableError struct{ error }

// IsUnsuitable reports whether the database answers but can't be used. The error says why, and what to do.
func IsUnsuitable(err error) bool {
	var unsuitable unsuitableError
	return errors.As(err, &unsuitable)
}
