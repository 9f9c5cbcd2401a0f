package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Origins is the set of browser origins that may call the server with the user's cookies, from CORS_ORIGINS. The zero
// value is empty.
type Origins struct {
	exact    map[string]bool
	patterns []originPattern
	listed   []string // as in the variable
}

// originPattern matches origins that differ in the first label of their host: the scheme, such as "https://", any one
// label, and the rest, such as ".example.com:8443".
type originPattern struct {
	scheme string
	rest   string
}

// appSchemes are the schemes of origins of installed apps and browser extensions.
var appSchemes = []string{ //nolint:gochecknoglobals // A constant table.
	"capacitor", "ionic", "tauri", "app", "chrome-extension", "moz-extension", "safari-web-extension",
}

// sharedDomains are domains under which anybody can get a name, but which are not in the public suffix list.
var sharedDomains = []string{ //nolint:gochecknoglobals // A constant table.
	"app.github.dev", "cloudworkstations.dev", "devtunnels.ms", "edgeone.app", "exp.direct", "gitpod.io", "glitch.me", "kinsta.app",
	"koyeb.app", "lhr.life", "loca.lt", "localtunnel.me", "nip.io", "serveo.net", "sslip.io", "stackblitz.io", "surge.sh", "v0.app",
	"webcontainer.io",
}

// ParseOrigins parses a comma-separated list of origins. An origin is scheme://host[:port]; its first label may be an
// asterisk, which matches exactly one label. Blanks, empty items and trailing slashes are removed, letters are
// converted to lower case, and internationalised names to Punycode, as browsers send them. Origins of apps and
// extensions have no patterns and no ports. The error lists all invalid items.
func ParseOrigins(list string) (Origins, error) {
	o := Origins{exact: map[string]bool{}}
	var problems []string
	for item := range strings.SplitSeq(list, ",") {
		item = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(item), "/"))
		if item == "" {
			continue
		}
		if err := o.add(item); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) > 0 {
		return Origins{}, errors.New(strings.Join(problems, "; "))
	}
	return o, nil
}

// add adds an item, which is trimmed and in lower case.
func (o *Origins) add(item string) error {
	switch item {
	case "*":
		return errors.New("* can't be used, because browsers refuse it together with cookies; list each origin")
	case "null":
		return errors.New("null can't be used, because every sandboxed page and local file has that origin; list each origin")
	}
	if strings.Contains(item, "@") { // The error doesn't contain the item, because a password may precede the @.
		return errors.New("holds an item with an @; write scheme://host[:port], as in https://app.example.com")
	}
	if isAppOrigin(item) {
		return o.addApp(item)
	}
	item, err := asciiOrigin(item)
	if err != nil {
		return fmt.Errorf("%q has no valid host: %w", shown(item), err)
	}
	return o.addWeb(item)
}

// addWeb adds an http or https origin or pattern, in ASCII.
func (o *Origins) addWeb(item string) error {
	u, err := url.Parse(strings.Replace(item, "*", "wildcard", 1))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%q is not an origin; write scheme://host[:port], as in https://app.example.com", shown(item))
	}
	if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery || strings.HasSuffix(item, "#") {
		return fmt.Errorf("%q is more than an origin; write %s://%s", shown(item), u.Scheme, shown(u.Host))
	}
	host, pattern := strings.CutPrefix(strings.TrimPrefix(item, u.Scheme+"://"), "*.")
	if err := checkHost(u.Scheme+"://"+host, pattern); err != nil {
		return err
	}
	o.store(u.Scheme, host, pattern)
	o.listed = append(o.listed, item)
	return nil
}

// isAppOrigin reports whether the origin has one of appSchemes.
func isAppOrigin(origin string) bool {
	scheme, _, found := strings.Cut(origin, "://")
	return found && slices.Contains(appSchemes, scheme)
}

// addApp adds the origin of an app or an extension. After the scheme it has a host or an id; Electron apps also use a
// single dot or hyphen.
func (o *Origins) addApp(item string) error {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789._-"
	scheme, host, _ := strings.Cut(item, "://")
	if host == "" || strings.Trim(host, letters) != "" {
		return fmt.Errorf("%q is not the origin of an app; write it in full, as in %s://localhost, without a *, a port or a path", shown(item), scheme)
	}
	o.exact[item] = true
	o.listed = append(o.listed, item)
	return nil
}

// asciiOrigin returns the origin or pattern with its host in Punycode (RFC 3492), as browsers send it. If that is
// impossible, it returns the item and an error.
func asciiOrigin(item string) (string, error) {
	scheme, rest, found := strings.Cut(item, "://")
	if !found {
		return item, nil
	}
	start := scheme + "://"
	if host, pattern := strings.CutPrefix(rest, "*."); pattern {
		start, rest = start+"*.", host
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	host, err := asciiHost(rest[:end])
	if err != nil {
		return item, err
	}
	return start + host + rest[end:], nil
}

// asciiHost returns a host, with or without a port, in Punycode. A host in ASCII is returned as it is.
func asciiHost(host string) (string, error) {
	if strings.IndexFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) < 0 {
		return host, nil
	}
	name, port, found := strings.Cut(host, ":")
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil {
		return "", errors.New("it is not a valid internationalised name")
	}
	if found {
		ascii += ":" + port
	}
	return ascii, nil
}

