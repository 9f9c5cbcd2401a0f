package devauth_test

import (
	"fmt"
	"strings"
)

// stranger is the user who belongs to no organization, until departures.
const stranger = "eve"

func creations() []act {
	return []act{
		{as: "ada", request: "POST /create"},
		{as: "ada", request: "POST /create", body: `{}`},
		{as: "ada", request: "POST /create", body: `[]`},
		{as: "ada", request: "POST /create", body: `{bad`},
		{as: "ada", request: "POST /create", body: `{"name":"","slug":""}`},
		{as: "ada", request: "POST /create", body: `{"name":1,"slug":null,"userId":{},"logo":3,"metadata":[],"keepCurrentActiveOrganization":"x"}`},
		{as: "ada", request: "POST /create", body: `{"name":"a","slug":"s","metadata":null}`},
		{as: "ada", request: "POST /create", body: `{"name":"a\u0000","slug":"s"}`, fails: true},
		{request: "POST /create", body: `{"name":"a","slug":"s"}`},
		{request: "POST /create", body: `{}`},
		{as: "garbage", request: "POST /create", body: `{"name":"a","slug":"s"}`},
		{as: "ada", request: "POST /create", body: `{"name":"Acme","slug":"acme"}`, save: "acme=id,owner=members.0.id"},
		{as: "ada", request: "POST /create", body: `{"name":"Acme","slug":"acme"}`},
		{as: "ben", request: "POST /create", body: `{"name":"Acme","slug":"acme"}`},
		{as: "ada", request: "GET /get-active-member"},
		{
			as: "ada", request: "POST /create",
			body: `{"name":"Beta","slug":"B 2","logo":"l","metadata":{"a":1,"b":{"c":["<&>"]}},"keepCurrentActiveOrganization":true,"other":1,"userId":5,"id":"mine"}`,
			save: "beta=id,betaowner=members.0.id",
		},
		{as: "ada", request: "GET /get-active-member-role"},
		{as: "ada", request: "POST /create", body: `{"name":"Gamma","slug":"c","logo":null,"metadata":{},"keepCurrentActiveOrganization":false}`, save: "gamma=id,gammaowner=members.0.id"},
		{as: "ada", request: "GET /get-active-member"},
		{as: "ada", request: "GET /list"},
		{as: stranger, request: "GET /list"},
		{request: "GET /list"},
		{as: "garbage", request: "GET /list"},
		{as: "gone", request: "GET /list"},
		{as: "gone", request: "POST /create", body: `{"name":"a","slug":"s"}`},
		{as: "gone", request: "GET /list-user-invitations"},
		{as: "ada", request: "POST /check-slug", body: `{"slug":"acme"}`},
		{as: "ada", request: "POST /check-slug", body: `{"slug":"free"}`},
		{as: "ada", request: "POST /check-slug", body: `{"slug":""}`},
		{as: "ada", request: "POST /check-slug", body: `{}`},
		{request: "POST /check-slug", body: `{"slug":"free"}`},
	}
}

func changesOfOrganizations() []act {
	const update = "POST /update"
	return []act{
		{as: "ada", request: update},
		{as: "ada", request: update, body: `{}`},
		{as: "ada", request: update, body: `{"data":null}`},
		{as: "ada", request: update, body: `{"data":[],"organizationId":null}`},
		{as: "ada", request: update, body: `{"data":{"name":"","slug":"","logo":1,"metadata":1}}`},
		{as: "ada", request: update, body: `{"data":{"name":null,"metadata":null}}`},
		{as: "ada", request: update, body: `{"data":{"name":"Acme 2","other":1,"id":"x"},"organizationId":"{acme}"}`},
		{as: "ada", request: update, body: `{"data":{"slug":"B 2"},"organizationId":"{acme}"}`},
		{as: "ada", request: update, body: `{"data":{"slug":"acme","logo":"l","metadata":{"x":1}},"organizationId":"{acme}"}`},
		{as: "ada", request: update, body: `{"data":{"name":"Gamma 2"}}`}, // the active one
		{as: "ada", request: update, body: `{"data":{"logo":null,"metadata":{}},"organizationId":"{acme}"}`},
		{as: "ada", request: update, body: `{"data":{"slug":"acme2"},"organizationId":"{acme}"}`},
		{as: "ada", request: update, body: `{"data":{"slug":"acme"},"organizationId":"{acme}"}`},
		{as: stranger, request: update, body: `{"data":{"name":"x"},"organizationId":"{acme}"}`},
		{as: stranger, request: update, body: `{"data":{"slug":"acme"},"organizationId":"{acme}"}`},
		{as: stranger, request: update, body: `{"data":{"name":"x"},"organizationId":"missing"}`},
		{as: stranger, request: update, body: `{"data":{"name":"x"}}`},
		{request: update, body: `{"data":{"name":"x"},"organizationId":"{acme}"}`},
	}
}

