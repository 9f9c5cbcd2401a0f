package config

import "strings"

// checkHookSecret refuses a secret that must be a mistake and, in production, a weak one.
func (l *loader) checkHookSecret() {
	const name, fix = "AUTH_HOOK_SECRET", "make one with `openssl rand -base64 32`, and set it on both servers"
	secret := l.cfg.AuthHookSecret
	weakness := weakSecret(secret)
	switch {
	case secret == "":
	case strings.HasPrefix(secret.Reveal(), "whsec_"):
		l.fail(name, "must not begin with whsec_, because it is used as it is written and not decoded; %s", fix)
	case secret == l.cfg.JWTSecret:
		l.fail(name, "must differ from JWT_SECRET: whatever the auth server signs with that could be taken for an event; %s", fix)
	case weakness != "" && l.cfg.Production():
		l.fail(name, "%s: anyone who guesses it can erase any user; %s", weakness, fix)
	case weakness != "":
		l.warning("%s %s: anyone who guesses it can erase any user; production refuses it; %s", name, weakness, fix)
	}
}
