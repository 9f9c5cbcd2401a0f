package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"
)

// hostTimeout is how long connecting to one of several hosts may take, unless the URL has a connect_timeout. A host that
// does not answer must leave time for the others.
const hostTimeout = 3 * time.Second

// errStandby says that a host accepts no changes.
var errStandby = errors.New("it is a standby, or only reads")

// hosts are those of a URL that Go's parser refuses or misreads: several, or a socket's folder such as %2Frun%2Fpostgresql.
type hosts struct {
	names, ports []string
}

// cutHosts takes such hosts out of a URL. For any other URL it returns nil.
func cutHosts(raw string) (string, *hosts, error) {
	scheme, rest, found := strings.Cut(raw, "//")
	if !found {
		return raw, nil, nil
	}
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	at := strings.LastIndex(authority, "@") + 1
	list := authority[at:]
	if !strings.Contains(list, ",") && !strings.HasPrefix(list, "%") || at == 0 && strings.Contains(tail, "@") {
		return raw, nil, nil // In the last case it is a password with a slash in it that has been cut.
	}
	h := &hosts{}
	for item := range strings.SplitSeq(list, ",") {
		name, port, err := cutPort(item)
		if err != nil {
			return "", nil, err
		}
		h.names, h.ports = append(h.names, name), append(h.ports, port)
	}
	return scheme + "//" + authority[:at] + tail, h, nil
}

// cutPort returns the name and the port of a host. The port is "" if the host has none.
func cutPort(item string) (string, string, error) {
	escaped, port := item, ""
	if colon := strings.LastIndex(item, ":"); colon > strings.LastIndex(item, "]") {
		escaped, port = item[:colon], item[colon+1:]
	}
	name, err := url.PathUnescape(strings.Trim(escaped, "[]"))
	switch {
	case name == "" && err == nil:
		return "", "", errors.New("one of its hosts has no name: several hosts look like host1:5432,host2:5432")
	case err != nil:
		return "", "", errors.New("one of its hosts has a % that is not followed by two hexadecimal digits")
	}
	if _, err := strconv.ParseUint(port, 10, 16); port != "" && err != nil {
		return "", "", errors.New("the port of one of its hosts is not a number: several hosts look like host1:5432,host2:5432")
	}
	return name, port, nil
}

// addTo writes the hosts into the URL's parameters as lib/pq reads them. What the parameters say already is preferred.
func (h *hosts) addTo(query url.Values) {
	if h == nil {
		return
	}
	if !query.Has("host") {
		query.Set("host", strings.Join(h.names, ","))
	}
	if query.Has("port") {
		return
	}
	for i, port := range h.ports {
		if port == "" {
			h.ports[i] = "5432"
		}
	}
	query.Set("port", strings.Join(h.ports, ","))
}

// settleHosts decides which of several hosts is connected to: the one that accepts changes. It refuses the others.
func settleHosts(config *pq.Config) error {
	if slices.Contains([]pq.TargetSessionAttrs{pq.TargetSessionAttrsReadOnly, pq.TargetSessionAttrsStandby, pq.TargetSessionAttrsPreferStandby}, config.TargetSessionAttrs) {
		return fmt.Errorf("target_session_attrs=%s leads to a server that only reads: leave it out, or give read-write", config.TargetSessionAttrs)
	}
	if len(config.Multi) == 0 {
		return nil
	}
	if config.TargetSessionAttrs == "" {
		config.TargetSessionAttrs = pq.TargetSessionAttrsReadWrite
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = hostTimeout
	}
	return nil
}

// connect tries the hosts once, beginning with the one that was connected to last.
func (c connector) connect(ctx context.Context) (driver.Conn, error) {
	all := hostsOf(c.config)
	if len(all) == 1 {
		conn, err := c.connectTo(ctx, all[0])
		return conn, markStandby(err)
	}
	first := int(c.pool.host.Load())
	if c.config.LoadBalanceHosts == pq.LoadBalanceHostsRandom {
		first = rand.IntN(len(all)) //nolint:gosec // It spreads connections.
	}
	var failures []error
	for i := range all {
		n := (first + i) % len(all)
		conn, err := c.connectTo(ctx, all[n])
		if err == nil {
			c.pool.host.Store(int64(n))
			return conn, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", hostName(all[n]), markStandby(err)))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

// hostsOf returns a configuration for each host.
func hostsOf(config pq.Config) []pq.Config {
	multi := config.Multi
	config.Multi = nil
	all := []pq.Config{config}
	for _, h := range multi {
		config.Host, config.Hostaddr, config.Port = h.Host, h.Hostaddr, h.Port
		all = append(all, config)
	}
	return all
}

// markStandby adds errStandby to lib/pq's error about a server that is not what target_session_attrs asks for. Only the
// words tell.
func markStandby(err error) error {
	if err == nil || !strings.Contains(err.Error(), "server is in hot standby mode") && !strings.Contains(err.Error(), "session is read-only") {
		return err
	}
	return fmt.Errorf("%w: %w", errStandby, err)
}

// hostName is a host and its port.
func hostName(config pq.Config) string {
	host := config.Host
	if config.Hostaddr.IsValid() {
		host = config.Hostaddr.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(config.Port)))
}
