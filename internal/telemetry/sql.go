package telemetry

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/attribute"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
)

// OpenPool opens a pool that starts a span for each statement, with its text without values. The dialect is ent's name of the
// kind of database.
func (t *Telemetry) OpenPool(connector driver.Connector, dialect string) *sql.DB {
	if t == nil {
		return sql.OpenDB(connector)
	}
	system := "postgresql"
	if dialect == "sqlite3" {
		system = "sqlite"
	}
	options := []otelsql.Option{
		otelsql.WithTracerProvider(t.traces),
		otelsql.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelsql.WithAttributes(attribute.String("db.system.name", system)),
		otelsql.WithSpanNameFormatter(statementName),
		otelsql.WithAttributesGetter(statementAttributes),
		otelsql.WithSpanErrorAttributesGetter(errorAttributes),
		otelsql.WithSpanOptions(otelsql.SpanOptions{
			DisableQuery: true,                              // The text may contain values. statementAttributes removes them.
			RecordError:  func(error) bool { return false }, // PostgreSQL's messages contain values.
			OmitRows:     true, OmitConnResetSession: true, OmitConnPrepare: true,
		}),
	}
	if t.meters != nil {
		options = append(options, otelsql.WithMeterProvider(t.meters))
	}
	return otelsql.OpenDB(connector, options...)
}

// statementName returns the name of a statement's span, such as SELECT or BEGIN.
func statementName(_ context.Context, method otelsql.Method, query string) string {
	switch method {
	case otelsql.MethodConnBeginTx:
		return "BEGIN"
	case otelsql.MethodTxCommit:
		return "COMMIT"
	case otelsql.MethodTxRollback:
		return "ROLLBACK"
	default:
	}
	if name := verb(query); name != "" {
		return name
	}
	return string(method)
}

func statementAttributes(_ context.Context, _ otelsql.Method, query string, _ []driver.NamedValue) []attribute.KeyValue {
	if query == "" {
		return nil
	}
	return []attribute.KeyValue{attribute.String("db.query.text", sanitize(query))}
}

// errorAttributes returns PostgreSQL's code of the error, or the error's type.
func errorAttributes(err error) []attribute.KeyValue {
	var state interface{ SQLState() string }
	switch {
	case errors.Is(err, driver.ErrSkip):
		return nil // The driver asks database/sql to try another method.
	case errors.As(err, &state):
		return []attribute.KeyValue{attribute.String("error.type", state.SQLState())}
	default:
		return []attribute.KeyValue{attribute.String("error.type", errorType(err))}
	}
}

// verb returns the statement's first word in capitals, or "" if it is not a known one.
func verb(query string) string {
	query = strings.TrimLeft(query, " \t\r\n(")
	end := 0
	for end < len(query) && isLetter(query[end]) {
		end++
	}
	switch word := strings.ToUpper(query[:end]); word {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "CREATE", "ALTER", "DROP", "SET", "PRAGMA", "ANALYZE", "SAVEPOINT", "RELEASE", "ROLLBACK", "LOCK":
		return word
	default:
		return ""
	}
}

// maxStatement is the length in bytes at which the texts of statements are cut off.
const maxStatement = 2048

// sanitize returns a statement without its values: each literal, number, parameter and list of them is replaced by "?".
// Statements that differ only in their values, or in how many there are, become equal. If sanitize doesn't understand the
// statement, it returns only the verb.
func sanitize(query string) string {
	var b strings.Builder
	for rest := query; rest != ""; {
		kind, length := nextToken(rest)
		switch kind {
		case tokenValue:
			b.WriteByte('?')
		case tokenText:
			b.WriteString(rest[:length])
		case tokenUnknown:
			return verb(query) + " …"
		}
		rest = rest[length:]
	}
	text := b.String()
	for _, list := range [...][2]string{{"?, ?", "?"}, {"?,?", "?"}, {"(?), (?)", "(?)"}, {"(?),(?)", "(?)"}} {
		for strings.Contains(text, list[0]) {
			text = strings.ReplaceAll(text, list[0], list[1])
		}
	}
	if len(text) > maxStatement {
		return strings.ToValidUTF8(text[:maxStatement], "") + "…"
	}
	return text
}

// tokenKind is what sanitize does with a token.
type tokenKind int

const (
	tokenUnknown tokenKind = iota
	tokenText
	tokenValue
)

// nextToken returns the kind and the length of the statement's first token. The statement must not be empty.
func nextToken(query string) (tokenKind, int) {
	switch c := query[0]; {
	case c == '\'':
		if length := literalLength(query); length > 0 {
			return tokenValue, length
		}
		return tokenUnknown, 0
	case c == '"' || c == '`':
		if end := strings.IndexByte(query[1:], c); end >= 0 {
			return tokenText, end + 2
		}
		return tokenUnknown, 0
	case c == '$':
		if length := 1 + span(query[1:], isDigit); length > 1 {
			return tokenValue, length
		}
		return tokenUnknown, 0 // It quotes a text: $$…$$.
	case isDigit(c):
		return tokenValue, span(query, func(c byte) bool { return isDigit(c) || isLetter(c) || c == '.' })
	case isLetter(c):
		length := span(query, func(c byte) bool { return isLetter(c) || isDigit(c) })
		if strings.HasPrefix(query[length:], "'") {
			return tokenUnknown, 0 // E'…' and X'…' have escapes of their own.
		}
		return tokenText, length
	case strings.HasPrefix(query, "--"), strings.HasPrefix(query, "/*"):
		return tokenUnknown, 0
	default:
		return tokenText, 1
	}
}

// span returns the length of the prefix whose bytes all belong to the class.
func span(s string, class func(byte) bool) int {
	for i := range len(s) {
		if !class(s[i]) {
			return i
		}
	}
	return len(s)
}

// literalLength returns the length of the string literal at the statement's start. It returns 0 if the literal doesn't end, or
// contains a backslash: in standard SQL that is an ordinary character, but not in every configuration.
func literalLength(query string) int {
	for i := 1; i < len(query); i++ {
		switch query[i] {
		case '\\':
			return 0
		case '\'':
			if !strings.HasPrefix(query[i+1:], "'") {
				return i + 1
			}
			i++ // Two quotes stand for one.
		}
	}
	return 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}
