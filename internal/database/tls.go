package database

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// noVerify is node-postgres's name for TLS without a look at the certificate, which libpq calls require.
const noVerify = "no-verify"

// TLS says how connections to PostgreSQL are protected.
type TLS struct {
	// Mode is the sslmode that is used; "" on SQLite.
	Mode string
	// Upgraded says that the URL asks for less: for require, or for nothing.
	Upgraded bool
	// Public says that a server's name or address is not one of a private network.
	Public bool
}

// Verified reports whether the server's certificate is verified.
func (t TLS) Verified() bool {
	return t.Mode == string(pq.SSLModeVerifyFull) || t.Mode == string(pq.SSLModeVerifyCA)
}

// TLS says how the pool's connections are protected.
func (db *DB) TLS() TLS { return db.tls }

// translateSSL gives what other languages' drivers call TLS lib/pq's names, and says whether the certificate is, by
// request, not to be verified.
func translateSSL(query url.Values) bool {
	if value := query.Get("ssl"); value != "" && !query.Has("sslmode") {
		switch strings.ToLower(value) {
		case "true", "1", "on":
			value = string(pq.SSLModeRequire)
		case "false", "0", "off":
			value = string(pq.SSLModeDisable)
		}
		query.Del("ssl")
		query.Set("sslmode", value)
	}
	if query.Get("sslmode") != noVerify {
		return false
	}
	query.Set("sslmode", string(pq.SSLModeRequire))
	return true
}

// settleTLS decides on what the URL leaves open. libpq's require takes any certificate, also that of whoever stands in
// between, and hosts put it into every URL; where the server has a public name, that can be verified, and is. Whoever
// gives a root certificate of his own has libpq's meaning of require, which verifies by that.
func settleTLS(config *pq.Config, unverified bool) TLS {
	names := []pq.ConfigMultihost{{Host: config.Host, Hostaddr: config.Hostaddr}}
	names = append(names, config.Multi...)
	settled := TLS{Public: slices.ContainsFunc(names, func(h pq.ConfigMultihost) bool { return !private(h.Host) })}
	switch {
	case config.SSLMode == pq.SSLModeRequire || config.SSLMode == "" && settled.Public:
		config.SSLMode = pq.SSLModeRequire
		if !unverified && config.SSLRootCert == "" && !slices.ContainsFunc(names, func(h pq.ConfigMultihost) bool { return !publicName(h.Host) }) {
			config.SSLMode, settled.Upgraded = pq.SSLModeVerifyFull, true
		}
	case config.SSLMode == "":
		config.SSLMode = pq.SSLModePrefer // What libpq does: servers without TLS are common there.
	}
	settled.Mode = string(config.SSLMode)
	return settled
}

// publicName says whether the host is a name that an authority can have certified.
func publicName(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil && !private(host)
}

// private says whether the host is this machine or on a network of one's own, where servers often have no TLS.
func private(host string) bool {
	if address, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast()
	}
	if host = strings.ToLower(strings.TrimSuffix(host, ".")); !strings.Contains(host, ".") || strings.HasPrefix(host, "/") {
		return true // localhost, a name that only a local network resolves, such as Compose's, or a socket.
	}
	for _, suffix := range []string{".internal", ".local", ".localhost", ".localdomain", ".home.arpa", ".test"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// logTLS says how the connections are protected, where that is more than the URL asks for, or less than it could be.
func logTLS(ctx context.Context, log *slog.Logger, name string, t TLS) {
	switch {
	case t.Upgraded:
		log.InfoContext(ctx, "the database's TLS certificate is verified, though the URL does not ask for it",
			slog.String("database", name), slog.String("sslmode", t.Mode))
	case t.Public && !t.Verified():
		log.WarnContext(ctx, "the database's TLS certificate is not verified",
			slog.String("database", name), slog.String("sslmode", t.Mode))
	}
}

// IsCertificateError says whether the database's certificate was refused. The error of Open then says what to do.
func IsCertificateError(err error) bool { return explainTLS(err) != nil }

// explainTLS says what a refused certificate means and what to do; nil where the error is about something else.
func explainTLS(err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var roots x509.SystemRootsError
	var because string
	switch {
	case errors.As(err, &authority):
		because = "the server's certificate is not signed by a trusted authority: give its authority's certificate as sslrootcert=FILE in the URL"
	case errors.As(err, &name):
		because = "the server's certificate is for another name: let the URL name the host as the certificate does"
	case errors.As(err, &invalid):
		because = "the server's certificate is not valid: let the server have a new one, and check this machine's clock"
	case errors.As(err, &roots):
		because = "this machine has no list of authorities: install ca-certificates, or let SSL_CERT_FILE name one"
	default:
		return nil
	}
	return fmt.Errorf("%s, or add sslmode=%s to connect without verification: %w", because, noVerify, err)
}
