package betterauth

import "encoding/json"

// maxImpersonator is the maximum length of an administrator's id, in bytes.
const maxImpersonator = 255

// impersonator returns the id in impersonatedBy, or "" if there is none. The session is valid without it, so a value
// that is not an id is ignored and a longer id is truncated, instead of refusing the session.
func impersonator(session fields) string {
	raw := session["impersonatedBy"]
	var id any
	if len(raw) == 0 || json.Unmarshal(raw, &id) != nil {
		return ""
	}
	switch id := id.(type) {
	case string:
		return truncate(withoutNUL(id), maxImpersonator)
	case float64: // A serial id. Use its text, because float64 rounds.
		return truncate(string(raw), maxImpersonator)
	default:
		return ""
	}
}
