package importer

import (
	"context"
	"fmt"
	"unicode/utf8"
)

// allowAnyEncoding makes a source with the encoding SQL_ASCII readable. PostgreSQL stores any bytes there, and a query would
// fail at the first text that is not UTF-8. With this setting the bytes are returned as they are, and such texts are reported
// row by row.
func (s *source) allowAnyEncoding(ctx context.Context) error {
	var encoding string
	if err := s.tx.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return fmt.Errorf("reading the encoding of the source: %w", err)
	}
	if encoding != "SQL_ASCII" {
		return nil
	}
	if _, err := s.tx.ExecContext(ctx, "SET LOCAL client_encoding = 'SQL_ASCII'"); err != nil {
		return fmt.Errorf("setting the encoding of the source: %w", err)
	}
	return nil
}

// columnText is the value of a column.
type columnText struct{ column, value string }

// encodingProblem returns why a text can't be read because it is not UTF-8; "" if all texts are UTF-8.
func encodingProblem(texts ...columnText) string {
	for _, t := range texts {
		if !utf8.ValidString(t.value) {
			return fmt.Sprintf("its %s is not UTF-8, and the source does not say in which encoding it is", t.column)
		}
	}
	return ""
}

// utf8 returns value, or "" and adds a note if value is not UTF-8.
func (n *notes) utf8(column, value string) string {
	if reason := encodingProblem(columnText{column, value}); reason != "" {
		n.add("%s: it is left empty until the user signs in", reason)
		return ""
	}
	return value
}