func actives() []act {
	const set, full, role = "POST /set-active", "GET /get-full-organization", "GET /get-active-member-role"
	return []act{
		{as: "ada", request: set},
		{as: "ada", request: set, body: `{}`},
		{as: "ada", request: set, body: `{"organizationId":5,"organizationSlug":null}`},
		{as: "ada", request: set, body: `{"organizationId":null}`},
		{as: "ada", request: set, body: `{"organizationId":null}`},
		{as: "ada", request: set, body: `{}`},
		{as: "ada", request: full},
		{as: "ada", request: "GET /get-organization"},
		{as: "ada", request: "POST /update", body: `{"data":{"name":"x"}}`},
		{as: "ada", request: set, body: `{"organizationSlug":"missing"}`},
		{as: "ada", request: set, body: `{"organizationId":"{beta}"}`},
		{as: "ada", request: set, body: `{"organizationId":"missing"}`},
		{as: "ada", request: role}, // The last one has unset it.
		{as: "ada", request: set, body: `{"organizationSlug":"acme"}`},
		{as: "ada", request: set, body: `{"organizationId":"","organizationSlug":""}`},
		{as: "ada", request: set, body: `{"organizationId":"{acme}","organizationSlug":"B 2"}`},
		{as: stranger, request: set, body: `{"organizationId":"{acme}"}`},
		{as: stranger, request: set, body: `{"organizationSlug":"acme"}`},
		{request: set, body: `{"organizationId":"{acme}"}`},

		{as: "ada", request: "GET /get-active-member"},
		{as: stranger, request: "GET /get-active-member"},
		{request: "GET /get-active-member"},
		{as: "ada", request: role},
		{as: "ada", request: role + "?organizationId={beta}"},
		{as: "ada", request: role + "?organizationId="},
		{as: "ada", request: role + "?organizationId=missing"},
		{as: "ada", request: role + "?organizationSlug=missing"},
		{as: "ada", request: role + "?organizationSlug=acme&organizationId=missing"},
		{as: "ada", request: role + "?organizationId={acme}&userId={ada}"},
		{as: "ada", request: role + "?organizationId={acme}&userId={eve}"},
		{as: "ada", request: role + "?organizationId={acme}&organizationId={beta}"},
		{as: stranger, request: role},
		{as: stranger, request: role + "?organizationId={acme}"},
		{request: role + "?organizationId={acme}"},

		{as: "ada", request: full},
		{as: "ada", request: full + "?organizationSlug=acme&organizationId={beta}"},
		{as: "ada", request: full + "?organizationId={beta}"},
		{as: "ada", request: full + "?organizationId=missing"},
		{as: "ada", request: full + "?membersLimit=x"},
		{as: "ada", request: full + "?membersLimit=0"},
		{as: "ada", request: full + "?membersLimit=-1", fails: true},
		{as: "ada", request: full + "?membersLimit=1&membersLimit=2&organizationId=a&organizationId=b"},
		{as: stranger, request: full},
		{as: stranger, request: full + "?organizationId={acme}"},
		{request: full},
		{as: "ada", request: "GET /get-organization"},
		{as: "ada", request: "GET /get-organization?organizationSlug=B+2"},
		{as: stranger, request: "GET /get-organization?organizationId={acme}"},
		{request: "GET /get-organization"},
		{as: "ada", request: "GET /get-active-member"}, // Reading has not changed it.

		// Each session has its own.
		{as: "short", request: "GET /get-active-member"},
		{as: "short", request: set, body: `{"organizationId":"{beta}"}`},
		{as: "short", request: "GET /get-active-member"},
		{as: "ada", request: "GET /get-active-member"},
		{as: "short", request: set, body: `{"organizationId":null}`},
	}
}

