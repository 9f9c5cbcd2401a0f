package doctor

import (
	"context"
	"net/http"
	"strings"
)

// apiKey checks the given API key.
func (d *doctor) apiKey(ctx context.Context) {
	if name := d.anyProblem("AUTH_API_KEY_HEADER"); name != "" {
		d.unchecked("the API key was", name)
		return
	}
	if d.cfg.AuthAPIKeyHeader == "" {
		d.fail("API keys are ignored: AUTH_API_KEY_HEADER is off", "set it to the header of API keys, such as x-api-key")
		return
	}
	auth, err := d.authenticator()
	if err != nil {
		d.fail(err.Error(), "")
		return
	}
	header := http.Header{}
	header.Set(d.cfg.AuthAPIKeyHeader, readAPIKey(d.APIKey, d.cfg.AuthAPIKeyHeader))
	d.inspect(ctx, auth, header)
}

// readAPIKey returns the key in a copied text: the key alone, in quotes, or with its header, as in curl's -H option.
func readAPIKey(text, header string) string {
	text = strings.Trim(strings.TrimPrefix(strings.TrimSpace(text), "-H "), ` '"`)
	if name, value, found := strings.Cut(text, ":"); found && strings.EqualFold(strings.TrimSpace(name), header) {
		text = strings.TrimSpace(value)
	}
	return text
}
