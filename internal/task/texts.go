package task

import (
	"slices"
	"strings"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
)

// keptTexts is how many statements' texts are kept. The hot ones are few; clients may ask for many others.
const keptTexts = 512

// texts keeps the SQL of statements by their shapes: ent's builder takes longer to write one than its row takes to be read.
type texts struct{ kept *lru.Cache[string, keptText] }

// keptText is a statement, with its arguments after the workspace's id.
type keptText struct {
	sql  string
	rest []any
}

// shape is what a statement's text depends on, beside its columns.
type shape struct {
	// name stands for one text, and for all of its arguments but the workspace's id and args. Empty: the text is
	// written anew each time.
	name string
	// args are the arguments after the workspace's id; nil where the name stands for them as well.
	args []any
}

func newTexts() texts {
	kept, err := lru.New[string, keptText](keptTexts)
	if err != nil { // only for a size below 1
		panic(err)
	}
	return texts{kept: kept}
}

// query returns the statement of that shape and columns for a workspace, which build writes where it is not kept. Its
// first argument is the workspace's id.
func (t texts) query(of shape, columns []string, workspace string, build func() (string, []any)) (string, []any) {
	if of.name == "" {
		return build()
	}
	var key strings.Builder
	size := len(of.name)
	for _, c := range columns {
		size += len(c) + 1
	}
	key.Grow(size)
	key.WriteString(of.name)
	for _, c := range columns {
		key.WriteByte(' ')
		key.WriteString(c)
	}
	if known, ok := t.kept.Get(key.String()); ok {
		rest := known.rest
		if of.args != nil {
			rest = of.args
		}
		return known.sql, append(append(make([]any, 0, len(rest)+1), workspace), rest...)
	}
	sql, args := build()
	if len(args) == 0 || args[0] != any(workspace) || (of.args != nil && !slices.Equal(args[1:], of.args)) {
		return sql, args // Not as the shape has it: it is no shape.
	}
	t.kept.Add(key.String(), keptText{sql: sql, rest: slices.Clone(args[1:])})
	return sql, args
}

// shapeOf is the shape of a statement whose only argument beside the workspace's id is what among makes of the ids. It has
// one name for a single id and one for several.
func (s *Service) shapeOf(one, several string, ids []uuid.UUID) shape {
	if len(ids) == 1 {
		return shape{name: one, args: []any{ids[0]}}
	}
	return shape{name: several, args: []any{idList(s.dialect, ids)}}
}