func invitations() []act {
	const request = "POST /invite-member"
	to := func(name, role string) string {
		return fmt.Sprintf(`{"email":"{%s@}","role":%s,"organizationId":"{acme}"}`, name, role)
	}
	again := func(body string) string { return strings.Replace(body, "{", `{"resend":true,`, 1) }
	return []act{
		{as: "ada", request: request, body: `{}`},
		{as: "ada", request: request, body: `{"email":1,"role":1,"organizationId":1,"resend":1,"teamId":1}`},
		{as: "ada", request: request, body: `{"email":"bad","role":"member","organizationId":"{acme}"}`},
		{as: "ada", request: request, body: `{"email":"bad","role":[1]}`},
		{as: "ada", request: request, body: to("ben", `"boss"`)},
		{as: "ada", request: request, body: to("ben", `"boss, admin,x"`)},
		{as: "ada", request: request, body: to("ben", `""`)},
		{as: "ada", request: request, body: to("ben", `[]`)},
		{as: "ada", request: request, body: to("ben", `" , "`)},
		{as: "ada", request: request, body: to("ada", `"member"`)},
		{as: "ada", request: request, body: `{"email":"{ben@}","role":"member","organizationId":"missing"}`},
		{as: stranger, request: request, body: to("ben", `"member"`)},
		{as: stranger, request: request, body: `{"email":"{ben@}","role":"member"}`},
		{request: request, body: to("ben", `"member"`)},
		{as: "ada", request: request, body: `{"email":"BEN@Example.com","role":[" admin","member "],"organizationId":"{acme}","other":1,"status":"accepted","teamId":"t"}`, save: "toben=id"},
		{as: "ada", request: request, body: to("ben", `"member"`)},
		{as: "ada", request: request, body: strings.Replace(to("ben", `"member"`), "{", `{"resend":false,`, 1)},
		{as: "ada", request: request, body: again(to("ben", `"member"`))},
		{as: "ada", request: request, body: again(to("cem", `"member"`)), save: "tocem=id"},
		{as: "ada", request: request, body: to("dan", `"owner"`), save: "todan=id"},
		{as: "ada", request: request, body: `{"email":"{eve@}","role":"member","organizationId":""}`, save: "toeve=id"}, // the active one
		{as: "ada", request: request, body: `{"email":"{ben@}","role":"member","organizationId":"{beta}"}`, save: "tobeta=id"},

		{as: "ada", request: "GET /list-invitations"},
		{as: "ada", request: "GET /list-invitations?organizationId={beta}"},
		{as: "ada", request: "GET /list-invitations?organizationId=missing"},
		{as: "ada", request: "GET /list-invitations?organizationId=a&organizationId=b"},
		{as: stranger, request: "GET /list-invitations"},
		{as: stranger, request: "GET /list-invitations?organizationId={acme}"},
		{request: "GET /list-invitations"},

		{as: "ben", request: "GET /list-user-invitations", before: "verify {ben}"},
		{as: stranger, request: "GET /list-user-invitations", before: "verify {eve}"},
		{as: "ada", request: "GET /list-user-invitations", before: "verify {ada}"},
		{as: "ben", request: "GET /list-user-invitations?email={ben@}"},
		{request: "GET /list-user-invitations"},
		{request: "GET /list-user-invitations?email={ben@}"},

		{as: "ben", request: "GET /get-invitation"},
		{as: "ben", request: "GET /get-invitation?id=missing"},
		{as: "ben", request: "GET /get-invitation?id=a&id=b"},
		{as: "ben", request: "GET /get-invitation?id={toben}"},
		{as: "cem", request: "GET /get-invitation?id={toben}"},
		{as: "ada", request: "GET /get-invitation?id={toben}"},
		{request: "GET /get-invitation?id={toben}"},
	}
}

