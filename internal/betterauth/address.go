package betterauth

import (
	"errors"
	"net/url"
	"strings"
)

// parseBase returns the address under which Better Auth's endpoints are. As in Better Auth's own baseURL, a path is
// used as it is, and without one the base path is appended. The error doesn't quote the address.
func parseBase(base, basePath string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(base))
	if err != nil {
		return nil, errors.New("it is not a URL") // The cause would quote it, and it may hold a password.
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("it must start with http:// or https:// and name a host")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("it may have neither a query nor a fragment")
	}
	path := strings.Trim(u.Path, "/")
	if path == "" {
		path = strings.Trim(orDefault(basePath, DefaultBasePath), "/")
	}
	u.Path, u.RawPath = "/"+path, ""
	return u, nil
}

// origin returns the address's origin as browsers and Better Auth write it: in lower case, without the scheme's default
// port.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	defaultPort := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return u.Scheme + "://" + strings.TrimSuffix(host, defaultPort)
}

// Address returns the address of one of the auth server's endpoints, such as "ok".
func (a *Authenticator) Address(endpoint string) string { return a.root.JoinPath(endpoint).String() }
