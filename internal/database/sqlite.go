package database

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"entgo.io/ent/dialect"
	"modernc.org/sqlite"
)

// parseSQLite parses what follows "sqlite:": a path, //path, ///absolute/path or :memory:.
func parseSQLite(rest string) (target, error) {
	path, rawQuery, _ := strings.Cut(rest, "?")
	var ignored []string
	if query, err := url.ParseQuery(rawQuery); err == nil {
		for name := range query {
			ignored = append(ignored, name)
		}
		slices.Sort(ignored)
	}
	path = strings.TrimPrefix(path, "//")
	if path == "" || path == "/" {
		return target{}, errors.New("it names no file: it should look like sqlite:taskql.db")
	}
	if path == ":memory:" || path == "/:memory:" {
		connector, err := sqlite.NewConnector(sqliteDSN(":memory:", true))
		if err != nil {
			return target{}, fmt.Errorf("reading the SQLite address: %w", err)
		}
		return target{dialect: dialect.SQLite, connector: connector, name: "sqlite::memory:", ignored: ignored, inMemory: true}, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return target{}, fmt.Errorf("finding the SQLite file: %w", err)
	}
	connector, err := sqlite.NewConnector(sqliteDSN(path, false))
	if err != nil {
		return target{}, fmt.Errorf("reading the SQLite address: %w", err)
	}
	return target{dialect: dialect.SQLite, connector: connector, name: "sqlite:" + path, file: path, ignored: ignored}, nil
}

// makeFile creates the SQLite file if it is missing. Only its owner may read it, because it holds what people write and who
// is signed in; SQLite gives the files beside it the same mode. makeFile doesn't open an existing file: closing it would
// release the locks that this process holds on it.
func makeFile(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("opening the SQLite file that DATABASE_URL names: %w", err)
	}
	return file.Close()
}

// sqliteDSN returns the driver's name for the database at path.
func sqliteDSN(path string, memory bool) string {
	options := url.Values{
		"_busy_timeout": {"10000"}, // Milliseconds. Writers wait for each other this long.
		"_foreign_keys": {"on"},
		// Transactions take the write lock when they begin. If one read first, it could not wait for the lock later.
		"_txlock": {"immediate"},
		// Times are stored as microseconds since 1970, PostgreSQL's precision, so that they sort by time in every zone, and
		// are returned in UTC.
		"_time_integer_format": {"unix_micro"},
		"_inttotime":           {"1"},
		"_timezone":            {"UTC"},
		// A misspelt column in double quotes is an error instead of a string.
		"_dqs": {"0"},
	}
	if !memory {
		// Committed transactions survive a power cut. (Migrate turns on the write-ahead log.)
		options.Set("_synchronous", "FULL")
		// makeFile has created the file. If it is removed, connections must not create an empty one.
		options.Set("mode", "rw")
		path = (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	}
	return "file:" + path + "?" + options.Encode()
}
