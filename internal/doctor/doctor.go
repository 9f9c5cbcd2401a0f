// Package doctor examines a deployment from where the server stands: its variables, the database, the auth server, a
// session, and whether browsers can send the cookie at all. It says of each thing whether it is good and what to do
// where it is not. It changes nothing and shows no secret.
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

// ErrUnhealthy is what Run returns where a check failed.
var ErrUnhealthy = errors.New("not healthy")

// defaultTimeout is the longest that one check may take.
const defaultTimeout = 10 * time.Second

// maxSkew is the greatest difference between two clocks that does no harm.
const maxSkew = 5 * time.Second

// Config is what a doctor works with. All but TrustedDocuments, Credential, APIKey, Now and Timeout is required.
type Config struct {
	// Environ holds the variables. They may be wrong: what can be checked all the same is.
	Environ map[string]string
	// Sessions makes of the configuration what the server checks sessions by.
	Sessions func(config.Config) betterauth.Config
	// TrustedDocuments says what is wrong with the manifest of trusted documents. Nil: it is not looked at.
	TrustedDocuments func(config.Config) error
	// Credential is a session to look into, as somebody copied it: a Cookie header, a Set-Cookie line, the cookie's
	// value alone, or an Authorization header. "": none.
	Credential string
	// APIKey is an API key to look into. "": none.
	APIKey string
	// Out receives the findings, each as it comes.
	Out io.Writer
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Timeout is the longest that one check may take. Zero: 10 s.
	Timeout time.Duration
}

// Run makes all checks and writes what it finds. The error wraps ErrUnhealthy where a check failed; warnings are no
// error. Else it is Out's.
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

// doctor is one examination.
type doctor struct {
	Config
	cfg      config.Config
	problems config.Problems

	sections, failures, warnings int
	err                          error // Out's first
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

// section begins a group of findings.
func (d *doctor) section(title string) {
	if d.sections++; d.sections > 1 {
		d.printf("\n")
	}
	d.printf("%s\n", title)
}

func (d *doctor) ok(text string)            { d.finding(betterauth.StatusOK, text, "") }
func (d *doctor) warn(text, cure string)    { d.finding(betterauth.StatusWarning, text, cure) }
func (d *doctor) fail(text, cure string)    { d.finding(betterauth.StatusFailure, text, cure) }
func (d *doctor) unchecked(what, by string) { d.warn(what+" not checked: "+by+" has a problem", "") }

// finding writes one line, and the cure beneath it.
func (d *doctor) finding(status, text, cure string) {
	switch status {
	case betterauth.StatusFailure:
		d.failures++
	case betterauth.StatusWarning:
		d.warnings++
	}
	const indent = "           " // as wide as the status
	d.printf("  %-7s  %s\n", status, oneLine(text))
	if cure != "" {
		d.printf("%s→ %s\n", indent, oneLine(cure))
	}
}

// oneLine keeps others' texts, such as errors, from looking like findings.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}

// steps writes findings of betterauth's.
func (d *doctor) steps(steps []betterauth.Step) {
	for _, step := range steps {
		d.finding(step.Status, step.Name+": "+step.Detail, step.Fix)
	}
}

// anyProblem returns the first of the variables that has a problem, "" where none has.
func (d *doctor) anyProblem(names ...string) string {
	for _, name := range names {
		if _, bad := d.problems.Of(name); bad {
			return name
		}
	}
	return ""
}

// skew writes the difference of another clock from ours, which was read before and after the question.
func (d *doctor) skew(whose string, theirs, before, after time.Time, cure string) {
	difference := theirs.Sub(before.Add(after.Sub(before) / 2)).Round(time.Second)
	switch {
	case difference > maxSkew:
		d.warn(fmt.Sprintf("clock: %s is %s ahead of ours", whose, difference), cure)
	case difference < -maxSkew:
		d.warn(fmt.Sprintf("clock: %s is %s behind ours", whose, -difference), cure)
	default:
		d.ok("clock: " + whose + " and ours agree")
	}
}

// variables lists what is wrong with the environment.
func (d *doctor) variables() {
	d.section("Variables")
	for _, problem := range d.problems {
		d.fail(problem.Variable+" "+problem.Message, "")
	}
	for _, warning := range d.cfg.Warnings {
		d.warn(warning, "")
	}
	if len(d.problems) == 0 {
		where := ""
		if d.cfg.OnRailway() {
			where = ", on Railway"
		}
		d.ok("they can be used: " + string(d.cfg.Environment) + where)
	}
	if d.TrustedDocuments != nil && d.anyProblem("TRUSTED_DOCUMENTS", "TRUSTED_DOCUMENTS_FILE") == "" {
		if err := d.TrustedDocuments(d.cfg); err != nil {
			d.fail("trusted documents: "+err.Error(), "write the manifest anew with the client's build, against this server's schema")
		}
	}
}

// browsers holds the addresses against the public suffix list. In production it says nothing of local frontends.
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
		d.warn("where browsers reach this server is not known", "set PUBLIC_URL to the frontend's origin if the frontend proxies /graphql")
	}
	for _, t := range topology {
		if t.Works {
			d.ok(t.Origin + ": " + t.Detail)
			continue
		}
		d.warn(t.Origin+": "+t.Detail, config.CookieFix)
	}
}
