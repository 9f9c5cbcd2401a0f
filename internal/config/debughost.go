package config

import (
	"net"
	"net/netip"
	"strings"
)

// IsDebugHost reports whether a request with that Host header may be answered on DEBUG_ADDR. An address may, and on a
// loopback address the name localhost. On a private network so may the names that only such networks have, by which
// collectors of metrics reach the server. A name of the public DNS may not: whoever owns it could point it at the server's
// address and read profiles and metrics with a web page.
func (c Config) IsDebugHost(host string) bool {
	name := hostname(host)
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	listens := hostname(c.DebugAddr)
	if addr, err := netip.ParseAddr(listens); err == nil && !addr.Unmap().IsLoopback() {
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
