package betterauth

import (
	"errors"
	"net/url"
	"strings"
)

// parseBase returns the address that Better Auth's endpoints are below. Like Better Auth's own baseURL, a path is used as
// it is; without one the base path is appended.
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

// origin is what a browser, and Better Auth, call the address's origin: in lower case, without the scheme's own port.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	usual := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return u.Scheme + "://" + strings.TrimSuffix(host, usual)
}

// Address returns the address of one of the auth server's endpoints, such as "ok".
func (a *Authenticator) Address(endpoint string) string { return a.root.JoinPath(endpoint).String() }
