// Package toxic puts a TCP proxy between a server and what it asks, to cut, delay and silence what goes through.
package toxic

import (
	"context"
	"fmt"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy is a proxy at Listen that leads to Upstream. Stop cuts its connections and refuses new ones, Start takes them again.
type Proxy struct{ *toxiproxy.Proxy }

// Start starts a proxy on a free port of 127.0.0.1 that leads to upstream.
func Start(upstream string) (*Proxy, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, upstream, "127.0.0.1:0", upstream)
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("starting a proxy: %w", err)
	}
	return &Proxy{p}, nil
}

// Add puts something between, with toxiproxy's names and attributes in JSON, and returns what takes it away.
func (p *Proxy) Add(kind, stream, attributes string) (func(context.Context) error, error) {
	_, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, kind, kind, stream, attributes)))
	if err != nil {
		return nil, fmt.Errorf("adding %s: %w", kind, err)
	}
	return func(ctx context.Context) error { return p.Toxics.RemoveToxic(ctx, kind) }, nil
}
