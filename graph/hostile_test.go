package graph_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

// forged is a cursor with a right checksum for the order, and whatever values.
func forged(order string, values ...byte) string {
	b := binary.BigEndian.AppendUint32([]byte{1}, crc32.ChecksumIEEE([]byte(order)))
	b = append(append(b, values...), make([]byte, 16)...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// Whatever a client sends, it is told what is wrong with it or gets an answer: never an error of ours.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	list := func(args string) string { return "{ tasks(" + args + ") { totalCount nodes { id } } }" }
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	long := func(n int) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(n)), make([]byte, n)...) }
	after := func(order, cursor string) string {
		return list(fmt.Sprintf(`orderBy: [%s], after: "%s"`, order, cursor))
	}
	queries := []string{
		list(`filter: {search: "\uD800"}`), list(`filter: {search: "\u0000"}`), list(`filter: {search: "\\ % _ ' \" \uFFFE \uFFFF"}`),
		list("filter: {search: \"\U0001F600 \u202E \u0130\"}"), list(`filter: {search: "` + strings.Repeat("%", 200) + `"}`),
		list(`filter: {id: {eq: "\u0000"}}`), list(`filter: {id: {in: ["' OR 1=1 --", "00000000-0000-0000-0000-000000000000"]}}`),
		list(`filter: {createdAt: {gt: "0001-01-01T00:00:00Z", lt: "9999-12-31T23:59:59.999999999Z"}}`),
		list(`filter: {createdAt: {gt: "0000-12-31T23:59:59Z"}}`), list(`filter: {createdAt: {gt: "9999-12-31T23:59:59-12:00"}}`),
		list(`filter: {due: {on: "0001-01-01", before: "9999-12-31", after: "0000-01-01"}}`), list(`filter: {due: {on: "9999-12-31"}}`),
		list(`filter: {completedAt: {lt: "2026-11-23T23:59:60Z"}}`),
		list(`filter: {tags: {any: [], all: [], none: []}, id: {in: [], notIn: []}, priority: {in: []}, and: [], or: []}`),
		list(`filter: {not: {not: {or: [{and: []}, {}]}}}`), list(`filter: {id: {}, tags: {}, due: {}, parent: {}}`),
		list(`first: 2147483647`), list(`first: -2147483648`), list(`first: 2147483648`), list(`last: 1e2`),
		list(`orderBy: [{field: DUE, nulls: FIRST}, {field: COMPLETED_AT, direction: DESC}, {field: TITLE}, {field: MANUAL, direction: DESC}, {field: PRIORITY}]`),
		list(`orderBy: [{field: DUE}, {field: DUE, direction: DESC}]`),
		after("{field: CREATED_AT}", forged("CREATED_AT ASC", number(1<<63)...)), after("{field: CREATED_AT}", forged("CREATED_AT ASC", number(1<<63-1)...)),
		after("{field: CREATED_AT}", forged("CREATED_AT ASC")), after("{field: PRIORITY}", forged("PRIORITY ASC", number(1<<40)...)),
		after("{field: PRIORITY}", forged("PRIORITY ASC", number(1<<15-1)...)), after("{field: TITLE}", forged("TITLE ASC", long(65535)...)),
		after("{field: TITLE}", forged("TITLE ASC", 0xff, 0xff)), after("{field: MANUAL}", forged("MANUAL ASC", long(0)...)),
		after("{field: DUE}", forged("DUE ASC", 0, 0)), after("{field: DUE}", forged("DUE ASC", append([]byte{0, 1}, number(0)...)...)),
		after("{field: DUE}", forged("DUE ASC", append(append([]byte{1}, number(12345)...), append([]byte{1}, number(1<<62)...)...)...)),
		after("{field: DUE}", forged("DUE ASC", append(append([]byte{1}, number(12345)...), append([]byte{1}, number(98765)...)...)...)),
		after("{field: COMPLETED_AT}", forged("COMPLETED_AT ASC", 2)),
		`{ tags(search: "\u0000") { nodes { id } } a: tags(search: "%") { totalCount } b: tags(search: "\uD800") { totalCount } }`,
		fmt.Sprintf(`{ tags(after: "%s") { nodes { id } } }`, forged("tags by name", long(60000)...)),
		`{ tags(last: 3, before: "") { nodes { id } } }`, `{ node(id: "\u0000") { id } nodes(ids: [1, 2, "x"]) { id } }`,
		`mutation { createTask(input: {title: "\u0000"}) { userErrors { code } } }`, `mutation { createTask(input: {title: "\uD800 x"}) { task { title } userErrors { code } } }`,
		`mutation { createTask(input: {title: "x", description: "a\u0000b"}) { userErrors { code } } }`,
		`mutation { createTask(input: {title: "x", idempotencyKey: "\u0000"}) { userErrors { code } } }`,
		`mutation { createTask(input: {title: "x", idempotencyKey: "\uDFFF"}) { userErrors { code } } }`,
		`mutation { createTask(input: {id: "00000000-0000-0000-0000-000000000000", title: "x", parentId: "\u0000", tagIds: [""]}) { userErrors { code } } }`,
		`mutation { createTask(input: {title: "x", due: {date: "9999-12-31"}}) { task { overdue } userErrors { code } } }`,
		`mutation { createTask(input: {title: "x", due: {date: "0001-01-01"}}) { task { overdue } userErrors { code } } }`,
		`mutation { createTask(input: {title: "x", due: {at: {at: "0001-01-01T00:00:00Z", timeZone: "Etc/GMT-14"}}}) { task { due { date at } } userErrors { code } } }`,
		`mutation { createTask(input: {title: "x", due: {at: {at: "9999-12-31T23:59:59Z", timeZone: "Etc/GMT+12"}}}) { task { due { date at } } userErrors { code } } }`,
		`mutation { createTask(input: {title: "x", due: {at: {at: "2026-11-23T07:00:00Z", timeZone: "../../etc/passwd"}}}) { userErrors { code } } }`,
		`mutation { createTask(input: {title: "x", due: {at: {at: "2026-11-23T07:00:00Z", timeZone: "asia/karachi"}}}) { userErrors { code } } }`,
		`mutation { createTask(input: {title: "x", due: {at: {at: "2026-11-23T07:00:00Z", timeZone: "posixrules"}}}) { userErrors { code } } }`,
		`mutation { updateViewer(input: {timeZone: "UTC\u0000"}) { userErrors { code } } }`,
		`mutation { createTag(input: {name: "\u0000"}) { userErrors { code } } }`, `mutation { createTag(input: {name: "\uD800"}) { tag { name } userErrors { code } } }`,
		`mutation { createTag(input: {name: "` + strings.Repeat("ΐ", 50) + `"}) { tag { name } userErrors { code } } }`,
		`mutation { createTask(input: {title: "` + strings.Repeat("\U0001D160", 200) + `"}) { task { id } userErrors { code } } }`,
		`mutation { completeTask(input: {id: "x", ifVersion: 2147483647}) { userErrors { code } } }`, `mutation { completeTask(input: {id: "x", ifVersion: -1}) { userErrors { code } } }`,
		`mutation { updateTasks(input: {ids: [], patch: {}}) { userErrors { code } } }`, `mutation { deleteTasks(input: {ids: ["", ""]}) { results { id userErrors { code } } userErrors { code } } }`,
		list(`orderBy: [{field: TITLE}], scope: ALL`), list(`orderBy: [{field: MANUAL}], last: 1`),
	}
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newAPI(t, db, "alice")
		ask := func(query string, variables any) {
			t.Helper()
			text, err := json.Marshal(variables)
			if err != nil {
				t.Fatal(err)
			}
			status, body := a.ask(t, "alice", query, text)
			if status >= 500 || strings.Contains(string(body), "INTERNAL") || strings.Contains(string(body), "UNAVAILABLE") {
				t.Errorf("%.150s\nis answered %d %.300s", query, status, body)
			}
			if len(body) > 200_000 {
				t.Errorf("%.150s\nis answered with %d bytes", query, len(body))
			}
		}
		for _, query := range queries {
			ask(query, nil)
		}
		many := make([]string, 240_000)
		for i := range many {
			many[i] = "x"
		}
		for _, field := range []string{"tagIds", "addTagIds", "removeTagIds"} {
			ask(`mutation($i: UpdateTaskInput!) { updateTask(input: $i) { userErrors { code message field } } }`, map[string]any{"i": map[string]any{"id": "x", field: many}})
		}
		ask(`mutation($i: CreateTaskInput!) { createTask(input: $i) { userErrors { code message field } } }`, map[string]any{"i": map[string]any{"title": "x", "tagIds": many}})
		ask(`mutation($i: UpdateTasksInput!) { updateTasks(input: $i) { userErrors { code message field } } }`, map[string]any{"i": map[string]any{"ids": []string{"x"}, "patch": map[string]any{"addTagIds": many}}})
		ask(`mutation($i: BulkTaskInput!) { completeTasks(input: $i) { userErrors { code message field } } }`, map[string]any{"i": map[string]any{"ids": many}})
		ask(`query($i: [ID!]) { tasks(filter: {id: {in: $i}, tags: {any: $i}}) { totalCount } }`, map[string]any{"i": many[:100_000]})
		ask(`query($i: [TaskOrder!]) { tasks(orderBy: $i) { totalCount } }`, map[string]any{"i": []map[string]any{{"field": "DUE"}, {"field": "DUE"}}})
		ask(`mutation($i: CreateTaskInput!) { createTask(input: $i) { userErrors { code message field } } }`, map[string]any{"i": map[string]any{"title": strings.Repeat("x", 1_000_000), "description": nil}})
	})
}
