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

// CookieFix is what to do where browsers can share no cookie between the frontend, the auth server and this server.
const CookieFix = "let the frontend proxy /graphql and /api/auth on its own origin, and set PUBLIC_URL to that origin; " +
	"or serve all three under one domain of yours, with crossSubDomainCookies on the auth server; " +
	"or send bearer tokens instead of cookies (docs/authentication.md)"

// Topology is whether the pages of one frontend can use a cookie of the auth server's here.
type Topology struct {
	// Origin is the frontend's, as CORS_ORIGINS has it.
	Origin string
	// Works is false where browsers will not send the cookie; CookieFix is what to do then.
	Works bool
	// Detail says why, in words.
	Detail string
}

// party is one of the servers that a browser talks to.
type party struct {
	name, host, site string
}

// Topology judges each frontend by the public suffix list, from the configuration alone. It can't see a proxy in
// front of this server, except where PUBLIC_URL tells. An address that browsers can't know, such as a private one of
// the auth server's, is left out.
func (c Config) Topology() []Topology {
	var list []Topology
	for _, origin := range c.CORSOrigins.List() {
		u, err := url.Parse(strings.Replace(origin, "*", "wildcard", 1))
		if err != nil || isAppOrigin(origin) || (c.Production() && isPrivateHost(u.Hostname())) {
			continue // an app, or a developer's machine among the origins of production
		}
		list = append(list, c.topologyOf(origin, u.Hostname()))
	}
	return list
}

// topologyOf judges one frontend.
func (c Config) topologyOf(origin, frontend string) Topology {
	parties := []party{{"the frontend", frontend, siteOf(frontend)}}
	for _, server := range []struct{ name, address string }{{"the auth server", c.publicAuth()}, {"this server", c.PublicURL}} {
		u, err := url.Parse(server.address)
		if err != nil || u.Hostname() == "" || (isPrivateHost(u.Hostname()) && !isPrivateHost(frontend)) {
			continue
		}
		host := strings.ToLower(u.Hostname())
		if ascii, err := asciiHost(host); err == nil {
			host = ascii // as CORS_ORIGINS has it
		}
		parties = append(parties, party{server.name, host, siteOf(host)})
	}
	return judge(origin, parties, strings.HasPrefix(cmp.Or(c.AuthCookieName, c.AuthCookiePrefix), "__Host-"))
}

// publicAuth is where browsers reach the auth server, so far as it is known: a JWT's issuer is its own base URL.
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

// judge compares the sites of those that have to share the cookie. The frontend stands first. A host-only cookie can't be
// shared between hosts of one site either.
func judge(origin string, parties []party, hostOnly bool) Topology {
	frontend, last := parties[0], parties[len(parties)-1]
	if last.name == "this server" && last.host == frontend.host {
		return Topology{origin, true, "browsers reach this server on the frontend's own host; it has to proxy /api/auth as well, or share the host with the auth server"}
	}
	foreign := slices.ContainsFunc(parties, func(p party) bool { return p.site != frontend.site })
	switch {
	case foreign:
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

// describe says who is where.
func describe(parties []party) string {
	list := make([]string, len(parties))
	for i, p := range parties {
		list[i] = p.name + " is at " + p.host
	}
	return strings.Join(list, ", ")
}

// sites lists the sites, and says of public suffixes that they are.
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

// siteOf is the largest domain that hosts can share a cookie of: the registrable domain, or the host itself where it
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

// PoolerWarning is what to do about a pooler in the way of migrations, "" where there is nothing to do.
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

func pooled(address Secret) bool {
	u, err := url.Parse(unquoted(address.Reveal()))
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return false
	}
	first, _, _ := strings.Cut(u.Hostname(), ".")
	return strings.HasSuffix(first, "-pooler") || u.Port() == "6432" || u.Port() == "6543" || u.Query().Get("pgbouncer") == "true"
}
