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

// Sample is an operation of the tour.
type Sample struct {
	// Name is the file's, without its ending, such as "03-create-task".
	Name string `json:"name"`
	// Title and About are the first two lines of the file, which are comments.
	Title string `json:"title"`
	About string `json:"about"`
	// Error is the code of the top-level error that the sample shows, from a third comment such as
	// "# Error: BAD_USER_INPUT", or empty.
	Error string `json:"error,omitempty"`
	// Query is the document without these comments.
	Query string `json:"query"`
	// Variables is JSON, or empty. It may hold placeholders such as "<task>": fill in web/src/session.js explains them.
	Variables string `json:"variables,omitempty"`
}

// Samples returns the tour's operations in its order. The error names the file that is wrong.
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

// readSample reads a document and its variables, if it has any.
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
