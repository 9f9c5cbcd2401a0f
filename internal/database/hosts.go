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

// hostTimeout is how long connecting to one of several hosts may take, unless the URL has a connect_timeout. If a host does
// not answer, there must be time for the others.
const hostTimeout = 3 * time.Second

// errStandby is added to the error of a host that accepts no changes.
var errStandby = errors.New("it is a standby, or read-only")

// hostList holds the hosts of a URL that net/url refuses or misreads: several hosts, or a socket's folder such as
// %2Frun%2Fpostgresql.
type hostList struct {
	names, ports []string
}

// cutHosts removes such hosts from a URL. For any other URL it returns nil.
func cutHosts(raw string) (string, *hostList, error) {
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
		return raw, nil, nil // In the last case a slash in the password looked like the end of the hosts.
	}
	h := &hostList{}
	for item := range strings.SplitSeq(list, ",") {
		name, port, err := cutPort(item)
		if err != nil {
			return "", nil, err
		}
		h.names, h.ports = append(h.names, name), append(h.ports, port)
	}
	return scheme + "//" + authority[:at] + tail, h, nil
}

// cutPort splits a host into its name and its port, which is "" if it has none.
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

// addTo adds the hosts to the URL's parameters as lib/pq reads them. Parameters that are there already stay.
func (h *hostList) addTo(query url.Values) {
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

// requirePrimary makes lib/pq connect to the one of several hosts that accepts changes. It returns an error if the URL asks
// for another one.
func requirePrimary(config *pq.Config) error {
	if slices.Contains([]pq.TargetSessionAttrs{pq.TargetSessionAttrsReadOnly, pq.TargetSessionAttrsStandby, pq.TargetSessionAttrsPreferStandby}, config.TargetSessionAttrs) {
		return fmt.Errorf("target_session_attrs=%s leads to a server that is read-only: leave it out, or give read-write", config.TargetSessionAttrs)
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

// connect tries each host once, beginning with the one that was connected to last.
func (c connector) connect(ctx context.Context) (driver.Conn, error) {
	all := hostsOf(c.config)
	if len(all) == 1 {
		conn, err := c.connectTo(ctx, all[0])
		return conn, markStandby(err)
	}
	first := int(c.state.host.Load())
	if c.config.LoadBalanceHosts == pq.LoadBalanceHostsRandom {
		first = rand.IntN(len(all)) //nolint:gosec // It only spreads the load.
	}
	var errs []error
	for i := range all {
		n := (first + i) % len(all)
		conn, err := c.connectTo(ctx, all[n])
		if err == nil {
			c.state.host.Store(int64(n))
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", hostName(all[n]), markStandby(err)))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
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

// markStandby adds errStandby to lib/pq's error about a server that is not what target_session_attrs asks for. The error
// has only its text to go by.
func markStandby(err error) error {
	if err == nil || !strings.Contains(err.Error(), "server is in hot standby mode") && !strings.Contains(err.Error(), "session is read-only") {
		return err
	}
	return fmt.Errorf("%w: %w", errStandby, err)
}

// hostName returns host:port.
func hostName(config pq.Config) string {
	host := config.Host
	if config.Hostaddr.IsValid() {
		host = config.Hostaddr.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(config.Port)))
}
