package config

import (
	"net"
	"net/netip"
	"strings"
)

// IsDebugHost reports whether a request with that Host header may be answered at DEBUG_ADDR. It may if the host is an
// address or, on a loopback address, localhost. On a private network it may also be a name that only private networks
// have, by which collectors of metrics reach the server. It may not be a name of the public DNS: its owner could point
// it at the server's address, and read profiles and metrics from a web page.
func (c Config) IsDebugHost(host string) bool {
	name := hostname(host)
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	listenHost := hostname(c.DebugAddr)
	if addr, err := netip.ParseAddr(listenHost); err == nil && !addr.Unmap().IsLoopback() {
		return name != "" && isPrivateHost(name)
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// hostname returns a host without its port and brackets.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}
