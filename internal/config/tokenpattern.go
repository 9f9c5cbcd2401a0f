package config

import "regexp"

// maxTokenPattern is the maximum length of AUTH_TOKEN_PATTERN, in bytes.
const maxTokenPattern = 200

// TokenPattern returns AUTH_TOKEN_PATTERN as an expression that matches only whole tokens, or nil if it is not set.
func (c Config) TokenPattern() *regexp.Regexp {
	if c.AuthTokenPattern == "" {
		return nil
	}
	pattern, err := regexp.Compile(`\A(?:` + c.AuthTokenPattern + `)\z`)
	if err != nil {
		return nil // Load refuses it.
	}
	return pattern
}

// checkTokenPattern refuses an invalid pattern, and one that matches other texts that the auth server signs.
func (l *loader) checkTokenPattern() {
	const name, example = "AUTH_TOKEN_PATTERN", "as in sess_[A-Za-z0-9]{32}"
	pattern := l.cfg.AuthTokenPattern
	if pattern == "" {
		return
	}
	if len(pattern) > maxTokenPattern {
		l.fail(name, "must have at most %d characters, %s", maxTokenPattern, example)
		return
	}
	if _, err := regexp.Compile(pattern); err != nil { // Without parentheses around it, which could match a stray one in it.
		l.fail(name, "must be a regular expression in Go's syntax, %s: %v", example, err)
		return
	}
	for _, text := range []string{"", "true"} { // "true" is in the cookie dont_remember.
		if l.cfg.TokenPattern().MatchString(text) {
			l.fail(name, "must not match %q, which is no session token; describe the whole token, %s", text, example)
			return
		}
	}
}
