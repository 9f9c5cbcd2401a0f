package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// warn adds warnings about problems with which the server can run.
func (l *loader) warn() {
	l.warnSecret()
	l.warnSessions()
	l.warnDatabase()
	l.warnOrigins()
	l.warnDocuments()
	l.warnMisspellings()
}

func (l *loader) warning(format string, args ...any) {
	l.cfg.Warnings = append(l.cfg.Warnings, fmt.Sprintf(format, args...))
}

func (l *loader) warnSecret() {
	secret, name := l.cfg.JWTSecret.Reveal(), l.secretName()
	if weakness := weakSecret(l.cfg.JWTSecret); weakness != "" && !l.cfg.Production() {
		l.warning("%s %s: anyone who guesses it can sign in as anybody; production refuses it; %s", name, weakness, weaknessFix)
	}
	// RFC 7518, section 3.2: a key as long as the hash.
	if minBytes := map[string]int{"HS384": 48, "HS512": 64}[l.cfg.JWTAlgorithm]; secret != "" && len(secret) < minBytes {
		l.warning("JWT_ALGORITHM is %s, which needs a secret of at least %d bytes, and %s has fewer: session data signed with it is not trusted, the auth server is asked instead; Better Auth signs with HS256", l.cfg.JWTAlgorithm, minBytes, name)
	}
	if secret != unquoted(secret) {
		l.warning("%s begins or ends with a quote or a blank, which counts as part of the secret: sessions fail if the auth server's has none", name)
	}
}

func (l *loader) warnSessions() {
	if l.given["AUTH_COOKIE_NAME"] != "" && l.given["AUTH_COOKIE_PREFIX"] != "" {
		l.warning("AUTH_COOKIE_PREFIX applies only to the other cookies, because AUTH_COOKIE_NAME names the session cookie")
	}
	if u, err := url.Parse(l.cfg.AuthServerURL); err == nil && u.Path != "" && l.given["AUTH_BASE_PATH"] != "" {
		l.warning("AUTH_BASE_PATH does not apply, because AUTH_SERVER_URL has a path, which is used as it is")
	}
	if l.cfg.TrustSessionData && l.cfg.EmbeddedSignIn() {
		l.warning("TRUST_SESSION_DATA is on, but the embedded sign-in sets no session_data cookie")
	}
	if l.cfg.AuthStateless && l.cfg.EmbeddedSignIn() {
		l.warning("AUTH_STATELESS is on, but the embedded sign-in has a database")
	}
}

func (l *loader) warnDatabase() {
	sqlite := strings.HasPrefix(strings.ToLower(unquoted(l.cfg.DatabaseURL.Reveal())), "sqlite")
	if sqlite && l.cfg.Production() {
		l.warning("DATABASE_URL names a SQLite file in production: unless it is on a volume, it is lost with the container, and only one replica may use it")
	}
	if sqlite && l.given["DIRECT_DATABASE_URL"] != "" {
		l.warning("DIRECT_DATABASE_URL is set although DATABASE_URL is SQLite")
	}
	if l.cfg.DBMaxIdleConns > l.cfg.DBMaxOpenConns {
		l.warning("DB_MAX_IDLE_CONNS is above DB_MAX_OPEN_CONNS: only %d connections are kept", l.cfg.DBMaxOpenConns)
	}
}

func (l *loader) warnOrigins() {
	for _, origin := range l.cfg.CORSOrigins.List() {
		host, plain := strings.CutPrefix(origin, "http://")
		host, _, _ = strings.Cut(host, ":")
		if plain && l.cfg.Production() && !isPrivateHost(host) {
			l.warning("CORS_ORIGINS lists %s: over plain http, anyone on the network path can use the visitor's session", shown(origin))
		}
	}
}

func (l *loader) warnDocuments() {
	if l.cfg.TrustedDocuments == "off" && l.cfg.TrustedDocumentsFile != "" {
		l.warning("TRUSTED_DOCUMENTS_FILE is set, but TRUSTED_DOCUMENTS is off: the file is not read")
	}
	if l.cfg.APQ && l.cfg.TrustedOnly() {
		l.warning("APQ is on, but TRUSTED_DOCUMENTS=only lets clients register nothing")
	}
}

// warnMisspellings warns of variables whose names are probably misspellings of one of ours that is not set.
func (l *loader) warnMisspellings() {
	nearest := map[string]string{}
	for _, v := range l.vars {
		if l.given[v.Name] != "" || (v.Name == "JWT_SECRET" && l.cfg.BetterAuthSecret != "") || v.Group == "Set by Railway" {
			continue
		}
		for _, given := range l.misspellings(v.Name) {
			if other, ok := nearest[given]; !ok || distance(given, v.Name) < distance(given, other) {
				nearest[given] = v.Name
			}
		}
	}
	for given, ours := range nearest {
		l.warning("%s is set, but the server doesn't know it; should it be %s?", given, ours)
	}
	slices.Sort(l.cfg.Warnings)
}

// misspellings returns the variables whose names look like misspellings of ours.
func (l *loader) misspellings(ours string) []string {
	var found []string
	for given := range l.given {
		if !l.isOurs(given) && isMisspelling(given, ours) {
			found = append(found, given)
		}
	}
	return found
}

// isMisspelling reports whether a name looks like a misspelling of ours, or is another server's name for it.
func isMisspelling(given, ours string) bool {
	if slices.Contains(otherNames(ours), given) {
		return true
	}
	const minLength, maxDistance = 8, 2
	return len(ours) >= minLength && distance(given, ours) <= maxDistance
}

func distance(given, ours string) int {
	return levenshtein.ComputeDistance(strings.ToUpper(given), ours)
}

// isOurs reports whether a name is one of the variables.
func (l *loader) isOurs(name string) bool {
	return l.variable(name).Name != ""
}

// otherNames returns what other servers call a variable of ours.
func otherNames(ours string) []string {
	switch ours {
	case "DATABASE_URL":
		return []string{"DB_URL", "POSTGRES_URL", "POSTGRESQL_URL", "DATABASE_DSN"}
	case "DIRECT_DATABASE_URL":
		return []string{"DIRECT_URL", "DATABASE_URL_UNPOOLED", "POSTGRES_URL_NON_POOLING"}
	case "AUTH_SERVER_URL":
		return []string{"AUTH_URL", "BETTER_AUTH_URL", "AUTH_SERVER"}
	case "JWT_SECRET":
		return []string{"AUTH_SECRET", "JWT_KEY", "JWT_SECRET_KEY", "SECRET_KEY"}
	case "CORS_ORIGINS":
		return []string{"ALLOWED_ORIGINS", "CORS_ALLOWED_ORIGINS", "CORS_ALLOW_ORIGINS"}
	case "AUTH_COOKIE_PREFIX":
		return []string{"COOKIE_PREFIX", "BETTER_AUTH_COOKIE_PREFIX"}
	case "ENVIRONMENT":
		return []string{"APP_ENV", "GO_ENV", "NODE_ENV"}
	default:
		return nil
	}
}
