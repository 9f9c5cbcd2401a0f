package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
)

// authority is a certificate that signs others.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem, keyPEM []byte
}

// certify makes a key and a certificate for the name, signed by the parent. Without a parent it is self-signed.
func certify(t *testing.T, parent *authority, template x509.Certificate) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	if parent == nil {
		parent = &authority{certificate: &template, key: key}
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, &template, parent.certificate, &key.PublicKey, parent.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return a
}

// secureCluster starts a PostgreSQL with the certificate, and returns its URL with a public name and the parameters.
func secureCluster(t *testing.T, a *authority) func(host, query string) string {
	t.Helper()
	cluster, err := pgcluster.Start(t.Context(), pgcluster.Config{Certificate: a.pem, Key: a.keyPEM})
	testkit.Require(t, "a PostgreSQL of its own", err)
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return func(host, query string) string {
		address, err := url.Parse(cluster.URL())
		if err != nil {
			t.Fatal(err)
		}
		address.Host = host + ":" + strconv.Itoa(cluster.Port())
		address.RawQuery = "hostaddr=127.0.0.1&" + query
		return address.String()
	}
}

// TestDatabaseTLS runs the server with a PostgreSQL with TLS under a public name, whose authority the machine trusts. The
// certificate is verified with the URL that Neon's dashboard shows. Another certificate is refused, and the error and the doctor
// say what to do.
func TestDatabaseTLS(t *testing.T) {
	t.Parallel()
	const host, neons = "ep-cool-darkness-a1b2c3d4-pooler.eu-central-1.aws.neon.tech", "sslmode=require&channel_binding=require"
	usage := x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	ca := certify(t, nil, x509.Certificate{
		Subject: pkix.Name{CommonName: "Test Authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	usage.DNSNames = []string{"*.eu-central-1.aws.neon.tech"}
	good := secureCluster(t, certify(t, ca, usage))
	selfSigned := secureCluster(t, certify(t, nil, usage))
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, ca.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	trusting := []string{"SSL_CERT_FILE=" + roots, "SSL_CERT_DIR=" + t.TempDir(), "HOME=" + t.TempDir()}
	auth := &testkit.AuthServer{URL: "http://127.0.0.1:1", Secret: testkit.BetterAuthSecret}

	t.Run("serve", func(t *testing.T) {
		t.Parallel()
		p := start(t, append(production(t, good(host, neons), auth), trusting...)...)
		p.healthy(t)
		for _, want := range []string{`"message":"the database's TLS certificate is verified`, `"sslmode":"verify-full"`, `"parameters":["channel_binding"]`} {
			if !strings.Contains(p.log.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, p.log)
			}
		}
		p.terminate(t)
	})
	const verified, believed = "the database's TLS certificate is verified", "the database's TLS certificate is not verified"
	for _, tt := range []struct {
		name, url, direct string
		want              string
		code              int
	}{
		{name: "nothing asked", url: good(host, ""), want: verified},
		{name: "verify-full", url: good(host, "sslmode=verify-full"), want: "VERSION"},
		{name: "wrong name", url: good("db.example.com", neons), want: "is for another name: let the URL name the host as the certificate does", code: 1},
		{name: "self-signed", url: selfSigned(host, neons), want: "the server's certificate is not signed by a trusted authority", code: 1},
		{name: "self-signed, nothing asked", url: selfSigned(host, ""), want: "add sslmode=no-verify", code: 1},
		{name: "self-signed, direct", url: good(host, neons), direct: selfSigned(host, neons), want: "the server's certificate is not signed by a trusted authority", code: 1},
		{name: "self-signed, not to be verified", url: selfSigned(host, "sslmode=no-verify"), want: believed},
		{name: "own authority", url: good(host, "sslmode=require&sslrootcert="+roots), want: "VERSION"},
		{name: "a private name", url: selfSigned("postgres.railway.internal", "sslmode=require"), want: "VERSION"},
		{name: "an address", url: selfSigned("127.0.0.1", "sslmode=require"), want: "VERSION"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := append(production(t, tt.url, auth), trusting...)
			if tt.direct != "" {
				env = append(env, "DIRECT_DATABASE_URL="+tt.direct)
			}
			code, stdout, stderr := runToEnd(t, env, "migrate", "status")
			if code != tt.code || !strings.Contains(stdout+stderr, tt.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s%s", code, tt.code, tt.want, stdout, stderr)
			}
			if strings.Contains(stdout+stderr, "not reachable yet") {
				t.Errorf("it tried again, which is of no use:\n%s%s", stdout, stderr)
			}
			_, report, _ := runToEnd(t, env, "doctor")
			if tt.code != 0 && !strings.Contains(report, tt.want) {
				t.Errorf("the doctor does not say %q:\n%s", tt.want, report)
			}
			if tt.code == 0 && !strings.Contains(report, "  TLS: ") {
				t.Errorf("the doctor says nothing of TLS:\n%s", report)
			}
		})
	}
}
