// Package toxic puts a TCP proxy in front of a server, to cut, delay or stop its traffic in tests.
package toxic

import (
	"context"
	"fmt"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"taskql/internal/testkit/pgcluster"
)

// Proxy is a proxy at Listen for the server at Upstream. Stop cuts its connections and refuses new ones; Start accepts
// them again.
type Proxy struct{ *toxiproxy.Proxy }

// Start starts a proxy for the server at upstream, on a free port of 127.0.0.1.
func Start(upstream string) (*Proxy, error) {
	port, err := pgcluster.FreePort(context.Background())
	if err != nil {
		return nil, err
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, upstream, fmt.Sprintf("127.0.0.1:%d", port), upstream)
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("starting a proxy: %w", err)
	}
	return &Proxy{p}, nil
}

// Add adds one of toxiproxy's toxics, such as latency, with its attributes in JSON. It returns the function that
// removes it.
func (p *Proxy) Add(kind, stream, attributes string) (func(context.Context) error, error) {
	_, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, kind, kind, stream, attributes)))
	if err != nil {
		return nil, fmt.Errorf("adding %s: %w", kind, err)
	}
	return func(ctx context.Context) error { return p.Toxics.RemoveToxic(ctx, kind) }, nil
}
