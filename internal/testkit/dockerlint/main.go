// Command dockerlint checks a Dockerfile with BuildKit's linter, like `docker build --check`. It prints the findings,
// and exits with 1 if there are any. It is a module of its own, so that BuildKit is not a dependency of the server.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dockerlint:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: dockerlint DOCKERFILE")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("reading the Dockerfile: %w", err)
	}
	source := llb.NewSourceMap(nil, args[0], "Dockerfile", text)
	source.Definition = &llb.Definition{}
	found, err := dockerfile2llb.DockerfileLint(ctx, text, dockerfile2llb.ConvertOpt{
		MetaResolver: images{}, SourceMap: source,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if found.Error != nil {
		return fmt.Errorf("%s: %s", args[0], found.Error.Message)
	}
	for _, warning := range found.Warnings {
		line := int32(0)
		if ranges := warning.Location.GetRanges(); len(ranges) > 0 {
			line = ranges[0].GetStart().GetLine()
		}
		fmt.Printf("%s:%d: %s: %s\n", args[0], line, warning.RuleName, warning.Detail)
	}
	if n := len(found.Warnings); n > 0 {
		return fmt.Errorf("%d findings", n)
	}
	return nil
}

// images returns an empty configuration for every image, so that no registry is asked.
type images struct{}

// ResolveImageConfig implements llb.ImageMetaResolver.
func (images) ResolveImageConfig(_ context.Context, image string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return image, digest.FromString(image), []byte(`{"architecture":"amd64","os":"linux","config":{}}`), nil
}
