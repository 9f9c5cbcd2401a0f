package testkit

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// OrganizationClient calls a Better Auth server, or one that is compatible, with the official client and its organization
// plugin.
type OrganizationClient struct {
	stdin  io.Writer
	stdout *bufio.Scanner
	output *lockedBuffer
}

// NewOrganizationClient starts a client of the server at baseURL, which ends with the test. It needs node and npm, see Require.
// It is not safe for concurrent use.
func NewOrganizationClient(t testing.TB, baseURL string) *OrganizationClient {
	t.Helper()
	// Not with the test's context, whose end would kill the client. It ends with its input.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "organizations.mjs", baseURL)
	cmd.Dir, cmd.Env = betterAuthDir(t), nodeEnvironment()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("connecting to node: %v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("connecting to node: %v", err)
	}
	c := &OrganizationClient{stdin: stdin, stdout: bufio.NewScanner(stdout), output: &lockedBuffer{}}
	c.stdout.Buffer(nil, 16<<20)
	cmd.Stderr = c.output
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting node: %v", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return c
}

// Call calls a method of the client, such as "organization.create", as the signed-in user as, who keeps the response's cookies.
// It returns the data of the client's answer; the test ends if that is an error.
func (c *OrganizationClient) Call(t testing.TB, as *AuthClient, method string, argument any) json.RawMessage {
	t.Helper()
	data, code := c.TryCall(t, as, method, argument)
	if code != "" {
		t.Fatalf("%s: %s", method, code)
	}
	return data
}

// TryCall is like Call, but returns the code of the client's error, or "" if there is none.
func (c *OrganizationClient) TryCall(t testing.TB, as *AuthClient, method string, argument any) (json.RawMessage, string) {
	t.Helper()
	line, err := json.Marshal(map[string]any{"cookie": as.Header().Get("Cookie"), "method": method, "argument": argument})
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	if _, err := c.stdin.Write(append(line, '\n')); err != nil || !c.stdout.Scan() {
		t.Fatalf("%s: Better Auth's client has ended: %v\n%s", method, err, c.output)
	}
	var answer struct {
		Data       json.RawMessage
		Error      *struct{ Code, StatusText string }
		SetCookies []string
	}
	if err := json.Unmarshal(c.stdout.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	as.store((&http.Response{Header: http.Header{"Set-Cookie": answer.SetCookies}}).Cookies())
	if answer.Error != nil {
		return nil, cmp.Or(answer.Error.Code, answer.Error.StatusText, "an error without a code")
	}
	return answer.Data, ""
}

// Create makes an organization that the user owns, and returns its id.
func (c *OrganizationClient) Create(t testing.TB, owner *AuthClient, name string) string {
	t.Helper()
	slug := strings.ToLower(strings.Join(strings.Fields(name), "-"))
	return idIn(t, c.Call(t, owner, "organization.create", map[string]any{"name": name, "slug": slug}))
}

// Join invites a user, whose address it needs, into an organization, and has the user accept. The role may be a list.
func (c *OrganizationClient) Join(t testing.TB, owner *AuthClient, organizationID string, user *AuthClient, email string, role any) {
	t.Helper()
	invitation := idIn(t, c.Call(t, owner, "organization.inviteMember", map[string]any{"organizationId": organizationID, "email": email, "role": role}))
	c.Call(t, user, "organization.acceptInvitation", map[string]any{"invitationId": invitation})
}

// idIn returns the id in an answer.
func idIn(t testing.TB, data json.RawMessage) string {
	t.Helper()
	var object struct{ ID string }
	if err := json.Unmarshal(data, &object); err != nil || object.ID == "" {
		t.Fatalf("no id in %s: %v", data, err)
	}
	return object.ID
}
