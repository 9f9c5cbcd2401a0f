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
	// Query is the document without them.
	Query string `json:"query"`
	// Variables is JSON, or empty. The strings "<task>", "<tag>", "<tasks>" and "<cursor>" in it stand for what an
	// answer before showed last: src/seen.js says how.
	Variables string `json:"variables,omitempty"`
}

// Samples returns the tour's operations in its order. The error names the file that is not as it should be.
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

// readSample reads a document and, where there are any, its variables.
func readSample(file string) (Sample, error) {
	document, err := sampleFiles.ReadFile(file)
	if err != nil {
		return Sample{}, err
	}
	stem := strings.TrimSuffix(file, ".graphql")
	lines := strings.SplitN(string(document), "\n", 3)
	if len(lines) < 3 || !strings.HasPrefix(lines[0], "# ") || !strings.HasPrefix(lines[1], "# ") {
		return Sample{}, errors.New("it doesn't begin with two comments, the title and what it is about")
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
		Query:     lines[2],
		Variables: string(variables),
	}, nil
}
