package betterauth

import (
	"strings"
	"testing"
)

// FuzzOrganizationResponses checks that no answer breaks the decoders or gets past their limits.
func FuzzOrganizationResponses(f *testing.F) {
	for _, seed := range []string{
		`[{"id":"o1","name":"Acme","metadata":{"a":[1]}},{"id":2}]`, `[]`, `null`, `[null]`, `[[]]`, `{"role":"member,admin"}`, `{"role":null}`,
		`{"members":[{"userId":"u1","role":"owner","user":{"id":"u1","name":"Zoë","image":"x"}}],"total":1}`, `{"members":[{}]}`, `{"members":{}}`, `[{"id":`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		organizations, err := decodeOrganizations(strings.NewReader(body))
		for _, o := range organizations {
			if err == nil && (o.ID == "" || len(o.ID) > maxID || len(o.Name) > maxName || strings.Contains(o.ID+o.Name, "\x00")) {
				t.Errorf("organization %+v", o)
			}
		}
		if role, err := decodeRole(strings.NewReader(body)); err == nil && len(role) > maxRole {
			t.Errorf("role %q", role)
		}
		var list memberList
		if _, err = list.decode(strings.NewReader(body)); err != nil {
			return
		}
		for _, m := range list.sorted() {
			if m.UserID == "" || len(m.UserID) > maxID || len(m.Name) > maxName || len(m.Role) > maxRole || strings.Contains(m.UserID+m.Name, "\x00") {
				t.Errorf("member %+v", m)
			}
		}
	})
}

// FuzzRolesClaim checks that no claim gives a role in an organization without an id.
func FuzzRolesClaim(f *testing.F) {
	for _, seed := range []string{`{"o1":"owner","o2":"member,editor"}`, `{}`, `null`, `[]`, `{"":"owner"}`, `{"o1":null}`, `{"o1":["owner"]}`, `"owner"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, claim string) {
		object, err := parseObject([]byte(`{"orgs":` + claim + `}`))
		if err != nil {
			t.Skip()
		}
		roles, err := parseRolesClaim(object)
		if err != nil && roles != nil {
			t.Error("roles and an error")
		}
		for id, role := range roles {
			if id == "" || len(id) > maxID || len(role) > maxRole || strings.Contains(id, "\x00") {
				t.Errorf("%q is %q", id, role)
			}
		}
	})
}
