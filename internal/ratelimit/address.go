package ratelimit

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ipv6Bits is the length of the prefix of an IPv6 address that identifies a client. Each has at least a /64, and could use a
// new address for each request.
const ipv6Bits = 64

// ClientAddress returns the address that a request comes from, as a key: an IPv4 address, or the /64 of an IPv6 address.
//
// hops is the number of the operator's proxies in front of the server. Each appends its peer's address to X-Forwarded-For.
// The client may have written everything to the left of those, so the list is read from the right: the client's address is
// the one at position hops. If the list is shorter, or that element is no address, the request did not come through the
// proxies, and ClientAddress returns the peer's address. If hops is 0, the header is ignored.
func ClientAddress(r *http.Request, hops int) string {
	if address, ok := forwarded(r.Header.Values("X-Forwarded-For"), hops); ok {
		return key(address)
	}
	if address, ok := parseAddress(r.RemoteAddr); ok {
		return key(address)
	}
	return "unknown" // such as a Unix socket; all of these share one budget
}

// forwarded returns the address at position hops of X-Forwarded-For, counted from the right over all lines of the header.
func forwarded(lines []string, hops int) (netip.Addr, bool) {
	if hops <= 0 {
		return netip.Addr{}, false
	}
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for {
			comma := strings.LastIndexByte(rest, ',')
			if hops--; hops == 0 {
				return parseAddress(strings.TrimSpace(rest[comma+1:]))
			}
			if comma < 0 {
				break
			}
			rest = rest[:comma]
		}
	}
	return netip.Addr{}, false
}

// parseAddress parses an address with or without a port.
func parseAddress(s string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	address, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}, false
	}
	return address.Unmap().WithZone(""), true
}

// key returns the key of an address.
func key(address netip.Addr) string {
	if address.Is4() {
		return address.String()
	}
	prefix, err := address.Prefix(ipv6Bits)
	if err != nil {
		return address.String()
	}
	return prefix.String()
}
