package graph

import (
	"context"
	"slices"
	"sync"

	"taskql/ent"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/account"
	"taskql/internal/history"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

func personTypes() []objectType {
	return []objectType{
		selection.Of[account.Person]("Person", fields{
			"id":    text(func(p *account.Person) string { return p.ID }),
			"name":  text(func(p *account.Person) string { return p.Name }),
			"image": nullable(func(p *account.Person) *string { return p.Image }, selection.AppendString),
		}).Unversioned(),
		selection.Of[task.AssigneeCount]("AssigneeCount", fields{
			"assignee": selection.LoadedObject(loadCountedAssignees),
			"count":    integer(func(c *task.AssigneeCount) int { return c.Count }),
		}),
	}
}

// findPeople finds the viewer, and people who were seen as members of the organizations that the viewer belongs to now. It looks for all
// others alike, so that neither the answer nor its time tells whether there is such a user.
func findPeople(ctx context.Context, r *rootField, ids, _ []string) (map[string]model.Node, error) {
	var users, workspaceIDs []string
	others := false
	for _, id := range ids {
		if user, ok := workspace.UserOfPerson(id); ok && !slices.Contains(users, user) {
			users = append(users, user)
			others = others || user != r.viewer.UserID
		}
	}
	if others {
		var err error
		if workspaceIDs, err = r.resolver.services.Access.Organizations(ctx); err != nil {
			return nil, err
		}
	}
	people, err := r.resolver.services.Accounts.PeopleOf(ctx, r.viewer, workspaceIDs, users)
	found := make(map[string]model.Node, len(people))
	for _, p := range people {
		found[p.ID] = p
	}
	return found, err
}

// personOf returns a member as a person.
func personOf(m *viewer.Member) *account.Person {
	return &account.Person{ID: workspace.PersonID(m.UserID), Name: m.Name, Image: m.Image}
}

// personID returns the person's id of a user, who may be nobody.
func personID(userID *string) *string {
	if userID == nil {
		return nil
	}
	id := workspace.PersonID(*userID)
	return &id
}

// people are those whom a root field has loaded.
type people struct {
	// mu guards found: gqlgen resolves fields of several objects at the same time.
	mu sync.Mutex
	// found has a person by workspace and user. Nil is a user whom the viewer may not see, or who was erased.
	found map[personKey]*account.Person
}

type personKey struct{ workspaceID, userID string }

// load sets the people of users, by the users' ids. It reads those that were not loaded before.
func (p *people) load(ctx context.Context, r *rootField, users map[string]*account.Person) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := r.viewer
	var missing []string
	for id := range users {
		var known bool
		if users[id], known = p.found[personKey{v.WorkspaceID, id}]; !known {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	found, err := r.resolver.services.Accounts.People(ctx, v, missing)
	if err != nil {
		return err
	}
	if p.found == nil {
		p.found = make(map[personKey]*account.Person, len(missing))
	}
	for _, id := range missing {
		users[id] = found[id]
		p.found[personKey{v.WorkspaceID, id}] = found[id]
	}
	return nil
}

// loadPeople returns a function that returns the person of an object; nil if user returns nobody. also are users who will be needed, too.
func loadPeople[T any](ctx context.Context, r *rootField, objects []*T, user func(*T) *string, also ...func(*T) *string) (func(*T) *account.Person, error) {
	users := map[string]*account.Person{}
	also = append(also, user)
	for _, o := range objects {
		for _, user := range also {
			if id := user(o); id != nil {
				users[*id] = nil
			}
		}
	}
	if err := r.people.load(ctx, r, users); err != nil {
		return nil, err
	}
	return func(o *T) *account.Person {
		id := user(o)
		if id == nil {
			return nil
		}
		return users[*id]
	}, nil
}

func loadActors(ctx context.Context, r *rootField, _ *selected, actors []*history.Actor) (func(*history.Actor) *account.Person, error) {
	return loadPeople(ctx, r, actors, func(a *history.Actor) *string { return a.ActorID })
}

// loadAssignees also reads who made the tasks, so that one statement reads both.
func loadAssignees(ctx context.Context, r *rootField, _ *selected, tasks []*ent.Task) (func(*ent.Task) *account.Person, error) {
	return loadPeople(ctx, r, tasks, assigneeOf, func(t *ent.Task) *string { return t.CreatedBy })
}

func loadCreators(ctx context.Context, r *rootField, _ *selected, tasks []*ent.Task) (func(*ent.Task) *account.Person, error) {
	return loadPeople(ctx, r, tasks, creatorOf(r.viewer), assigneeOf)
}

func assigneeOf(t *ent.Task) *string { return t.AssigneeID }

func creatorOf(v viewer.Viewer) func(*ent.Task) *string {
	return func(t *ent.Task) *string { return task.CreatorOf(v, t.CreatedBy) }
}

func loadCountedAssignees(ctx context.Context, r *rootField, _ *selected, counts []*task.AssigneeCount) (func(*task.AssigneeCount) *account.Person, error) {
	return loadPeople(ctx, r, counts, func(c *task.AssigneeCount) *string { return c.UserID })
}
