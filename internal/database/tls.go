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

// noVerify is node-postgres's name for TLS without verification of the certificate. libpq calls it require.
const noVerify = "no-verify"

// TLS says how connections to PostgreSQL are protected.
type TLS struct {
	// Mode is the sslmode, or "" for SQLite.
	Mode string
	// Upgraded reports that the URL asks for less: for require, or for nothing.
	Upgraded bool
	// Public reports that a server's name or address is not one of a private network.
	Public bool
}

// Verified reports whether the server's certificate is verified.
func (t TLS) Verified() bool {
	return t.Mode == string(pq.SSLModeVerifyFull) || t.Mode == string(pq.SSLModeVerifyCA)
}

// TLS returns how the pool's connections are protected.
func (db *DB) TLS() TLS { return db.tls }

// translateSSL translates the TLS parameters of other languages' drivers to lib/pq's. It reports whether the URL asks not to
// verify the certificate.
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

// chooseTLS sets config's sslmode. libpq's require accepts any certificate, a man in the middle's too, and hosting providers
// put it into every URL. If all servers have public names, their certificates can be verified, so chooseTLS upgrades require
// to verify-full. A URL with a root certificate keeps libpq's require, which verifies by that certificate.
func chooseTLS(config *pq.Config, unverified bool) TLS {
	names := []pq.ConfigMultihost{{Host: config.Host, Hostaddr: config.Hostaddr}}
	names = append(names, config.Multi...)
	chosen := TLS{Public: slices.ContainsFunc(names, func(h pq.ConfigMultihost) bool { return !private(h.Host) })}
	switch {
	case config.SSLMode == pq.SSLModeRequire || config.SSLMode == "" && chosen.Public:
		config.SSLMode = pq.SSLModeRequire
		if !unverified && config.SSLRootCert == "" && !slices.ContainsFunc(names, func(h pq.ConfigMultihost) bool { return !publicName(h.Host) }) {
			config.SSLMode, chosen.Upgraded = pq.SSLModeVerifyFull, true
		}
	case config.SSLMode == "":
		config.SSLMode = pq.SSLModePrefer // What libpq does: servers without TLS are common there.
	}
	chosen.Mode = string(config.SSLMode)
	return chosen
}

// publicName reports whether the host is a name that a public authority can certify.
func publicName(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil && !private(host)
}

// private reports whether the host is this machine or in a private network. Servers there often have no TLS.
func private(host string) bool {
	if address, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast()
	}
	if host = strings.ToLower(strings.TrimSuffix(host, ".")); !strings.Contains(host, ".") || strings.HasPrefix(host, "/") {
		return true // localhost, a name in a local network, as Compose's are, or a socket.
	}
	for _, suffix := range []string{".internal", ".local", ".localhost", ".localdomain", ".home.arpa", ".test"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// logTLS logs how connections are protected if that is more than the URL asks for, or less than it could be.
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

// IsCertificateError reports whether the error says that the database's certificate was refused. The error of Open says what
// to do.
func IsCertificateError(err error) bool { return explainTLS(err) != nil }

// explainTLS adds to the error of a refused certificate why it was refused and what to do. For other errors it returns nil.
func explainTLS(err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var roots x509.SystemRootsError
	var reason string
	switch {
	case errors.As(err, &authority):
		reason = "the server's certificate is not signed by a trusted authority: give its authority's certificate as sslrootcert=FILE in the URL"
	case errors.As(err, &name):
		reason = "the server's certificate is for another name: let the URL name the host as the certificate does"
	case errors.As(err, &invalid):
		reason = "the server's certificate is not valid: let the server have a new one, and check this machine's clock"
	case errors.As(err, &roots):
		reason = "this machine has no list of authorities: install ca-certificates, or let SSL_CERT_FILE name one"
	default:
		return nil
	}
	return fmt.Errorf("%s, or add sslmode=%s to connect without verification: %w", reason, noVerify, err)
}
