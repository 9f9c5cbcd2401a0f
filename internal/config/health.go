package config

import (
	"net"
	"net/netip"
	"strings"
)

// HealthURL returns the URL of /health of the server on this machine. It uses only HOST and PORT, because a health
// check must work even if other variables are invalid.
func HealthURL(environ map[string]string) string {
	given := withoutEmpty(environ)
	host, port := strings.Trim(given["HOST"], "[]"), given["PORT"]
	if addr, err := netip.ParseAddr(host); host == "" || (err == nil && addr.IsUnspecified()) {
		host = "127.0.0.1"
	}
	if port == "" {
		port = portDefault()
	}
	return "http://" + net.JoinHostPort(host, port) + "/health"
}

// portDefault returns the default of PORT.
func portDefault() string {
	for _, v := range variables() {
		if v.Name == "PORT" {
			return v.always
		}
	}
	return ""
}

// validPort reports whether s is a port number, 1 to 65535.
func validPort(s string) bool {
	n, err := parseInt(s)
	return err == nil && n >= 1 && n <= 65535
}
