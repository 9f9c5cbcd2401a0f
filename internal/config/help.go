package config

import (
	"fmt"
	"io"
	"strings"
)

// WriteHelp writes all variables with their types, defaults and meanings, in groups.
func WriteHelp(w io.Writer) error {
	vars := variables()
	name, kind := 0, 0
	for _, v := range vars {
		name, kind = max(name, len(v.Name)), max(kind, len(v.Kind))
	}
	var b strings.Builder
	group := ""
	for _, v := range vars {
		if v.Group != group {
			group = v.Group
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		head := fmt.Sprintf("  %-*s  %-*s  %s", name, v.Name, kind, v.Kind, v.Default)
		fmt.Fprintln(&b, strings.TrimRight(head, " "))
		for _, line := range wrap(v.meaning(), 92) {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	return write(w, b.String())
}

// WriteMarkdown writes the same as Markdown, with a table for each group, for docs/configuration.md.
func WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	cell := strings.NewReplacer("|", `\|`, "*", `\*`)
	group := ""
	for _, v := range variables() {
		if v.Group != group {
			group = v.Group
			fmt.Fprintf(&b, "\n### %s\n\n| Variable | Type | Default | Meaning |\n| --- | --- | --- | --- |\n", group)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, v.Kind, cell.Replace(v.Default), cell.Replace(v.meaning()))
	}
	return write(w, b.String())
}

// write writes text to w.
func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("writing the list of variables: %w", err)
	}
	return nil
}

// wrap breaks text into lines of at most width bytes, at blanks.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