// store adds an origin or pattern to the set as browsers send it: without the scheme's default port.
func (o *Origins) store(scheme, host string, pattern bool) {
	if scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	if pattern {
		o.patterns = append(o.patterns, originPattern{scheme: scheme + "://", rest: "." + host})
		return
	}
	o.exact[scheme+"://"+host] = true
}

// checkHost checks the host and port of an origin or, without its wildcard label, of a pattern.
func checkHost(origin string, pattern bool) error {
	u, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("%q has no valid host", shown(origin))
	}
	if port := u.Port(); strings.HasSuffix(u.Host, ":") || (port != "" && !validPort(port)) {
		return fmt.Errorf("%q has no valid port; use 1 to 65535", shown(origin))
	}
	name := u.Hostname()
	if _, err := netip.ParseAddr(name); err == nil && !pattern {
		return nil
	}
	labels := strings.Split(name, ".")
	if err := checkPartialWildcard(labels); err != nil {
		return err
	}
	if slices.ContainsFunc(labels, func(l string) bool { return !isHostLabel(l) }) {
		return fmt.Errorf("%q has no valid host; only the whole first label may be *, as in https://*.example.com", shown(origin))
	}
	if pattern && len(labels) < 2 {
		return fmt.Errorf("the pattern for %q is too wide; name at least two labels after the *, as in https://*.example.com", shown(name))
	}
	if pattern && isShared(name) {
		return fmt.Errorf("the pattern for %q lets everybody in, because anybody can take a name below %s; %s", shown(name), shown(name), sharedDomainFix)
	}
	return nil
}

// sharedDomainFix says what to do instead of a pattern under a shared domain.
const sharedDomainFix = "list the exact origins, as in https://app.example.com, or give the deployments names below a domain of yours, as in https://*.preview.example.com"

// checkPartialWildcard refuses a pattern such as https://app-*-team.vercel.app, because anybody can get a name under a
// shared domain that matches. For other domains, checkHost refuses such labels.
func checkPartialWildcard(labels []string) error {
	rest := strings.Join(labels[1:], ".")
	if !strings.Contains(labels[0], "*") || !isShared(rest) {
		return nil
	}
	return fmt.Errorf("the pattern for %q can't be used, because anybody can take a name below %s that fits %s; %s", shown(rest), shown(rest), shown(labels[0]), sharedDomainFix)
}

// isShared reports whether names directly under the domain can belong to different people.
func isShared(domain string) bool {
	for _, name := range []string{domain, "wildcard." + domain} { // The list has patterns too, such as *.code.run.
		if suffix, _ := publicsuffix.PublicSuffix(name); suffix == name {
			return true
		}
	}
	return slices.ContainsFunc(sharedDomains, func(shared string) bool {
		return domain == shared || strings.HasSuffix(domain, "."+shared)
	})
}

// Allows reports whether the value of an Origin header is one of the origins. It compares the whole value: browsers
// send scheme and host in lower case, without a default port (RFC 6454, section 6.2). Only the id in an extension's
// origin may have capital letters.
func (o Origins) Allows(origin string) bool {
	if o.exact[origin] || (isAppOrigin(origin) && o.exact[strings.ToLower(origin)]) {
		return true
	}
	return slices.ContainsFunc(o.patterns, func(p originPattern) bool { return p.matches(origin) })
}

// matches reports whether origin is the pattern with one label in place of the asterisk.
func (p originPattern) matches(origin string) bool {
	host, ok := strings.CutPrefix(origin, p.scheme)
	if !ok {
		return false
	}
	label, ok := strings.CutSuffix(host, p.rest)
	return ok && isHostLabel(label)
}

// isHostLabel reports whether s is one label of a host name as browsers write it: up to 63 lower-case letters, digits,
// hyphens and underscores, without a hyphen at either end (RFC 1123; the underscore is not in it, but browsers accept
// it).
func isHostLabel(s string) bool {
	const ends = "abcdefghijklmnopqrstuvwxyz0123456789_"
	return s != "" && len(s) <= 63 && strings.Trim(s, ends+"-") == "" &&
		strings.IndexByte(ends, s[0]) >= 0 && strings.IndexByte(ends, s[len(s)-1]) >= 0
}

// Empty reports whether no origin is allowed.
func (o Origins) Empty() bool { return len(o.listed) == 0 }

// List returns the origins and patterns in the order of the variable.
func (o Origins) List() []string { return slices.Clone(o.listed) }

// String returns the origins and patterns, separated by commas.
func (o Origins) String() string { return strings.Join(o.listed, ",") }

// UnmarshalText parses the value of the environment variable; see ParseOrigins.
func (o *Origins) UnmarshalText(text []byte) error {
	parsed, err := ParseOrigins(string(text))
	if err != nil {
		return err
	}
	*o = parsed
	return nil
}

// MarshalText returns what UnmarshalText parses.
func (o Origins) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