// answers accept, reject and cancel the invitations.
func answers() []act {
	accept := func(name string) string { return `{"invitationId":"{` + name + `}"}` }
	const acceptIt, rejectIt, cancelIt = "POST /accept-invitation", "POST /reject-invitation", "POST /cancel-invitation"
	return []act{
		{as: "ben", request: acceptIt, body: `{}`},
		{as: "ben", request: acceptIt, body: `{"invitationId":"missing"}`},
		{as: "cem", request: acceptIt, body: accept("toben")},
		{request: acceptIt, body: accept("toben")},
		{as: "ben", request: acceptIt, body: accept("toben"), save: "ben1=member.id"},
		{as: "ben", request: acceptIt, body: accept("toben")},
		{as: "ben", request: rejectIt, body: accept("toben")},
		{as: "ben", request: "GET /get-invitation?id={toben}"},
		{as: "ben", request: "GET /get-active-member"},
		{as: "ben", request: "GET /list"},
		{as: "ben", request: "GET /list-user-invitations"},
		{as: "ada", request: "POST /invite-member", body: `{"email":"{ben@}","role":"member","organizationId":"{acme}"}`},

		{as: "ben", request: rejectIt, body: `{}`},
		{as: "ben", request: rejectIt, body: `{"invitationId":"missing"}`},
		{as: "ben", request: rejectIt, body: accept("tocem")},
		{request: rejectIt, body: accept("tocem")},
		{as: "cem", request: rejectIt, body: accept("tocem")},
		{as: "cem", request: rejectIt, body: accept("tocem")},
		{as: "cem", request: acceptIt, body: accept("tocem")},

		{as: "ben", request: "POST /invite-member", body: `{"email":"{eve@}","role":["member","owner"]}`},
		{as: "ben", request: "POST /invite-member", body: `{"email":"{dan@}","role":"member","resend":true}`},
		{as: "ben", request: "POST /invite-member", body: `{"email":"{cem@}","role":"member"}`, save: "tocem2=id"},
		{as: "ben", request: "GET /list-invitations"}, // without the new owner's
		{as: "ben", request: "GET /get-full-organization"},
		{as: "cem", request: acceptIt, body: accept("tocem2"), save: "cem1=member.id"},
		{as: "cem", request: "POST /invite-member", body: `{"email":"new@example.com","role":"member"}`},
		{as: "cem", request: "GET /list-invitations"},
		{as: "cem", request: "GET /get-full-organization"},
		{as: "cem", request: "POST /update", body: `{"data":{"name":"x"}}`},

		{as: stranger, request: acceptIt, body: accept("toeve"), before: "expire {toeve}"},
		{as: stranger, request: "GET /get-invitation?id={toeve}"},
		{as: stranger, request: "GET /list-user-invitations"}, // It is still pending.
		{as: "ada", request: "POST /invite-member", body: `{"email":"{eve@}","role":"member","resend":true,"organizationId":"{acme}"}`, save: "toeve2=id"},
		{as: stranger, request: rejectIt, body: accept("toeve")}, // though it has expired
		{as: stranger, request: "GET /list-user-invitations"},

		{as: stranger, request: cancelIt, body: accept("todan")},
		{as: "cem", request: cancelIt, body: accept("todan")},
		{as: "ada", request: cancelIt, body: `{"invitationId":"missing"}`},
		{as: "ada", request: cancelIt, body: `{}`},
		{request: cancelIt, body: accept("todan")},
		{as: "ben", request: cancelIt, body: accept("todan")},
		{as: "ada", request: cancelIt, body: accept("todan")},
		{as: "dan", request: acceptIt, body: accept("todan")},
		{as: "ada", request: cancelIt, body: accept("toben")}, // though it is accepted
		{as: "ada", request: cancelIt, body: accept("toeve2")},
		{as: "ada", request: "GET /list-invitations"},
		{as: "ada", request: "GET /get-full-organization"},
		{as: "ada", request: "GET /get-full-organization?membersLimit=1"},
	}
}

