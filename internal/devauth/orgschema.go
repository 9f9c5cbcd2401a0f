package devauth

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Limits of texts, in UTF-16 code units as JavaScript counts them. Better Auth has none.
const (
	maxName = 255     // names, slugs, ids, roles
	maxText = 1 << 16 // logos, which may be data URLs, and metadata
)

// textRule returns a rule for texts with a length between two limits, which both databases can store.
func textRule(minimum, maximum int) func(string) string {
	return func(value string) string {
		switch {
		case minimum == 1 && value == "":
			return nonEmptyRule(value)
		case len(utf16.Encode([]rune(value))) > maximum:
			return fmt.Sprintf("Too big: expected string to have <=%d characters", maximum)
		case strings.ContainsRune(value, 0):
			return "Invalid input: expected string without U+0000"
		default:
			return ""
		}
	}
}

// oneOfRule returns a rule for texts that are one of the values.
func oneOfRule(values ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(values, value) {
			return ""
		}
		return `Invalid option: expected one of "` + strings.Join(values, `"|"`) + `"`
	}
}

func createOrganizationSchema() schema {
	return schema{fields: append(organizationFields(false),
		fieldSchema{name: "keepCurrentActiveOrganization", kind: "boolean", optional: true})}
}

func updateOrganizationSchema() schema {
	return schema{fields: []fieldSchema{
		{name: "data", fields: organizationFields(true)},
		{name: "organizationId", kind: "string", optional: true, rule: textRule(0, maxName)},
	}}
}

func organizationFields(optional bool) []fieldSchema {
	return []fieldSchema{
		{name: "name", kind: "string", optional: optional, rule: textRule(1, maxName)},
		{name: "slug", kind: "string", optional: optional, rule: textRule(1, maxName)},
		{name: "logo", kind: "string", optional: true, nullable: true, rule: textRule(0, maxText)},
		{name: "metadata", kind: record, optional: true},
	}
}

// requiredText describes an object with a text that is looked for.
func requiredText(name string) schema {
	return schema{fields: []fieldSchema{{name: name, kind: "string", rule: textRule(0, maxName)}}}
}

// optionalTexts describes an object that may have texts that are looked for.
func optionalTexts(names ...string) schema {
	var fields []fieldSchema
	for _, name := range names {
		fields = append(fields, fieldSchema{name: name, kind: "string", optional: true, rule: textRule(0, maxName)})
	}
	return schema{fields: fields}
}

func setActiveSchema() schema {
	return schema{fields: []fieldSchema{
		{name: "organizationId", kind: "string", optional: true, nullable: true, rule: textRule(0, maxName)},
		{name: "organizationSlug", kind: "string", optional: true, rule: textRule(0, maxName)},
	}}
}

func organizationQuery() schema {
	return schema{fields: append(optionalTexts("organizationId", "organizationSlug").fields,
		fieldSchema{name: "membersLimit", kind: parameter, optional: true})}
}

func inviteSchema() schema {
	return schema{fields: []fieldSchema{
		{name: "email", kind: "string", rule: textRule(0, maxName)},
		{name: "role", kind: oneOrMore, rule: textRule(0, maxName)},
		{name: "organizationId", kind: "string", optional: true, rule: textRule(0, maxName)},
		{name: "resend", kind: "boolean", optional: true},
		{name: "teamId", kind: oneOrMore, optional: true},
	}}
}

func memberRoleSchema() schema {
	return schema{fields: []fieldSchema{
		{name: "role", kind: oneOrMore, rule: textRule(0, maxName)},
		{name: "memberId", kind: "string", rule: textRule(0, maxName)},
		{name: "organizationId", kind: "string", optional: true, rule: textRule(0, maxName)},
	}}
}

func removeMemberSchema() schema {
	return schema{fields: []fieldSchema{
		{name: "memberIdOrEmail", kind: "string", rule: textRule(0, maxName)},
		{name: "organizationId", kind: "string", optional: true, rule: textRule(0, maxName)},
	}}
}

func membersQuery() schema {
	return schema{fields: append([]fieldSchema{
		{name: "limit", kind: parameter, optional: true},
		{name: "offset", kind: parameter, optional: true},
		{name: "sortBy", kind: "string", optional: true},
		{name: "sortDirection", kind: "string", optional: true, rule: oneOfRule("asc", "desc")},
		{name: "filterField", kind: "string", optional: true},
		{name: "filterValue", kind: oneOrMore, optional: true},
		{name: "filterOperator", kind: "string", optional: true, rule: oneOfRule("eq", "ne", "lt", "lte", "gt", "gte", "in", "not_in", "contains", "starts_with", "ends_with")},
	}, optionalTexts("organizationId", "organizationSlug").fields...)}
}

// number returns a parameter that is a number, or the default if it is missing, 0 or not a number.
func (b body) number(name string, otherwise int) (int, error) {
	number, _ := strconv.Atoi(b.text(name)) // 0 if it is not a number.
	if number < 0 {
		return 0, invalidBody([]string{"[query." + name + "] Too small: expected number to be >=0"})
	}
	return cmp.Or(number, otherwise), nil
}
