package betterauth

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// decodeOrganizations decodes a response of organization/list: a list of organizations.
func decodeOrganizations(r io.Reader) ([]Organization, error) {
	var list []Organization
	err := decodeStream(r, func(d *jsontext.Decoder) error {
		return eachObject(d, func(object responseBody) error {
			fields := fieldReader{}
			id := fields.id(object.top, "id")
			if fields.err == nil && id == "" {
				fields.fail("an organization", "has no id")
			}
			if len(list) < maxOrganizations {
				list = append(list, Organization{ID: id, Name: truncate(withoutNUL(lenientText(object.top, "name")), maxName)})
			}
			return fields.err
		})
	})
	return list, err
}

// decodeRole decodes a response of organization/get-active-member-role, such as {"role":"member,admin"}.
func decodeRole(r io.Reader) (string, error) {
	role := ""
	err := decodeStream(r, func(d *jsontext.Decoder) error {
		var body responseBody
		if err := body.decodeValue(d); err != nil {
			return err
		}
		var err error
		role, err = memberRole(body.top)
		return err
	})
	return role, err
}

// memberRole reads a member's role.
func memberRole(object fields) (string, error) {
	r := fieldReader{}
	role := value[*string](&r, object, "role")
	switch {
	case r.err != nil:
		return "", r.err
	case role == nil:
		return "", errors.New("role is missing")
	case len(*role) > maxRole:
		return "", fmt.Errorf("role is longer than %d bytes", maxRole)
	default:
		return *role, nil
	}
}

// memberList is the members in one or more responses of organization/list-members.
type memberList struct {
	members []Member
	known   map[string]bool // their ids
	size    int
}

// decode decodes a response, such as {"members":[{"userId":"1","role":"owner","user":{"name":"Zoë"}}],"total":1}. It returns
// how many members it has, including those that are in the list already.
func (l *memberList) decode(r io.Reader) (int, error) {
	count := 0
	err := decodeStream(r, func(d *jsontext.Decoder) error {
		found := false
		err := eachMember(d, func(name string) error {
			if name != "members" || d.PeekKind() != jsontext.KindBeginArray {
				return d.SkipValue() //nolint:wrapcheck // decodeStream distinguishes kinds of errors.
			}
			found = true
			return eachObject(d, func(object responseBody) error {
				count++
				return l.add(object)
			})
		})
		if err == nil && !found {
			return errors.New("it has no list of members")
		}
		return err
	})
	return count, err
}

// add adds a member to the list, unless the member is in it already.
func (l *memberList) add(object responseBody) error {
	r := fieldReader{}
	m := Member{
		UserID: r.id(object.top, "userId"), Name: truncate(withoutNUL(lenientText(object.user, "name")), maxName), Image: image(object.user),
	}
	role, err := memberRole(object.top)
	m.Role = role
	switch {
	case r.err != nil:
		return r.err
	case m.UserID == "":
		return errors.New("a member has no userId")
	case err != nil:
		return err
	case l.known[m.UserID] || len(l.members) >= maxMembers:
		return nil
	}
	if l.size+m.size() > maxMembersSize {
		m.Image = nil
	}
	if l.known == nil {
		l.known = map[string]bool{}
	}
	l.known[m.UserID] = true
	l.size += m.size()
	l.members = append(l.members, m)
	return nil
}

// sorted returns the members, sorted by name.
func (l *memberList) sorted() []Member {
	slices.SortFunc(l.members, func(a, b Member) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.UserID, b.UserID))
	})
	return l.members
}

// eachObject decodes a list of objects, and calls use with each.
func eachObject(d *jsontext.Decoder, use func(responseBody) error) error {
	if d.PeekKind() != jsontext.KindBeginArray {
		return errors.New("it is not a list")
	}
	if _, err := d.ReadToken(); err != nil {
		return err //nolint:wrapcheck // decodeStream distinguishes kinds of errors.
	}
	for d.PeekKind() != jsontext.KindEndArray {
		var object responseBody
		if err := object.decodeValue(d); err != nil {
			return err
		}
		if err := use(object); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err //nolint:wrapcheck // As above.
}

// eachMember decodes an object, and calls read with the name of each of its members, whose value read has to read.
func eachMember(d *jsontext.Decoder, read func(name string) error) error {
	if d.PeekKind() != jsontext.KindBeginObject {
		return errors.New("it is not an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return err //nolint:wrapcheck // decodeStream distinguishes kinds of errors.
	}
	for d.PeekKind() != jsontext.KindEndObject {
		token, err := d.ReadToken()
		if err != nil {
			return err //nolint:wrapcheck // As above.
		}
		if err := read(token.String()); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err //nolint:wrapcheck // As above.
}
