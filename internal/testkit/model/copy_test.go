package model_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"taskql/internal/testkit/stores"
	"taskql/internal/workspace"
)

// What stores select.
const (
	taskFields    = "id version title description completed completedAt deletedAt priority position due { date at timeZone } parent { id } tags { id } project { id } section { id } createdAt updatedAt"
	tagFields     = "id version name color createdAt updatedAt"
	projectFields = "id version name description color archivedAt deletedAt position createdAt updatedAt"
	sectionFields = "id version name position project { id } createdAt updatedAt"
)

// contents are the rows of a workspace as JSON, by their kinds and ids.
type contents map[string]string

// rowOf is what every row has.
type rowOf struct {
	ID      string
	Version int
}

// add adds a row. The error says that it is there already.
func (c contents) add(kind string, row json.RawMessage) error {
	var r rowOf
	if err := json.Unmarshal(row, &r); err != nil {
		return err
	}
	key := kind + " " + r.ID
	if _, ok := c[key]; ok {
		return fmt.Errorf("%s is there twice", key)
	}
	c[key] = string(row)
	return nil
}

// contentsOf returns the rows that a store has told.
func contentsOf(e stores.Event) (contents, error) {
	c := contents{}
	for _, r := range e.Rows {
		if err := c.add(r.Kind, r.Row); err != nil {
			return nil, fmt.Errorf("the copy of %s: %w", e.Device, err)
		}
	}
	return c, nil
}

// difference describes how a copy differs from what it should be, or returns "".
func (c contents) difference(want contents) string {
	var lines []string
	for key, row := range c {
		switch wanted, ok := want[key]; {
		case !ok:
			lines = append(lines, "too much: "+row)
		case !sameRow(row, wanted):
			lines = append(lines, "has  "+row+"\n  want "+wanted)
		}
	}
	for key, row := range want {
		if _, ok := c[key]; !ok {
			lines = append(lines, "lacks "+row)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n  ")
}

// sameRow reports whether two rows are the same. The order of a task's tags, which is that of their names, may differ: it changes
// when a tag is renamed, and not the task.
func sameRow(a, b string) bool {
	if a == b {
		return true
	}
	var x, y map[string]any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	for _, row := range []map[string]any{x, y} {
		if tags, ok := row["tags"].([]any); ok {
			slices.SortFunc(tags, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	return reflect.DeepEqual(x, y)
}

// state is a workspace as of a version, with the run's list.
type state struct {
	version int
	rows    contents
	list    *page
}

const stateQuery = `tasks(scope: ALL, first: 100) { pageInfo { hasNextPage } nodes { ` + taskFields + ` } } tags(first: 100) { nodes { ` + tagFields + ` } }
	projects(scope: ALL, first: 20) { pageInfo { hasNextPage } nodes { ` + projectFields + ` sections { ` + sectionFields + ` } } }`

// workspaceState is a workspace as it is queried.
type workspaceState struct {
	Tasks    nodes
	Tags     nodes
	Projects nodes
	List     *page
}

type nodes struct {
	PageInfo struct{ HasNextPage bool }
	Nodes    []json.RawMessage
}

// read reads a workspace of a user from a server. What it returns is as of one version: it reads again if there was a change meanwhile.
func (r *replica) read(user, workspaceID string, list *liveList) (state, error) {
	document := "query ($id: ID!) { workspace(id: $id) { " + stateQuery + " list: " + list.query() + " } }"
	for {
		before, err := r.version(workspaceID)
		if err != nil {
			return state{}, err
		}
		var data struct{ Workspace *workspaceState }
		if err := r.ask(user, document, map[string]any{"id": workspaceID}, &data); errors.Is(err, errTemporary) {
			continue
		} else if err != nil {
			return state{}, err
		}
		after, err := r.version(workspaceID)
		if err != nil {
			return state{}, err
		}
		if before != after {
			continue
		}
		rows, err := data.Workspace.rows()
		if err != nil {
			return state{}, fmt.Errorf("%s: %w", workspaceID, err)
		}
		return state{version: after, rows: rows, list: data.Workspace.List}, nil
	}
}

// rows returns the rows as stores have them: without the sections in projects.
func (w *workspaceState) rows() (contents, error) {
	if w == nil || w.Tasks.PageInfo.HasNextPage || w.Projects.PageInfo.HasNextPage {
		return nil, errors.New("it is not there, or has more than one page of tasks or projects")
	}
	all := map[string][]json.RawMessage{"tasks": w.Tasks.Nodes, "tags": w.Tags.Nodes}
	for _, node := range w.Projects.Nodes {
		var project map[string]json.RawMessage
		if err := json.Unmarshal(node, &project); err != nil {
			return nil, err
		}
		var sections []json.RawMessage
		if err := json.Unmarshal(project["sections"], &sections); err != nil {
			return nil, err
		}
		delete(project, "sections")
		row, err := json.Marshal(project)
		if err != nil {
			return nil, err
		}
		all["projects"], all["sections"] = append(all["projects"], row), append(all["sections"], sections...)
	}
	rows := contents{}
	for kind, nodes := range all {
		for _, node := range nodes {
			if err := rows.add(kind, node); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

// version returns a workspace's version in the database; 0 before it was used.
func (r *replica) version(workspaceID string) (int, error) {
	id, _ := workspace.ParseNodeID(workspaceID)
	version := 0
	err := r.db.SQL.QueryRow("SELECT version FROM workspaces WHERE id = $1", id).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// titles counts the titles of tasks.
func (c contents) titles() map[string]int {
	counts := map[string]int{}
	for key, row := range c {
		var task struct{ Title string }
		if strings.HasPrefix(key, "tasks ") && json.Unmarshal([]byte(row), &task) == nil {
			counts[task.Title]++
		}
	}
	return counts
}
