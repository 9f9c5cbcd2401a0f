package config

import "regexp"

// maxTokenPattern bounds the length of AUTH_TOKEN_PATTERN.
const maxTokenPattern = 200

// TokenPattern is AUTH_TOKEN_PATTERN as an expression that matches whole tokens only, nil if it is not set.
func (c Config) TokenPattern() *regexp.Regexp {
	if c.AuthTokenPattern == "" {
		return nil
	}
	shape, err := regexp.Compile(`\A(?:` + c.AuthTokenPattern + `)\z`)
	if err != nil {
		return nil // Load has refused it.
	}
	return shape
}

// checkTokenPattern refuses invalid patterns, and those that match what is signed like a token and is no token.
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
	if _, err := regexp.Compile(pattern); err != nil { // On its own: a stray parenthesis could fit the ones around it.
		l.fail(name, "must be a regular expression in Go's syntax, %s: %v", example, err)
		return
	}
	for _, text := range []string{"", "true"} { // dont_remember holds "true".
		if l.cfg.TokenPattern().MatchString(text) {
			l.fail(name, "must not match %q, which is no session token; describe the whole token, %s", text, example)
			return
		}
	}
}
