package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// target is a parsed URL: how to connect, and what the logs call the database.
type target struct {
	dialect   string
	connector driver.Connector
	name      string
	// ignored are the parameters of the URL and the variables of the environment that have no effect.
	ignored []string
	tls     TLS
	// schema is the schema that the URL names, or "".
	schema string
	// listenURL is what lib/pq's Listener connects with, password included; "" for SQLite.
	listenURL string
	// file is the path of the SQLite file, or "".
	file string
	// inMemory reports a SQLite database in memory, which only one connection can see.
	inMemory bool
}

// CheckURL returns an error if Open can't use the URL. It doesn't connect and creates nothing. The error never quotes the
// URL.
func CheckURL(raw string) error {
	_, err := parse(raw)
	return err
}

// parseURLs parses the URLs of the pool and of migrations. The second one may be empty.
func parseURLs(pooledURL, directURL string) (target, target, error) {
	pooled, err := parse(pooledURL)
	if err != nil {
		return target{}, target{}, fmt.Errorf("reading the database URL: %w", err)
	}
	if directURL == "" {
		return pooled, pooled, nil
	}
	direct, err := parse(directURL)
	if err != nil {
		return target{}, target{}, fmt.Errorf("reading the direct database URL: %w", err)
	}
	if direct.dialect != pooled.dialect {
		return target{}, target{}, fmt.Errorf("the direct database URL is for %s, the database URL for %s", direct.dialect, pooled.dialect)
	}
	if err := shareSchema(&pooled, &direct); err != nil {
		return target{}, target{}, err
	}
	return pooled, direct, nil
}

// logTargets logs which parameters are ignored, and how connections are protected if that is worth knowing.
func logTargets(ctx context.Context, log *slog.Logger, pooled, direct target) {
	if ignored := slices.Compact(slices.Sorted(slices.Values(slices.Concat(pooled.ignored, direct.ignored)))); len(ignored) > 0 {
		log.WarnContext(ctx, "parameters of the database URL ignored", slog.String("database", pooled.name), slog.Any("parameters", ignored))
	}
	logTLS(ctx, log, pooled.name, pooled.tls)
	if direct.tls != pooled.tls {
		logTLS(ctx, log, direct.name, direct.tls)
	}
}

// parse parses a URL. Its errors never quote it.
func parse(raw string) (target, error) {
	cleaned := unwrap(raw)
	scheme, rest, found := strings.Cut(cleaned, ":")
	if !found {
		return target{}, errors.New("it has no scheme such as postgres:// or sqlite: at its start")
	}
	// Other languages name their driver in the scheme: postgresql+asyncpg.
	scheme, _, _ = strings.Cut(strings.ToLower(scheme), "+")
	switch scheme {
	case "postgres", "postgresql":
		return parsePostgres("postgres:" + rest)
	case "sqlite", "sqlite3":
		return parseSQLite(rest)
	default:
		// The scheme is not quoted: in a mangled URL it could be a part of the password.
		return target{}, errors.New("its scheme is neither postgres:// nor sqlite: but another")
	}
}

// unwrap removes what is often copied along with a URL: spaces, quotes, the variable's name, psql.
func unwrap(raw string) string {
	for {
		cleaned := strings.Trim(strings.TrimSpace(raw), "\"'`\u201c\u201d\u2018\u2019")
		for _, prefix := range []string{"DATABASE_URL=", "psql ", "jdbc:"} {
			cleaned = strings.TrimPrefix(cleaned, prefix)
		}
		if cleaned == raw {
			return cleaned
		}
		raw = cleaned
	}
}
