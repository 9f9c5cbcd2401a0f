package betterauth

// ProfileFields is a set of the fields of a User that are copied.
type ProfileFields uint8

// The fields of a ProfileFields.
const (
	ProfileName ProfileFields = 1 << iota
	ProfileEmail
	ProfileImage
)

// Has reports whether a field is in the set.
func (p ProfileFields) Has(field ProfileFields) bool { return p&field != 0 }

// untold returns the fields that the auth server did not tell, or told in a way that is of no use: jwt.definePayload and
// customSession may leave out what they like. If the image is null, the auth server has told that there is no image.
func untold(u fields, read User) ProfileFields {
	var missing ProfileFields
	if !isText(u, "name") {
		missing |= ProfileName
	}
	if !isText(u, "email") || read.Email == "" { // Nobody's address is empty.
		missing |= ProfileEmail
	}
	if _, ok := u["image"]; !ok {
		missing |= ProfileImage
	}
	return missing
}

func isText(from fields, name string) bool { return len(from[name]) > 0 && from[name][0] == '"' }