func memberLists() []act {
	const list = "GET /list-members"
	var acts []act
	for _, query := range []string{
		"", "?organizationId=", "?organizationId=missing", "?organizationSlug=missing", "?organizationSlug=acme",
		"?sortBy=createdAt&limit=1", "?sortBy=createdAt&limit=1&offset=1", "?limit=x", "?limit=0", "?offset=99", "?limit=1&limit=2",
		"?sortBy=role", "?sortBy=role&sortDirection=desc", "?sortBy=createdAt&sortDirection=desc", "?sortDirection=up",
		"?filterField=role&filterValue=owner", "?filterField=userId&filterValue={ben}", "?filterField=role", "?filterValue=x",
		"?filterField=organizationId&filterValue={beta}", "?filterField=id&filterValue={owner}&filterOperator=ne",
		"?filterField=role&filterValue=own&filterOperator=starts_with", "?filterField=role&filterValue=OWN&filterOperator=contains",
		"?filterField=role&filterValue=ber&filterOperator=ends_with", "?filterField=role&filterValue=dmi&filterOperator=contains",
		"?filterField=role&filterValue=owner&filterValue=member&filterOperator=in",
		"?filterField=role&filterValue=owner&filterValue=member&filterOperator=not_in",
		"?filterField=role&filterValue=member&filterOperator=gt", "?filterField=role&filterValue=member&filterOperator=gte",
		"?filterField=role&filterValue=member&filterOperator=lt", "?filterField=role&filterValue=member&filterOperator=lte",
		"?filterField=createdAt&filterOperator=gt&filterValue=2020-01-01", "?filterField=createdAt&filterOperator=lt&filterValue=2020-01-01",
		"?filterField=role&filterOperator=other&filterValue=x",
	} {
		acts = append(acts, act{as: "ben", request: list + query})
	}
	for _, query := range []string{
		"?limit=-1", "?offset=-1", "?sortBy=other", "?filterField=other&filterValue=1", "?filterField=user&filterValue=1",
		"?filterField=role&filterValue=m&filterOperator=in", "?filterField=role&filterValue=owner&filterValue=member",
	} {
		acts = append(acts, act{as: "ben", request: list + query, fails: true})
	}
	return append(
		acts,
		act{as: stranger, request: list},
		act{as: stranger, request: list + "?organizationId={acme}"},
		act{request: list},
	)
}

func roles() []act {
	const request = "POST /update-member-role"
	to := func(member, role string) string {
		return fmt.Sprintf(`{"memberId":%q,"role":%s,"organizationId":"{acme}"}`, member, role)
	}
	return []act{
		{as: "ada", request: request, body: `{}`},
		{as: "ada", request: request, body: `{"role":1,"memberId":1,"organizationId":1}`},
		{as: "ada", request: request, body: to("{ben1}", `""`)},
		{as: "ada", request: request, body: to("{ben1}", `[]`)},
		{as: "ada", request: request, body: to("{ben1}", `" ,"`)},
		{as: "ada", request: request, body: to("{ben1}", `"boss"`)},
		{as: "ada", request: request, body: to("{ben1}", `["boss","admin","x"]`)},
		{as: "ada", request: request, body: to("missing", `"admin"`)},
		{as: "ada", request: request, body: `{"memberId":"{ben1}","role":"admin","organizationId":"missing"}`},
		{as: "ada", request: request, body: `{"memberId":"{ben1}","role":"admin","organizationId":"{beta}"}`},
		{as: stranger, request: request, body: to("{ben1}", `"admin"`)},
		{as: stranger, request: request, body: `{"memberId":"x","role":"admin"}`},
		{request: request, body: to("{ben1}", `"admin"`)},
		{as: "ada", request: request, body: to("{owner}", `"member"`)}, // the last owner
		{as: "ada", request: request, body: to("{owner}", `["owner", " admin"]`)},
		{as: "ada", request: request, body: to("{owner}", `"owner"`)},
		{as: "ben", request: request, body: to("{owner}", `"member"`)},
		{as: "ben", request: request, body: to("{ben1}", `"owner"`)},
		{as: "ben", request: request, body: to("{cem1}", `"owner"`)},
		{as: "ben", request: request, body: to("{cem1}", `"admin,member"`)},
		{as: "ben", request: request, body: `{"memberId":"{cem1}","role":["member"]}`},
		{as: "cem", request: request, body: to("{ben1}", `"member"`)},
		{as: "cem", request: request, body: to("{cem1}", `"admin"`)},
		{as: "cem", request: request, body: to("{cem1}", `"boss"`)},
		{as: "ada", request: request, body: to("{ben1}", `"owner"`)},
		{as: "ben", request: request, body: to("{owner}", `"member"`)},
		{as: "ben", request: request, body: to("{ben1}", `"member"`)}, // the last owner now
		{as: "ben", request: request, body: to("{owner}", `"owner"`)},
		{as: "ben", request: request, body: to("{ben1}", `"admin"`)},
		{as: "ben", request: "GET /get-active-member-role"},

		{as: "ada", request: "POST /has-permission", body: `{"permissions":{"organization":["delete"],"member":["create","update"]}}`},
		{as: "ben", request: "POST /has-permission", body: `{"permissions":{"organization":["update","delete"]}}`},
		{as: "ben", request: "POST /has-permission", body: `{"permissions":{"organization":["update"],"member":["delete"]}}`},
		{as: "cem", request: "POST /has-permission", body: `{"permissions":{"organization":["update"]},"organizationId":"{acme}"}`},
		{as: "cem", request: "POST /has-permission", body: `{"permissions":{"ac":["read"]}}`},
		{as: "cem", request: "POST /has-permission", body: `{"permissions":{"other":["read"]}}`},
		{as: "cem", request: "POST /has-permission", body: `{"permissions":{"ac":[]}}`},
		{as: "cem", request: "POST /has-permission", body: `{"permissions":{}}`},
		{as: "ada", request: "POST /has-permission", body: `{"permission":{"organization":["delete"]}}`},
		{as: "ada", request: "POST /has-permission", body: `{}`},
		{as: "ada", request: "POST /has-permission", body: `{"permissions":{"organization":"delete"}}`},
		{as: stranger, request: "POST /has-permission", body: `{"permissions":{"ac":["read"]},"organizationId":"{acme}"}`},
		{as: stranger, request: "POST /has-permission", body: `{"permissions":{"ac":["read"]}}`},
		{request: "POST /has-permission", body: `{"permissions":{"ac":["read"]}}`},
	}
}

