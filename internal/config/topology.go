package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// CookieFix says what to do if browsers can't share a cookie between the frontend, the auth server and this server.
const CookieFix = "let the frontend proxy /graphql and /api/auth on its own origin, and set PUBLIC_URL to that origin; " +
	"or serve all three under one domain of yours, with crossSubDomainCookies on the auth server; " +
	"or send bearer tokens instead of cookies (docs/authentication.md)"

// Topology says whether a frontend's pages can use the auth server's cookie at this server.
type Topology struct {
	// Origin is the frontend's origin, as in CORS_ORIGINS.
	Origin string
	// Works is false if browsers will not send the cookie; CookieFix says what to do.
	Works bool
	// Detail says why.
	Detail string
}

// party is one of the servers that a browser talks to.
type party struct {
	name, host, site string
}

// Topology evaluates each frontend of CORS_ORIGINS by the public suffix list. It uses only the configuration, so it
// knows of a proxy in front of this server only by PUBLIC_URL. It ignores addresses that browsers can't use, such as a
// private one of the auth server.
func (c Config) Topology() []Topology {
	var list []Topology
	for _, origin := range c.CORSOrigins.List() {
		u, err := url.Parse(strings.Replace(origin, "*", "wildcard", 1))
		if err != nil || isAppOrigin(origin) || (c.Production() && isPrivateHost(u.Hostname())) {
			continue // An app, or a developer's machine among the origins of production.
		}
		list = append(list, c.topologyOf(origin, u.Hostname()))
	}
	return list
}

// topologyOf evaluates one frontend.
func (c Config) topologyOf(origin, frontend string) Topology {
	parties := []party{{"the frontend", frontend, siteOf(frontend)}}
	for _, server := range []struct{ name, address string }{{"the auth server", c.publicAuth()}, {"this server", c.PublicURL}} {
		u, err := url.Parse(server.address)
		if err != nil || u.Hostname() == "" || (isPrivateHost(u.Hostname()) && !isPrivateHost(frontend)) {
			continue
		}
		host := strings.ToLower(u.Hostname())
		if ascii, err := asciiHost(host); err == nil {
			host = ascii // As in CORS_ORIGINS.
		}
		parties = append(parties, party{server.name, host, siteOf(host)})
	}
	return evaluate(origin, parties, strings.HasPrefix(cmp.Or(c.AuthCookieName, c.AuthCookiePrefix), "__Host-"))
}

// publicAuth returns the URL at which browsers reach the auth server, as far as it is known. If AuthServerURL is
// private, that is the issuer of JWTs, which is the auth server's own base URL.
func (c Config) publicAuth() string {
	if u, err := url.Parse(c.AuthServerURL); err == nil && u.Hostname() != "" && isPrivateHost(u.Hostname()) {
		for _, issuer := range c.AuthIssuers {
			if strings.Contains(issuer, "://") {
				return issuer
			}
		}
	}
	return c.AuthServerURL
}

// evaluate compares the sites of the parties that have to share the cookie, of which the frontend is the first. A
// host-only cookie can't be shared even between hosts of one site.
func evaluate(origin string, parties []party, hostOnly bool) Topology {
	frontend, last := parties[0], parties[len(parties)-1]
	if last.name == "this server" && last.host == frontend.host {
		return Topology{origin, true, "browsers reach this server on the frontend's own host; it has to proxy /api/auth as well, or share the host with the auth server"}
	}
	otherSite := slices.ContainsFunc(parties, func(p party) bool { return p.site != frontend.site })
	switch {
	case otherSite:
		return Topology{origin, false, describe(parties) + ": browsers share no cookie between " + sites(parties)}
	case len(parties) == 1:
		return Topology{origin, true, "nothing to compare with: the public addresses of this server (PUBLIC_URL) and the auth server are not known"}
	case slices.ContainsFunc(parties, func(p party) bool { return p.host != parties[1].host && p.name == "this server" }):
		if hostOnly {
			return Topology{origin, false, describe(parties) + ": browsers send a __Host- cookie only to the host that set it"}
		}
		return Topology{origin, true, describe(parties) + ": one site, " + frontend.site + "; the auth server has to set crossSubDomainCookies, domain " + frontend.site}
	default:
		return Topology{origin, true, describe(parties) + ": one site, " + frontend.site}
	}
}

// describe lists the parties with their hosts.
func describe(parties []party) string {
	list := make([]string, len(parties))
	for i, p := range parties {
		list[i] = p.name + " is at " + p.host
	}
	return strings.Join(list, ", ")
}

// sites lists the parties' sites, with an explanation if they are below a public suffix.
func sites(parties []party) string {
	var list, suffixes []string
	for _, p := range parties {
		if !slices.Contains(list, p.site) {
			list = append(list, p.site)
		}
		suffix, _ := publicsuffix.PublicSuffix(p.host)
		if shared := strings.Contains(suffix, "."); shared && !slices.Contains(suffixes, suffix) && strings.HasSuffix(p.site, "."+suffix) {
			suffixes = append(suffixes, suffix)
		}
	}
	text := strings.Join(list, " and ")
	if len(suffixes) > 0 {
		text += fmt.Sprintf(" (below a public suffix, here %s, each name is a site of its own)", strings.Join(suffixes, " and "))
	}
	return text
}

// siteOf returns the largest domain whose hosts can share a cookie: the registrable domain, or the host itself if that
// is an address, a single label or a public suffix.
func siteOf(host string) string {
	host = strings.ToLower(host)
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return host
	}
	site, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host
	}
	return site
}

// Pooled reports whether DATABASE_URL seems to lead to a connection pooler: by Neon's name for it, by PgBouncer's and
// Supabase's ports, or by Prisma's parameter.
func (c Config) Pooled() bool { return pooled(c.DatabaseURL) }

// PoolerWarning says what to do if migrations go through a connection pooler. It returns "" if they don't.
func (c Config) PoolerWarning() string {
	switch {
	case !pooled(c.DirectDatabaseURL):
		return ""
	case c.DirectDatabaseURL == c.DatabaseURL:
		return "DATABASE_URL leads to a connection pooler and DIRECT_DATABASE_URL is not set: migrations go through the pooler; set DIRECT_DATABASE_URL to the address past it (Neon: the same without -pooler)"
	default:
		return "DIRECT_DATABASE_URL leads to a connection pooler too; set it to the address past it (Neon: the same without -pooler)"
	}
}

// pooled reports whether a URL seems to lead to a connection pooler.
func pooled(address Secret) bool {
	u, err := url.Parse(unquoted(address.Reveal()))
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return false
	}
	first, _, _ := strings.Cut(u.Hostname(), ".")
	return strings.HasSuffix(first, "-pooler") || u.Port() == "6432" || u.Port() == "6543" || u.Query().Get("pgbouncer") == "true"
}
