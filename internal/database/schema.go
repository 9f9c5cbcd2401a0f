package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/lib/pq"
)

// publicSchema is PostgreSQL's default schema.
const publicSchema = "public"

// takeSchema removes the schema from a URL's parameters and returns it, or "" if they name none. Its parameter is called
// schema by Prisma and currentSchema by JDBC; PostgreSQL knows neither.
func takeSchema(query url.Values) (string, error) {
	schema := ""
	for _, name := range []string{"schema", "currentSchema"} {
		value := query.Get(name)
		query.Del(name)
		switch {
		case value == "":
		case strings.Contains(value, ","):
			return "", fmt.Errorf("%s names several schemas: name the one that has this server's tables", name)
		case schema != "" && schema != value:
			return "", errors.New("schema and currentSchema name different schemas: leave one of them out")
		default:
			schema = value
		}
	}
	if schema != "" && query.Get("search_path") != "" {
		return "", errors.New("it has both schema and search_path: leave one of them out")
	}
	return schema, nil
}

// setSchema makes connections use the schema. For the default schema it does nothing, because poolers refuse the
// search_path parameter.
func setSchema(config *pq.Config, schema string) {
	if schema != "" && schema != publicSchema {
		config.Runtime["search_path"] = pq.QuoteIdentifier(schema)
	}
}

// shareSchema gives the target of migrations the pool's schema, if its URL names none. It returns an error if the two URLs
// name different schemas.
func shareSchema(pooled, direct *target) error {
	switch {
	case direct.schema == pooled.schema, pooled.schema == "" && direct.schema == publicSchema:
		return nil
	case direct.schema == "":
		direct.schema = pooled.schema
		if c, ok := direct.connector.(connector); ok {
			setSchema(&c.config, direct.schema)
			direct.connector = c
		}
		return nil
	default:
		return fmt.Errorf("the direct database URL names the schema %q, the database URL %q: let both name the same one", direct.schema, pooled.schema)
	}
}

// currentSchema returns the schema in which connections create tables, or "" if it doesn't exist.
func currentSchema(ctx context.Context, pool *sql.DB) (string, error) {
	var name sql.NullString
	if err := pool.QueryRowContext(ctx, "SELECT current_schema()").Scan(&name); err != nil {
		return "", fmt.Errorf("asking for the schema: %w", err)
	}
	return name.String, nil
}

// checkSchema returns an error if connections use another schema than the one that the URL names. That may not exist yet.
func (db *DB) checkSchema(used string) error {
	if db.schema == "" || used == db.schema || used == "" {
		return nil
	}
	return unsuitableError{fmt.Errorf("the URL names the schema %q, and connections use %q: a pooler has dropped the parameter, or the role has a search_path "+
		"of its own; set it in the database (ALTER ROLE … SET search_path = %s), or give the address past the pooler",
		db.schema, used, pq.QuoteIdentifier(db.schema))}
}

// oursInPublic selects whether this server's tables are in the schema public.
const oursInPublic = `SELECT count(*) = 4 FROM pg_tables
	WHERE schemaname = 'public' AND tablename IN ('goose_db_version', 'workspaces', 'tasks', 'idempotency_keys')`

// makeSchema creates the schema that the URL names, if it is missing. It returns an error if this server's tables are in
// public: earlier releases ignored the parameter, so the data would seem to be lost.
func (db *DB) makeSchema(ctx context.Context, pool *sql.DB) error {
	used, err := currentSchema(ctx, pool)
	switch {
	case err != nil:
		return err
	case used == "" && db.schema == "":
		return errors.New("the connection's search_path names no schema that exists: make the schema, or name it by schema= instead of search_path= in DATABASE_URL, and it is made")
	case used == db.schema || db.schema == "":
		return nil
	}
	var ours bool
	if err := pool.QueryRowContext(ctx, oursInPublic).Scan(&ours); err != nil {
		return fmt.Errorf("looking for tables in the schema public: %w", err)
	}
	if ours && used == "" {
		return fmt.Errorf("the database URL names the schema %q, which does not exist, and there are tables of this server in the schema public: "+
			"to go on with them, take the parameter out of the URL; to start with an empty schema, make it (CREATE SCHEMA %s)",
			db.schema, pq.QuoteIdentifier(db.schema))
	}
	if _, err := pool.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+pq.QuoteIdentifier(db.schema)); err != nil {
		return fmt.Errorf("making the schema %q, which the database URL names: %w", db.schema, err)
	}
	if used, err = currentSchema(ctx, pool); err != nil {
		return err
	}
	if used == "" {
		return fmt.Errorf("the user may not use the schema %q, which the database URL names: GRANT USAGE, CREATE ON SCHEMA %s TO the user",
			db.schema, pq.QuoteIdentifier(db.schema))
	}
	return db.checkSchema(used)
}

// compareSchemas returns an error if migrations, through pool, would use another schema than the server, as if only one of
// the two URLs has a search_path.
func (db *DB) compareSchemas(ctx context.Context, pool *sql.DB) error {
	migrated, err := currentSchema(ctx, pool)
	if err != nil {
		return err
	}
	used, err := currentSchema(ctx, db.SQL)
	if err != nil {
		return err
	}
	if used != migrated {
		return fmt.Errorf("migrations would go to the schema %q, and the server uses %q: let DATABASE_URL and DIRECT_DATABASE_URL lead to the same one", migrated, used)
	}
	return nil
}

// Schema returns the PostgreSQL schema that the URL names, or "".
func (db *DB) Schema() string { return db.schema }
