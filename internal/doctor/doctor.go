// Package doctor checks a deployment from the server's point of view: its variables, the database, the auth server, a
// session, and whether browsers can send the cookie. It reports the result of each check, with what to do if it failed.
// It changes nothing, and its report contains no secret.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/config"
)

// ErrUnhealthy is the error of Run if a check failed.
var ErrUnhealthy = errors.New("not healthy")

// defaultTimeout is the default of Config.Timeout.
const defaultTimeout = 10 * time.Second

// maxSkew is the greatest harmless difference between two clocks.
const maxSkew = 5 * time.Second

// Config configures Run. Environ, Sessions and Out are required.
type Config struct {
	// Environ contains the environment variables. If some are invalid, the checks that don't need them still run.
	Environ map[string]string
	// Sessions returns the server's configuration for checking sessions.
	Sessions func(config.Config) betterauth.Config
	// TrustedDocuments checks the manifest of trusted documents. If it is nil, the manifest is not checked.
	TrustedDocuments func(config.Config) error
	// Credential is a session to check, as it was copied: a Cookie header, a Set-Cookie line, the cookie's value alone,
	// or an Authorization header. It may be empty.
	Credential string
	// APIKey is an API key to check. It may be empty.
	APIKey string
	// Out receives the report, line by line while the checks run.
	Out io.Writer
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Timeout is the longest that one check may take. The default is 10 s.
	Timeout time.Duration
}

// Run runs all checks and writes the report. The error wraps ErrUnhealthy if a check failed, or is Out's. Warnings are
// not errors.
func Run(ctx context.Context, c Config) error {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	d := &doctor{Config: c}
	d.cfg, d.problems = config.LoadPartial(c.Environ)
	d.variables()
	d.database(ctx)
	switch hasAuthServer := d.authServer(ctx); {
	case hasAuthServer:
		d.session(ctx)
	case c.Credential != "" || c.APIKey != "":
		d.section("Session")
		d.warn("the session was not checked: there is no auth server to ask", "")
	}
	d.browsers()
	d.printf("\n%s, %s\n", count(d.failures, "failure"), count(d.warnings, "warning"))
	switch {
	case d.err != nil:
		return fmt.Errorf("writing the findings: %w", d.err)
	case d.failures > 0:
		return fmt.Errorf("%w: %s", ErrUnhealthy, count(d.failures, "failure"))
	default:
		return nil
	}
}

// doctor is one run of the checks.
type doctor struct {
	Config
	cfg      config.Config
	problems config.Problems

	sections, failures, warnings int
	err                          error // the first error of Out
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (d *doctor) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(d.Out, format, args...); err != nil && d.err == nil {
		d.err = err
	}
}

// section writes the title of a group of checks.
func (d *doctor) section(title string) {
	if d.sections++; d.sections > 1 {
		d.printf("\n")
	}
	d.printf("%s\n", title)
}

func (d *doctor) ok(text string)            { d.finding(betterauth.StatusOK, text, "") }
func (d *doctor) warn(text, fix string)     { d.finding(betterauth.StatusWarning, text, fix) }
func (d *doctor) fail(text, fix string)     { d.finding(betterauth.StatusFailure, text, fix) }
func (d *doctor) unchecked(what, by string) { d.warn(what+" not checked: "+by+" has a problem", "") }

// finding writes the result of one check, with the fix on the next line.
func (d *doctor) finding(status, text, fix string) {
	switch status {
	case betterauth.StatusFailure:
		d.failures++
	case betterauth.StatusWarning:
		d.warnings++
	}
	const indent = "           " // As wide as the status.
	d.printf("  %-7s  %s\n", status, oneLine(text))
	if fix != "" {
		d.printf("%s→ %s\n", indent, oneLine(fix))
	}
}

// oneLine replaces line breaks and control characters, so that a text from elsewhere, such as an error, can't look like
// a finding.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}

// steps writes the results of betterauth's checks.
func (d *doctor) steps(steps []betterauth.Step) {
	for _, step := range steps {
		d.finding(step.Status, step.Name+": "+step.Detail, step.Fix)
	}
}

// anyProblem returns the first of the variables that has a problem, or "" if none has.
func (d *doctor) anyProblem(names ...string) string {
	for _, name := range names {
		if _, bad := d.problems.Of(name); bad {
			return name
		}
	}
	return ""
}

// skew compares another clock with ours, which was read before and after the request for the other.
func (d *doctor) skew(whose string, theirs, before, after time.Time, fix string) {
	difference := theirs.Sub(before.Add(after.Sub(before) / 2)).Round(time.Second)
	switch {
	case difference > maxSkew:
		d.warn(fmt.Sprintf("clock: %s is %s ahead of this server's", whose, difference), fix)
	case difference < -maxSkew:
		d.warn(fmt.Sprintf("clock: %s is %s behind this server's", whose, -difference), fix)
	default:
		d.ok("clock: " + whose + " agrees with this server's")
	}
}

// variables checks the environment variables.
func (d *doctor) variables() {
	d.section("Variables")
	for _, problem := range d.problems {
		d.fail(problem.Variable+" "+problem.Message, "")
	}
	for _, warning := range d.cfg.Warnings {
		d.warn(warning, "")
	}
	if len(d.problems) == 0 {
		platform := ""
		if d.cfg.OnRailway() {
			platform = ", on Railway"
		}
		d.ok("valid: " + string(d.cfg.Environment) + platform)
	}
	if d.TrustedDocuments != nil && d.anyProblem("TRUSTED_DOCUMENTS", "TRUSTED_DOCUMENTS_FILE") == "" {
		if err := d.TrustedDocuments(d.cfg); err != nil {
			d.fail("trusted documents: "+err.Error(), "write the manifest anew with the client's build, against this server's schema")
		}
	}
}

// browsers checks whether browsers can send the cookie, see config.Topology.
func (d *doctor) browsers() {
	name := d.anyProblem("CORS_ORIGINS", "AUTH_SERVER_URL", "PUBLIC_URL", "AUTH_ISSUER")
	unknown := d.cfg.PublicURL == "" && d.cfg.Production()
	topology := d.cfg.Topology()
	if name == "" && !unknown && len(topology) == 0 {
		return
	}
	d.section("Cookies in browsers")
	if name != "" {
		d.unchecked("whether a cookie can be shared was", name)
		return
	}
	if unknown {
		d.warn("the URL at which browsers reach this server is not known", "set PUBLIC_URL to the frontend's origin if the frontend proxies /graphql")
	}
	for _, t := range topology {
		if t.Works {
			d.ok(t.Origin + ": " + t.Detail)
			continue
		}
		d.warn(t.Origin+": "+t.Detail, config.CookieFix)
	}
}