// departures remove members, and members leave.
func departures() []act {
	const request, leave = "POST /remove-member", "POST /leave"
	of := func(member string) string {
		return fmt.Sprintf(`{"memberIdOrEmail":%q,"organizationId":"{acme}"}`, member)
	}
	return []act{
		{as: "ada", request: request, body: `{}`},
		{as: "ada", request: request, body: of("missing")},
		{as: "ada", request: request, body: of("missing@example.com")},
		{as: "ada", request: request, body: of("{eve@}")},
		{as: "ada", request: request, body: `{"memberIdOrEmail":"{ben1}","organizationId":"missing"}`},
		{as: "ada", request: request, body: `{"memberIdOrEmail":"{ben1}","organizationId":"{beta}"}`},
		{as: "ada", request: request, body: of("{owner}")},
		{as: "ada", request: request, body: of("{betaowner}")},
		{as: "ben", request: request, body: of("{owner}")},
		{as: "cem", request: request, body: of("{owner}")},
		{as: "cem", request: request, body: of("{ben1}")},
		{as: "cem", request: request, body: of("{cem1}")},
		{as: stranger, request: request, body: of("{ben1}")},
		{as: stranger, request: request, body: `{"memberIdOrEmail":"x"}`},
		{request: request, body: of("{ben1}")},
		{as: "ben", request: request, body: of("CEM@example.com")},
		// The session of the former member still has the organization as the active one.
		{as: "cem", request: "GET /get-active-member"},
		{as: "cem", request: "GET /get-active-member-role"},
		{as: "cem", request: "GET /get-active-member-role?organizationId={acme}"},
		{as: "cem", request: "GET /list"},
		{as: "cem", request: "GET /list-members"},
		{as: "cem", request: "GET /list-invitations"},
		{as: "cem", request: "POST /invite-member", body: `{"email":"{dan@}","role":"member"}`},
		{as: "cem", request: "POST /update", body: `{"data":{"name":"x"}}`},
		{as: "cem", request: request, body: `{"memberIdOrEmail":"{ben1}"}`},
		{as: "cem", request: "GET /get-full-organization"}, // This unsets it.
		{as: "cem", request: "GET /get-active-member"},
		{as: "cem", request: "GET /get-full-organization"},

		{as: "ada", request: leave, body: `{}`},
		{as: "ada", request: leave, body: `{"organizationId":"{acme}"}`},
		{as: stranger, request: leave, body: `{"organizationId":"{acme}"}`},
		{as: stranger, request: leave, body: `{"organizationId":"missing"}`},
		{request: leave, body: `{"organizationId":"{acme}"}`},
		{as: "ada", request: "POST /invite-member", body: `{"email":"{dan@}","role":"member","organizationId":"{acme}"}`, save: "todan2=id"},
		{as: "ben", request: "POST /invite-member", body: `{"email":"{eve@}","role":"member","organizationId":"{acme}"}`, save: "toeve3=id"},
		{as: "ben", request: leave, body: `{"organizationId":"{acme}"}`},
		{as: "ben", request: leave, body: `{"organizationId":"{acme}"}`},
		{as: "ben", request: "GET /get-active-member-role"},
		{as: stranger, request: "GET /get-invitation?id={toeve3}"}, // The inviter has left.
		{as: stranger, request: "POST /accept-invitation", body: `{"invitationId":"{toeve3}"}`, save: "eve1=member.id"},
		{as: stranger, request: request, body: of("{eve1}")}, // She may not remove even herself.
		{as: "ada", request: "POST /update-member-role", body: `{"memberId":"{eve1}","role":"admin","organizationId":"{acme}"}`},
		{as: stranger, request: request, body: of("{eve1}")}, // An admin may.
		{as: stranger, request: "GET /get-active-member"},
		{as: "dan", request: "POST /accept-invitation", body: `{"invitationId":"{todan2}"}`, save: "dan1=member.id"},
		{as: "ada", request: "GET /list-members"},
	}
}

