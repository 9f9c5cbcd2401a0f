// Package review checks migrations: while one runs, and after it, the previous release must go on working, and nothing may lock
// a big table. It parses SQL with PostgreSQL's own parser. It is not a part of the server.
//
// A finding must be fixed, or allowed with a reason in a comment on the statement:
//
//	-- migration: allow lock: the table has a few hundred rows at most
//
// or, for all statements of a file, with "in file" after the rule.
package review

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/wasilibs/go-pgquery/parser"
)

// The rules. A comment may allow a statement to break one.
const (
	// Drop: the statement drops something that the previous release may use.
	Drop = "drop"
	// Rename: the statement renames something that the previous release may use.
	Rename = "rename"
	// Tighten: rows that the previous release may write would be refused.
	Tighten = "tighten"
	// Retype: the statement changes the type of a column.
	Retype = "retype"
	// Lock: a table can't be read or written for a long time.
	Lock = "lock"
	// Rewrite: every row of a table is written again.
	Rewrite = "rewrite"
	// Opaque: the check doesn't know what the statement does.
	Opaque = "opaque"
)

// Finding is a violation of a rule.
type Finding struct {
	// Line is the first line of the statement, from 1.
	Line int
	// Rule is one of the constants, or "" for an invalid comment.
	Rule    string
	Message string
}

// Folder reviews all migrations of a folder. The error lists the findings, one in a line.
func Folder(folder fs.FS) error {
	names, err := fs.Glob(folder, "*.sql")
	if err != nil {
		return fmt.Errorf("listing the migrations: %w", err)
	}
	if len(names) == 0 {
		return errors.New("there are no migrations")
	}
	var all []string
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return fmt.Errorf("reading a migration: %w", err)
		}
		found, err := File(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, f := range found {
			all = append(all, fmt.Sprintf("%s:%d: %s", name, f.Line, f.Message))
		}
	}
	if len(all) > 0 {
		return fmt.Errorf("the release before must go on working while a migration runs and after it; mend these, "+
			"or say why it may be in a comment on the statement, such as\n  -- migration: allow lock: the table is small\n%s",
			strings.Join(all, "\n"))
	}
	return nil
}

// File reviews the up part of a migration, as goose reads it. The error is PostgreSQL's, for invalid SQL.
func File(text string) ([]Finding, error) {
	up, offset := upPart(text)
	statements, err := parse(up)
	if err != nil {
		return nil, err
	}
	r := &reviewer{created: map[string]bool{}, columns: map[string]bool{}}
	inFile := allowances{}
	for _, s := range statements {
		inFile.read(s.text(up), true)
	}
	var all []Finding
	for _, s := range statements {
		start := s.start(up)
		line := 1 + strings.Count(text[:offset+start], "\n")
		here := allowances{}
		for _, wrong := range here.read(s.text(up), false) {
			all = append(all, Finding{Line: line, Message: wrong})
		}
		for _, f := range r.statement(s.Stmt) {
			if here.allows(f.Rule) || inFile.allows(f.Rule) {
				continue
			}
			f.Line, f.Message = line, f.Rule+": "+f.Message
			all = append(all, f)
		}
		for _, rule := range here.unused() {
			all = append(all, Finding{Line: line, Message: "this statement does not " + rule + " anything: take the comment away"})
		}
	}
	for _, rule := range inFile.unused() {
		all = append(all, Finding{Line: 1, Message: "no statement of this file would " + rule + " anything: take the comment away"})
	}
	return all, nil
}

// upPart returns the part of the file that goose runs to apply it, and its offset.
func upPart(text string) (string, int) {
	begin, end := 0, len(text)
	if at := regexp.MustCompile(`(?mi)^--\s*\+goose\s+up\b.*$`).FindStringIndex(text); at != nil {
		begin = at[1]
	}
	if at := regexp.MustCompile(`(?mi)^--\s*\+goose\s+down\b.*$`).FindStringIndex(text[begin:]); at != nil {
		end = begin + at[0]
	}
	return text[begin:end], begin
}

// statement is a statement of a file.
type statement struct {
	Stmt node `json:"stmt"`
	// At and Length are in bytes, and include the comments before the statement. A Length of 0 means the rest of the file.
	At     int `json:"stmt_location"`
	Length int `json:"stmt_len"`
}

// text returns the statement with the comments before it.
func (s statement) text(all string) string {
	if s.Length == 0 {
		return all[s.At:]
	}
	return all[s.At : s.At+s.Length]
}

var leading = regexp.MustCompile(`^(?:\s+|--[^\n]*)+`)

// start returns the statement's offset, after the comments.
func (s statement) start(all string) int { return s.At + len(leading.FindString(s.text(all))) }

// node is a node of PostgreSQL's syntax tree: its kind and its fields.
type node map[string]json.RawMessage

// parse parses SQL with PostgreSQL's parser.
func parse(text string) ([]statement, error) {
	tree, err := parser.ParseToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not understand it: %w", err)
	}
	var parsed struct {
		Statements []statement `json:"stmts"`
	}
	if err := json.Unmarshal([]byte(tree), &parsed); err != nil {
		return nil, fmt.Errorf("reading the syntax tree: %w", err)
	}
	return parsed.Statements, nil
}

// allowances maps the rules that comments allow to break to whether a statement broke them.
type allowances map[string]bool

var comment = regexp.MustCompile(`(?m)^\s*--\s*migration:(.*)$`)

var allowance = regexp.MustCompile(`^ allow ([a-z]+)( in file)?: \S`)

// read adds the allowances of a statement's comments, either those for the file or those for the statement, and returns the
// invalid comments.
func (a allowances) read(text string, forFile bool) []string {
	var wrong []string
	for _, found := range comment.FindAllStringSubmatch(text, -1) {
		parts := allowance.FindStringSubmatch(found[1])
		switch {
		case parts == nil || !isRule(parts[1]):
			wrong = append(wrong, fmt.Sprintf("%q must be written as `-- migration: allow RULE: reason`, RULE being one of %s",
				strings.TrimSpace(found[0]), strings.Join(rules(), ", ")))
		case (parts[2] != "") == forFile:
			a[parts[1]] = false
		}
	}
	return wrong
}

func rules() []string { return []string{Drop, Rename, Tighten, Retype, Lock, Rewrite, Opaque} }

func isRule(name string) bool {
	for _, r := range rules() {
		if r == name {
			return true
		}
	}
	return false
}

func (a allowances) allows(rule string) bool {
	if _, ok := a[rule]; !ok {
		return false
	}
	a[rule] = true
	return true
}

// unused returns the allowed rules that no statement broke.
func (a allowances) unused() []string {
	var unused []string
	for _, rule := range rules() {
		if used, ok := a[rule]; ok && !used {
			unused = append(unused, rule)
		}
	}
	return unused
}
