package importer

import (
	"context"
	"fmt"
	"unicode/utf8"
)

// readAnyText prepares for a source whose encoding is SQL_ASCII: PostgreSQL stores any bytes there, and would end the
// reading with an error at the first text that is not UTF-8. Instead the bytes are read as they are, and such texts are
// reported row by row.
func (s *source) readAnyText(ctx context.Context) error {
	var encoding string
	if err := s.tx.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return fmt.Errorf("reading the encoding of the source: %w", err)
	}
	if encoding != "SQL_ASCII" {
		return nil
	}
	if _, err := s.tx.ExecContext(ctx, "SET LOCAL client_encoding = 'SQL_ASCII'"); err != nil {
		return fmt.Errorf("choosing the encoding of the source: %w", err)
	}
	return nil
}

// text is a column's value.
type text struct{ column, value string }

// notUTF8 says that one of the texts is not UTF-8; "" if all are.
func notUTF8(texts ...text) string {
	for _, t := range texts {
		if !utf8.ValidString(t.value) {
			return fmt.Sprintf("its %s is not UTF-8, and the source does not say in which encoding it is", t.column)
		}
	}
	return ""
}

// utf8 returns a text, or "" with a note if it is not UTF-8.
func (n *notes) utf8(column, value string) string {
	if reason := notUTF8(text{column, value}); reason != "" {
		n.add("%s: it is left empty until the user signs in", reason)
		return ""
	}
	return value
}