// limits fill an organization with members and invitations. cem was invited before there were too many members.
func limits() []act {
	const invite = "POST /invite-member"
	return []act{
		{as: "ada", request: "POST /create", body: `{"name":"Delta","slug":"delta"}`, save: "delta=id,deltaowner=members.0.id"},
		{as: "ada", request: invite, body: `{"email":"{cem@}","role":"member"}`, save: "tocem3=id"},
		{as: "ada", request: invite, body: `{"email":"new@example.com","role":"member"}`, before: "invite {delta}"},
		{as: "ada", request: invite, body: `{"email":"{cem@}","role":"member","resend":true}`},
		{as: "cem", request: "POST /accept-invitation", body: `{"invitationId":"{tocem3}"}`, before: "fill {delta}"},
		{as: "ada", request: "POST /leave", body: `{"organizationId":"{delta}"}`},
		{as: "cem", request: "POST /accept-invitation", body: `{"invitationId":"{tocem3}"}`, before: "shrink {delta}", save: "cem3=member.id"},
	}
}

func deletions() []act {
	const request = "POST /delete"
	return []act{
		{as: "ada", request: request, body: `{}`},
		{as: "ada", request: request, body: `{"organizationId":""}`},
		{as: "ada", request: request, body: `{"organizationId":"missing"}`},
		{as: "dan", request: request, body: `{"organizationId":"{acme}"}`},
		{as: stranger, request: request, body: `{"organizationId":"{acme}"}`},
		{request: request, body: `{"organizationId":"{acme}"}`},
		{as: "ada", request: request, body: `{"organizationId":"{beta}"}`},
		{as: "ada", request: "GET /get-active-member-role"},
		{as: "ben", request: "GET /list-user-invitations"},
		{as: "ada", request: request, body: `{"organizationId":"{acme}"}`},
		{as: "ada", request: request, body: `{"organizationId":"{acme}"}`},
		{as: "ada", request: "GET /get-active-member-role"},
		{as: "ada", request: "GET /list"},
		{as: "ada", request: "POST /check-slug", body: `{"slug":"acme"}`},
		{as: "dan", request: "GET /list"},
		{as: "dan", request: "GET /get-active-member"},
		{as: "dan", request: "GET /get-active-member-role"},
		{as: "dan", request: "GET /list-members?organizationId={acme}"},
		{as: "dan", request: "GET /get-full-organization"},
		{as: "dan", request: "POST /set-active", body: `{}`},
		{as: "dan", request: "GET /get-full-organization"},
	}
}
