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

// OpenPool opens a pool whose statements are measured: each has a span, with its text without values. The dialect is
// ent's name of the kind of database.
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
			DisableQuery: true, // Its text may hold values; ours does not.
			// PostgreSQL's messages quote values.
			RecordError: func(error) bool { return false },
			OmitRows:    true, OmitConnResetSession: true, OmitConnPrepare: true,
		}),
	}
	if t.meters != nil {
		options = append(options, otelsql.WithMeterProvider(t.meters))
	}
	return otelsql.OpenDB(connector, options...)
}

// statementName is such as SELECT or INSERT, and BEGIN for what has no text.
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
	return []attribute.KeyValue{attribute.String("db.query.text", shape(query))}
}

// errorAttributes has PostgreSQL's code for the error, or says that there was one.
func errorAttributes(err error) []attribute.KeyValue {
	var state interface{ SQLState() string }
	switch {
	case errors.Is(err, driver.ErrSkip):
		return nil // The driver asks for another way.
	case errors.As(err, &state):
		return []attribute.KeyValue{attribute.String("error.type", state.SQLState())}
	default:
		return []attribute.KeyValue{attribute.String("error.type", failure(err))}
	}
}

// verb is the statement's first word, in capitals, where it is one of SQL's.
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

// maxStatement is the longest text of a statement in a span, in bytes.
const maxStatement = 2048

// shape is a statement's text without its values: literals, numbers and parameters are ?, and a list of them is one. So
// statements that differ in their values alone, or in how many there are, have one shape. A text that is written in a
// way that is not understood here shows its first word only.
func shape(query string) string {
	var b strings.Builder
	for i := 0; i < len(query); {
		next, ok := copyToken(&b, query, i)
		if !ok {
			return verb(query) + " …"
		}
		i = next
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

// copyToken writes what stands at i without its value, and returns where the next begins. False: it is not understood.
func copyToken(b *strings.Builder, query string, i int) (int, bool) {
	c := query[i]
	switch {
	case c == '\'':
		end := literalEnd(query, i)
		b.WriteByte('?')
		return end, end > 0
	case c == '"' || c == '`':
		end := strings.IndexByte(query[i+1:], c)
		if end < 0 {
			return 0, false
		}
		end += i + 2
		b.WriteString(query[i:end])
		return end, true
	case c == '$':
		end := i + 1
		for end < len(query) && isDigit(query[end]) {
			end++
		}
		b.WriteByte('?')
		return end, end > i+1 // Else it quotes a text: $$…$$.
	case isDigit(c):
		end := i + 1
		for end < len(query) && (isDigit(query[end]) || isLetter(query[end]) || query[end] == '.') {
			end++
		}
		b.WriteByte('?')
		return end, true
	case isLetter(c):
		end := i + 1
		for end < len(query) && (isLetter(query[end]) || isDigit(query[end])) {
			end++
		}
		if end < len(query) && query[end] == '\'' {
			return 0, false // E'…', X'…': with escapes of its own.
		}
		b.WriteString(query[i:end])
		return end, true
	case strings.HasPrefix(query[i:], "--"), strings.HasPrefix(query[i:], "/*"):
		return 0, false
	default:
		b.WriteByte(c)
		return i + 1, true
	}
}

// literalEnd is the place after the literal that begins at i, 0 where it does not end. A backslash is nothing special in
// standard SQL, and where it is, nothing can be said.
func literalEnd(query string, i int) int {
	for j := i + 1; j < len(query); j++ {
		switch query[j] {
		case '\\':
			return 0
		case '\'':
			if j+1 < len(query) && query[j+1] == '\'' {
				j++
				continue
			}
			return j + 1
		}
	}
	return 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}
