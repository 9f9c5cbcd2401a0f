package database

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"entgo.io/ent/dialect"
	"github.com/lib/pq"
)

// applicationName is what pg_stat_activity shows, unless the URL says otherwise.
const applicationName = "taskql"

// connectTimeout is how long one connection may take to be made, unless the URL has a connect_timeout.
const connectTimeout = 10 * time.Second

// settings are the run-time parameters that a URL may set; others are ignored. PostgreSQL refuses a connection with a
// parameter that it doesn't know, and hosting providers, poolers and other drivers put many such parameters into URLs. The
// list has the parameters that PostgreSQL 14 has and any user may set, without those that change how values are written.
var settings = []string{ //nolint:gochecknoglobals // A constant table.
	"search_path", "role", "row_security",
	"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout",
	"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable",
	"synchronous_commit", "work_mem", "maintenance_work_mem", "temp_buffers", "jit", "plan_cache_mode",
	"client_connection_check_interval", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count",
	"default_tablespace", "default_text_search_config", "client_min_messages",
}

// parsePostgres parses a postgres: URL.
func parsePostgres(raw string) (target, error) {
	raw, hosts, err := cutHosts(raw)
	if err != nil {
		return target{}, err
	}
	parsed, err := url.Parse(strings.NewReplacer("{", "%7B", "}", "%7D").Replace(raw)) // libpq accepts braces in a password.
	if err != nil || parsed.Opaque != "" || parsed.Fragment != "" {
		return target{}, errors.New("it is not a URL of the form postgres://user:password@host:port/name: " +
			"characters such as @ : / ? # % in the password must be percent-encoded (# is %23)")
	}
	query, err := url.ParseQuery(parsed.RawQuery)
	if err != nil {
		return target{}, errors.New("its parameters, after the ?, are not well formed")
	}
	unverified := translateSSL(query)
	schema, err := takeSchema(query)
	if err != nil {
		return target{}, err
	}
	hosts.addTo(query)
	parsed.RawQuery = query.Encode()

	config, ignored, err := newConfig(parsed.String())
	if err != nil {
		return target{}, redact(err, config, parsed)
	}
	ignored = append(ignored, dropUnsupported(&config)...)
	setSchema(&config, schema)
	if err := requirePrimary(&config); err != nil {
		return target{}, err
	}
	protection := chooseTLS(&config, unverified)
	if config.ApplicationName == "" {
		config.ApplicationName = applicationName
	}
	if !query.Has("binary_parameters") {
		// A statement takes one round trip instead of two, which a pooler in transaction mode could send to two servers.
		// []byte is sent in binary, so JSON columns must be given strings.
		config.BinaryParameters = true
	}
	// Poolers accept this parameter.
	config.Runtime["TimeZone"] = "UTC"
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	slices.Sort(ignored)
	return target{
		dialect: dialect.Postgres, connector: connector{config: config, state: &poolState{readOnlyPause: readOnlyPause}},
		name: postgresName(config), ignored: ignored, tls: protection, schema: schema, listenURL: listenURL(parsed, config, ignored),
	}, nil
}

// dropUnsupported removes the settings that would make connecting fail, and returns their names.
func dropUnsupported(config *pq.Config) []string {
	var dropped []string
	for name := range config.Runtime {
		if !slices.Contains(settings, strings.ToLower(name)) {
			delete(config.Runtime, name)
			dropped = append(dropped, name)
		}
	}
	if config.SSLNegotiation == pq.SSLNegotiationDirect {
		// It is broken in lib/pq. Servers that support direct negotiation support the ordinary one too.
		config.SSLNegotiation = ""
		dropped = append(dropped, "sslnegotiation")
	}
	return dropped
}

// unsupported matches lib/pq's error about an environment variable that it doesn't support.
var unsupported = regexp.MustCompile(`environment variable \$(PG[A-Z]+) is not supported`)

// newConfig parses the URL with lib/pq. lib/pq returns an error if the environment has one of libpq's variables that it
// doesn't support, such as PGCHANNELBINDING. newConfig unsets those, and returns their names.
func newConfig(address string) (pq.Config, []string, error) {
	var ignored []string
	for {
		config, err := pq.NewConfig(address)
		if err == nil {
			if config.Runtime == nil {
				config.Runtime = map[string]string{}
			}
			return config, ignored, nil
		}
		match := unsupported.FindStringSubmatch(err.Error())
		if match == nil {
			return config, ignored, err
		}
		if err := os.Unsetenv(match[1]); err != nil {
			return config, ignored, fmt.Errorf("unsetting %s: %w", match[1], err)
		}
		ignored = append(ignored, match[1])
	}
}

// redact returns lib/pq's error without its prefix. If the error contains the password, or could contain a part of it,
// redact returns an error without it.
func redact(err error, config pq.Config, parsed *url.URL) error {
	text := strings.TrimPrefix(err.Error(), "pq: ")
	secrets := []string{config.Password, os.Getenv("PGPASSWORD"), parsed.Query().Get("password")}
	if parsed.User != nil {
		password, _ := parsed.User.Password()
		secrets = append(secrets, password, parsed.User.String())
	}
	for _, secret := range secrets {
		if secret != "" && contains(text, secret) {
			return errors.New("a part of it is wrong, which can't be shown because it contains the password")
		}
	}
	return errors.New(text)
}

// contains reports whether the text contains the secret. A secret of one or two bytes must be a word of its own, because any
// text contains most letters.
func contains(text, secret string) bool {
	if len(secret) > 2 {
		return strings.Contains(text, secret)
	}
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), secret)
}

// postgresName returns what logs call the database.
func postgresName(config pq.Config) string {
	database := config.Database
	if database == "" {
		database = config.User // PostgreSQL's default.
	}
	if host := config.Host; !config.Hostaddr.IsValid() && len(config.Multi) == 0 && (strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@")) {
		return "postgres:" + host + "/" + database
	}
	names := make([]string, 0, 1)
	for _, host := range hostsOf(config) {
		names = append(names, hostName(host))
	}
	return "postgres://" + strings.Join(names, ",") + (&url.URL{Path: "/" + database}).EscapedPath()
}
