package ratelimit

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ipv6Bits is how much of an IPv6 address counts: a client has a whole /64 at the least, and could use a new address
// for each request.
const ipv6Bits = 64

// ClientAddress is the address that a request comes from, as a key: an IPv4 address, or the /64 of an IPv6 one.
//
// hops is how many proxies of the operator's stand in front, each of which appends whom it saw to X-Forwarded-For. The
// client wrote what is left of theirs, so the list is read from the right: the address is the last but hops-1. Where
// the list is shorter, or what stands there is no address, the request did not come through the proxies, and the
// peer's own address counts. With 0 the header is not read at all.
func ClientAddress(r *http.Request, hops int) string {
	if address, ok := forwarded(r.Header.Values("X-Forwarded-For"), hops); ok {
		return key(address)
	}
	if address, ok := parseAddress(r.RemoteAddr); ok {
		return key(address)
	}
	return "unknown" // Such as a Unix socket's. They share one budget.
}

// forwarded reads the list from the right, over all its lines.
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

// parseAddress reads an address with or without a port.
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
