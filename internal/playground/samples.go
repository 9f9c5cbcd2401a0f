package playground

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed web/samples
var sampleFiles embed.FS

// Sample is a sample operation.
type Sample struct {
	// Name is the file's name without its extension, such as "03-create-task".
	Name string `json:"name"`
	// Title and About are the comments in the first two lines of the file.
	Title string `json:"title"`
	About string `json:"about"`
	// Error is the code of the top-level error that the sample demonstrates, from a third comment such as
	// "# Error: BAD_USER_INPUT". It is empty if there is none.
	Error string `json:"error,omitempty"`
	// Query is the rest of the file.
	Query string `json:"query"`
	// Variables is JSON, or empty. It may contain placeholders such as "<task>"; fill in web/src/session.js explains them.
	Variables string `json:"variables,omitempty"`
}

// Samples returns the samples in the order of their names. The error names the wrong file.
func Samples() ([]Sample, error) {
	names, err := fs.Glob(sampleFiles, "web/samples/*.graphql")
	if err != nil {
		return nil, fmt.Errorf("listing the samples: %w", err)
	}
	samples := make([]Sample, 0, len(names))
	for _, name := range names {
		sample, err := readSample(name)
		if err != nil {
			return nil, fmt.Errorf("reading the sample %s: %w", name, err)
		}
		samples = append(samples, sample)
	}
	return samples, nil
}

// readSample reads a sample and its variables, if it has any.
func readSample(file string) (Sample, error) {
	document, err := sampleFiles.ReadFile(file)
	if err != nil {
		return Sample{}, err
	}
	stem := strings.TrimSuffix(file, ".graphql")
	lines := strings.SplitN(string(document), "\n", 3)
	if len(lines) < 3 || !strings.HasPrefix(lines[0], "# ") || !strings.HasPrefix(lines[1], "# ") {
		return Sample{}, errors.New("it must begin with two comments: a title, and what it is about")
	}
	query, code := lines[2], ""
	if line, rest, _ := strings.Cut(query, "\n"); strings.HasPrefix(line, "# Error: ") {
		query, code = rest, strings.TrimPrefix(line, "# Error: ")
	}
	variables, err := sampleFiles.ReadFile(stem + ".json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Sample{}, err
	}
	if err == nil && !json.Valid(variables) {
		return Sample{}, errors.New("its variables are not JSON")
	}
	return Sample{
		Name:      strings.TrimPrefix(stem, "web/samples/"),
		Title:     strings.TrimPrefix(lines[0], "# "),
		About:     strings.TrimPrefix(lines[1], "# "),
		Error:     code,
		Query:     query,
		Variables: string(variables),
	}, nil
}
