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

// parseSQLite reads what follows "sqlite:": a path, //path, ///absolute/path or :memory:.
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
		return target{dialect: dialect.SQLite, connector: connector, name: "sqlite::memory:", dropped: ignored, private: true}, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return target{}, fmt.Errorf("finding the SQLite file: %w", err)
	}
	connector, err := sqlite.NewConnector(sqliteDSN(path, false))
	if err != nil {
		return target{}, fmt.Errorf("reading the SQLite address: %w", err)
	}
	return target{dialect: dialect.SQLite, connector: connector, name: "sqlite:" + path, file: path, dropped: ignored}, nil
}

// makeFile makes the SQLite file where it is missing. It holds what people write and who is signed in, so only its owner
// may read it. SQLite gives the files beside it the same mode. A file that is there is not opened: closing it would end the
// locks that this process holds on it.
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

// sqliteDSN is the address as the driver takes it.
func sqliteDSN(path string, memory bool) string {
	options := url.Values{
		"_busy_timeout": {"10000"}, // Milliseconds. Writers wait for each other this long.
		"_foreign_keys": {"on"},
		// A transaction takes the write lock at its start: one that reads and then writes could not wait for it later.
		"_txlock": {"immediate"},
		// Times are kept as microseconds since 1970, which is PostgreSQL's precision: their order is the order of time
		// in every zone, and they come back in UTC.
		"_time_integer_format": {"unix_micro"},
		"_inttotime":           {"1"},
		"_timezone":            {"UTC"},
		// A misspelt column in double quotes is an error, not a text.
		"_dqs": {"0"},
	}
	if !memory {
		// What was acknowledged survives a power cut. (Migrate turns on the write-ahead log.)
		options.Set("_synchronous", "FULL")
		// The file is made before, and never again: once it is removed, connections must not begin an empty one.
		options.Set("mode", "rw")
		path = (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	}
	return "file:" + path + "?" + options.Encode()
}
