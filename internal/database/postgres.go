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

// settings are the run-time parameters that a URL may set. PostgreSQL refuses a connection that names one it does not
// know, and the URLs of hosts, poolers and other drivers are full of those, so anything else is ignored. Only what
// PostgreSQL 14 has and any user may set is listed, and nothing that changes how values are written.
var settings = []string{ //nolint:gochecknoglobals // A constant table.
	"search_path", "role", "row_security",
	"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout",
	"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable",
	"synchronous_commit", "work_mem", "maintenance_work_mem", "temp_buffers", "jit", "plan_cache_mode",
	"client_connection_check_interval", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count",
	"default_tablespace", "default_text_search_config", "client_min_messages",
}

// parse makes sense of a URL. Its errors never quote it.
func parse(raw string) (target, error) {
	cleaned := unwrap(raw)
	scheme, rest, found := strings.Cut(cleaned, ":")
	if !found {
		return target{}, errors.New("it has no scheme such as postgres:// or sqlite: at its start")
	}
	// Other languages name their driver in the scheme: postgresql+asyncpg.
	scheme, _, _ = strings.Cut(strings.ToLower(scheme), "+")
	switch scheme {
	case "postgres", "postgresql":
		return parsePostgres("postgres:" + rest)
	case "sqlite", "sqlite3":
		return parseSQLite(rest)
	default:
		// The scheme is not quoted: where the URL is mangled, it might be anything.
		return target{}, errors.New("its scheme is neither postgres:// nor sqlite: but another")
	}
}

// unwrap takes off what gets copied along with a URL: spaces, quotes, the variable's name, psql.
func unwrap(raw string) string {
	for {
		cleaned := strings.Trim(strings.TrimSpace(raw), "\"'`\u201c\u201d\u2018\u2019")
		for _, prefix := range []string{"DATABASE_URL=", "psql ", "jdbc:"} {
			cleaned = strings.TrimPrefix(cleaned, prefix)
		}
		if cleaned == raw {
			return cleaned
		}
		raw = cleaned
	}
}

func parsePostgres(raw string) (target, error) {
	raw, hosts, err := cutHosts(raw)
	if err != nil {
		return target{}, err
	}
	parsed, err := url.Parse(strings.NewReplacer("{", "%7B", "}", "%7D").Replace(raw)) // libpq takes them in a password.
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
	for name := range config.Runtime {
		if !slices.Contains(settings, strings.ToLower(name)) {
			delete(config.Runtime, name)
			ignored = append(ignored, name)
		}
	}
	if config.SSLNegotiation == pq.SSLNegotiationDirect {
		// lib/pq's is broken; the ordinary way reaches every server that has the direct one.
		config.SSLNegotiation = ""
		ignored = append(ignored, "sslnegotiation")
	}
	setSchema(&config, schema)
	if err := settleHosts(&config); err != nil {
		return target{}, err
	}
	protection := settleTLS(&config, unverified)
	if config.ApplicationName == "" {
		config.ApplicationName = applicationName
	}
	if !query.Has("binary_parameters") {
		// One round trip a statement where lib/pq would take two, which a pooler in transaction mode may send to two
		// servers. It sends []byte in binary, so a column for JSON must be filled with text.
		config.BinaryParameters = true
	}
	// Poolers let this parameter through.
	config.Runtime["TimeZone"] = "UTC"
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	slices.Sort(ignored)
	return target{
		dialect: dialect.Postgres, connector: connector{config: config, pool: &replacement{pause: readOnlyPause}},
		name: postgresName(config), dropped: ignored, tls: protection, schema: schema,
	}, nil
}

// unsupported finds the variable in lib/pq's complaint about one that it does not know how to honour.
var unsupported = regexp.MustCompile(`environment variable \$(PG[A-Z]+) is not supported`)

// newConfig reads the URL with lib/pq. lib/pq refuses to work at all when the environment has one of libpq's variables
// that it does not know, such as PGCHANNELBINDING; those are put aside, and their names returned.
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
			return config, ignored, fmt.Errorf("putting %s aside: %w", match[1], err)
		}
		ignored = append(ignored, match[1])
	}
}

// redact keeps lib/pq's explanation unless that contains the password or could contain a part of a mangled URL.
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

// contains says whether the secret stands in the text. One of a letter or two would be found in any text, and then only
// counts as a word of its own.
func contains(text, secret string) bool {
	if len(secret) > 2 {
		return strings.Contains(text, secret)
	}
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), secret)
}

func postgresName(config pq.Config) string {
	database := config.Database
	if database == "" {
		database = config.User // What PostgreSQL takes.
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
