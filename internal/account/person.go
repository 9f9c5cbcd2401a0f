package account

import (
	"context"
	"errors"
	"strings"

	"taskql/internal/viewer"
)

// Person is a user as others see them.
type Person struct {
	// ID is personPrefix and the user's id: ids of other things are unique only among themselves.
	ID, Name string
	Image    *string
}

const personPrefix = "person/"

// PersonID returns the id of the person who is a user.
func PersonID(userID string) string { return personPrefix + userID }

// UserOfPerson returns the user's id of a person's. Another id is nobody's: it returns "" and false.
func UserOfPerson(id string) (string, bool) {
	user, ok := strings.CutPrefix(id, personPrefix)
	if !ok {
		return "", false
	}
	return user, true
}

// People returns those of the people, by id, whom the viewer may see. That is the viewer alone, because nobody shares a workspace.
func (s *Service) People(ctx context.Context, v viewer.Viewer, ids []string) (map[string]*Person, error) {
	people := map[string]*Person{}
	for _, id := range ids {
		if user, ok := UserOfPerson(id); !ok || user != v.UserID || people[id] != nil {
			continue
		}
		user, err := s.User(ctx, v, v.UserID)
		if errors.Is(err, ErrNotFound) {
			return people, nil
		}
		if err != nil {
			return nil, err
		}
		people[id] = &Person{ID: id, Name: user.Name, Image: user.Image}
	}
	return people, nil
}
