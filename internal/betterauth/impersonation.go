package betterauth

import "encoding/json"

// maxImpersonator is the longest id of an administrator that is kept, in bytes.
const maxImpersonator = 255

// impersonator returns the id in impersonatedBy, "" if there is none. The session is the user's with or without it, so a
// value that is no id is left out, and a longer one is cut, instead of refusing the session.
func impersonator(session fields) string {
	raw := session["impersonatedBy"]
	var id any
	if len(raw) == 0 || json.Unmarshal(raw, &id) != nil {
		return ""
	}
	switch id := id.(type) {
	case string:
		return cut(storable(id), maxImpersonator)
	case float64: // A serial id; as it is written, because float64 rounds.
		return cut(string(raw), maxImpersonator)
	default:
		return ""
	}
}
