package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskql/internal/graphqlhttp"
	"taskql/internal/testkit"
)

// attack is a hostile request.
type attack struct {
	name      string
	query     string
	variables string
	body      string
	code      string // "" if the attack is within the limits, and cheap to answer
}

// attacks returns the known attacks on GraphQL servers.
func attacks() []attack {
	repeat := strings.Repeat
	var aliases, schemas, spreading, unknown, suggested, exclusive strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&aliases, " a%d: id", i)
	}
	for i := range 20 {
		fmt.Fprintf(&schemas, " s%d: __schema { types { name fields { name } } }", i)
	}
	for i := range 5_000 {
		fmt.Fprintf(&spreading, " fragment F%d on Task { ...F%d ...F%d }", i, (i+1)%5_000, (i+2)%5_000)
	}
	for i := range 6_000 {
		fmt.Fprintf(&unknown, " id @d%d(x: 1)", i)
	}
	for i := range 1_900 {
		fmt.Fprintf(&suggested, " titel%d", i)
	}
	nested := "{ task(id: 1) { ...F0 } }"
	for i := range 12 {
		nested += fmt.Sprintf(" fragment F%d on Task { parent { ...F%d } a: parent { ...F%d } }", i, i+1, i+1)
	}
	doubling := "{ task(id: 1) { ...F0 } }"
	for i := range 100 {
		doubling += fmt.Sprintf(" fragment F%d on Task { ...F%d ...F%d }", i, i+1, i+1)
	}
	for range 90 {
		exclusive.WriteString(" ... on Task { parent { id title ...A } } ...A ...B")
	}
	deep := func(n int, open, shut string) string { return repeat(open, n) + "1" + repeat(shut, n) }
	filter := func(n int) string {
		return `{"f":` + repeat(`{"not":`, n) + `{"completed":true}` + repeat("}", n) + `}`
	}
	return []attack{
		{name: "one field 10,000 times", query: "{ viewer {" + repeat(" id", 10_000) + "} }", code: graphqlhttp.CodeTooManyTokens},
		{name: "one field 1,900 times", query: "{ viewer {" + repeat(" id", 1_900) + "} }", code: graphqlhttp.CodeTooRepetitive},
		{name: "nested fragments over cyclic data", query: nested + " fragment F12 on Task { id }", code: graphqlhttp.CodeTooDeep},
		{name: "doubling fragments, 100 levels", query: doubling + " fragment F100 on Task { id }", code: graphqlhttp.CodeTooExpensive},
		{name: "170 KB of unknown directives", query: "{ viewer {" + repeat(" id @unknown_directive_x(if: true) ", 5_000) + "} }", code: graphqlhttp.CodeDocumentTooLarge},
		{name: "60 KB of unknown directives", query: "{ viewer {" + unknown.String()[:60_000] + "} }", code: graphqlhttp.CodeTooManyTokens},
		{name: "20 times the schema under aliases", query: "{" + schemas.String() + "}", code: graphqlhttp.CodeTooExpensive},
		{name: "20 times the schema, merged", query: "{" + repeat(" __schema { types { name fields { name args { name type { name ofType { name } } } } } }", 20) + "}", code: ""},
		{name: "10,000 aliases", query: "{ viewer {" + aliases.String() + "} }", code: graphqlhttp.CodeDocumentTooLarge},
		{name: "200 aliases", query: "{ viewer {" + aliases.String()[:1_900] + " } }", code: graphqlhttp.CodeTooManyAliases},
		{name: "5,000 fragments that spread each other", query: "{ task(id: 1) { ...F0 } }" + spreading.String(), code: graphqlhttp.CodeDocumentTooLarge},
		{name: "180 fragments that spread each other", query: "{ task(id: 1) { ...F0 } }" + spreading.String()[:strings.LastIndex(spreading.String()[:7_800], "}")+1], code: ""},
		{name: "spreads and fields mixed", query: "{ task(id: 1) {" + exclusive.String() + "} } fragment A on Task { parent { id ...B } } fragment B on Task { parent { title } id }", code: ""},
		{name: "pages of 100 in pages of 100", query: "{ tasks(first: 100) { nodes { subtasks(first: 100) { nodes { subtasks(first: 100) { nodes { id } } } } } } }", code: graphqlhttp.CodeTooExpensive},
		{name: "1,900 unknown fields of one task", query: "{ task(id: 1) {" + suggested.String() + "} }", code: "GRAPHQL_VALIDATION_FAILED"},
		{name: "50 unknown fields", query: "{ task(id: 1) {" + suggested.String()[:45*8] + "} }", code: "GRAPHQL_VALIDATION_FAILED"},
		{name: "900 unknown arguments", query: "{ viewer { id(" + repeat("titel: 1 ", 600) + ") } }", code: "GRAPHQL_VALIDATION_FAILED"},
		{name: "480 unknown variables and types", query: "query(" + repeat("$a: Taks ", 480) + ") { viewer { id } }", code: "GRAPHQL_VALIDATION_FAILED"},
		{name: "600 unknown types", query: "{ viewer {" + repeat(" ... on Taks { id }", 300) + "} }", code: "GRAPHQL_VALIDATION_FAILED"},
		{name: "600 unknown input fields", query: "{ tasks(filter: {" + repeat("titel: 1 ", 600) + "}) { totalCount } }", code: "GRAPHQL_VALIDATION_FAILED"},
		{name: "900 unknown enum values", query: "{ tasks(filter: {priority: {in: [" + repeat("HIHG ", 900) + "]}}) { totalCount } }", code: "GRAPHQL_VALIDATION_FAILED"},
		{name: "1,900 unknown fields of 50 tasks", query: "{ tasks { nodes {" + suggested.String() + "} } }", code: ""},
		{name: "a string of 1 MiB", query: `{ tasks(after: "` + repeat("x", 1<<20-200) + `") { totalCount } }`, code: graphqlhttp.CodeDocumentTooLarge},
		{name: "a string of 1 MiB in a variable", query: "query($t: String!) { tasks(after: $t) { totalCount } }", variables: `{"t":"` + repeat("x", 1<<20-200) + `"}`, code: "BAD_USER_INPUT"},
		{name: "50 MB of body", body: repeat(" ", 50_000_000), code: graphqlhttp.CodePayloadTooLarge},
		{name: "1 MiB of brackets", body: `{"query":"{viewer{id}}","variables":{"v":` + repeat("[", 1<<20-100), code: graphqlhttp.CodeBadRequest},
		{name: "lists 5,000 deep", query: "query($v: [ID!]!) { nodes(ids: $v) { id } }", variables: `{"v":` + deep(5_000, "[", "]") + `}`, code: graphqlhttp.CodeBadRequest},
		{name: "lists 150 deep", query: "query($v: [ID!]!) { nodes(ids: $v) { id } }", variables: `{"v":` + deep(150, "[", "]") + `}`, code: graphqlhttp.CodeInputTooComplex},
		{name: "an input object 100 deep", query: "query($f: TaskFilter) { tasks(filter: $f) { totalCount } }", variables: filter(100), code: graphqlhttp.CodeInputTooComplex},
		{name: "half a million values", query: "query($v: [ID!]!) { nodes(ids: $v) { id } }", variables: `{"v":[` + repeat("1,", 500_000) + `1]}`, code: graphqlhttp.CodeBadRequest},
		{name: "40,000 values", query: "query($v: [ID!]!) { nodes(ids: $v) { id } }", variables: `{"v":[` + repeat("1,", 40_000) + `1]}`, code: graphqlhttp.CodeInputTooComplex},
		{name: "300 uses of 2,000 filters", query: "query($f: TaskFilter!) { tasks(filter: {and: [" + repeat("$f ", 300) + "]}) { totalCount } }", variables: `{"f":{"and":[` + repeat("{},", 1_999) + `{}]}}`, code: graphqlhttp.CodeInputTooComplex},
		{name: "1,001 empty filters", query: "query($f: TaskFilter) { tasks(filter: $f) { totalCount } }", variables: `{"f":{"or":[` + repeat("{},", 1_000) + `{}]}}`, code: "BAD_USER_INPUT"},
		{name: "a literal 450 deep", query: "{ tasks(filter: " + repeat("{not:", 450) + "1" + repeat("}", 450) + ") { totalCount } }", code: graphqlhttp.CodeInputTooComplex},
		{name: "selections 600 deep", query: "{ task(id: 1) " + repeat("{parent", 600) + "{id}" + repeat("}", 600) + "}", code: graphqlhttp.CodeTooDeep},
		{name: "100 operations that spread one fragment", query: repeat("query Q { viewer { ...F } } ", 100) + "fragment F on User {" + repeat(" id", 700) + "}", code: graphqlhttp.CodeTooRepetitive},
	}
}

// requestBody returns the request in JSON.
func (a attack) requestBody() string {
	if a.body != "" {
		return a.body
	}
	query, err := json.Marshal(a.query)
	if err != nil {
		panic(err)
	}
	if a.variables == "" {
		return `{"query":` + string(query) + `}`
	}
	return `{"query":` + string(query) + `,"variables":` + a.variables + `}`
}

// signUp creates a user and returns the session's cookie.
func signUp(t *testing.T, b *browser) string {
	t.Helper()
	if status, answer := b.post(t, "/api/auth/sign-up/email", map[string]string{"name": "Eve", "email": "eve@example.com", "password": "correct horse"}); status != http.StatusOK {
		t.Fatalf("signing up: %d %s", status, answer)
	}
	return b.cookies(t)
}

// cookies returns the browser's cookies, as a header has them.
func (b *browser) cookies(t *testing.T) string {
	t.Helper()
	address, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for _, cookie := range b.client.Jar.Cookies(address) {
		pairs = append(pairs, cookie.Name+"="+cookie.Value)
	}
	return strings.Join(pairs, "; ")
}

// cpu returns the CPU time of this process.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestAttacks: each attack is refused with its code, in a short answer.
func TestAttacks(t *testing.T) {
	t.Parallel()
	h, cookie := newAttackedServer(t)
	for _, a := range attacks() {
		a.refused(t, sendAttack(h, cookie, a.requestBody()))
	}
}

// newAttackedServer returns a server without a rate limit, and the session of a user.
func newAttackedServer(t *testing.T) (http.Handler, string) {
	t.Helper()
	s, _ := newServer(t, map[string]string{"RATE_LIMIT": "off", "LOG_LEVEL": "error"})
	return s.Handler(), signUp(t, newBrowser(t, s))
}

func sendAttack(h http.Handler, cookie, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Cookie", cookie)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// refused checks the answer to an attack, and returns the code and message of its first error.
func (a attack) refused(t *testing.T, w *httptest.ResponseRecorder) (string, string) {
	t.Helper()
	code, message := firstError(t, w.Body.Bytes())
	if a.code != "" && code != a.code {
		t.Errorf("%s: code %q, want %q", a.name, code, a.code)
	}
	if w.Body.Len() > 300_000 {
		t.Errorf("%s: an answer of %d bytes", a.name, w.Body.Len())
	}
	return code, message
}

// maxCPU is the CPU time that refusing an attack may take.
const maxCPU = 50 * time.Millisecond

// TestFaultsAttackCPU: each attack takes little CPU. It runs alone, because it measures the process. It takes the minimum of several
// runs, because the first one grows the heap, and on a busy machine some take twice the time. While they exceed the bound, it
// runs more.
func TestFaultsAttackCPU(t *testing.T) { //nolint:paralleltest // It measures the whole process.
	testkit.Suite(t, "faults")
	h, cookie := newAttackedServer(t)
	for _, a := range attacks() {
		body := a.requestBody()
		var costs []time.Duration
		var code, message string
		for len(costs) < 3 || (len(costs) < 20 && slices.Min(costs) > maxCPU) {
			before := cpu(t)
			w := sendAttack(h, cookie, body)
			costs = append(costs, cpu(t)-before)
			code, message = a.refused(t, w)
		}
		least := slices.Min(costs)
		t.Logf("%-42s %8d bytes %7.1f ms CPU (worst %5.1f)  %-26s %.90s", a.name, len(body), ms(least), ms(slices.Max(costs)), code, message)
		if least > maxCPU {
			t.Errorf("%s: %s of CPU", a.name, least)
		}
	}
}

// TestFaultsDistinctDocuments: 1,000 documents of 60 KB that break no limit leak no memory and take little CPU.
// TestMemoryUnderAttack in cmd/server measures the resident memory of the shipped binary.
func TestFaultsDistinctDocuments(t *testing.T) { //nolint:paralleltest // It measures the whole process.
	testkit.Suite(t, "faults")
	h, cookie := newAttackedServer(t)
	send := func(i int) {
		a := attack{query: fmt.Sprintf("{ viewer { id } } # %d ", i) + strings.Repeat("padding ", 7_490)}
		w := sendAttack(h, cookie, a.requestBody())
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"viewer":{`) {
			t.Fatal(w.Body)
		}
	}
	send(0)
	const count = 1_000
	before, start := heapMB(), cpu(t)
	for i := range count {
		send(i + 1)
	}
	each, grown := (cpu(t)-start)/count, heapMB()-before
	t.Logf("%s of CPU each, %.1f MB more on the heap", each, grown)
	if each > maxCPU {
		t.Errorf("%s of CPU each", each)
	}
	// The texts themselves are 60 MB.
	if grown > 20 {
		t.Errorf("%.1f MB more on the heap, 20 are allowed", grown)
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// firstError returns the code and message of an answer's first error.
func firstError(t *testing.T, body []byte) (string, string) {
	t.Helper()
	var answer struct {
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if len(answer.Errors) == 0 {
		return "", ""
	}
	return answer.Errors[0].Extensions.Code, answer.Errors[0].Message
}

// heapMB returns what is in use on the heap, in MB.
func heapMB() float64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one has only taken out of pools
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc) / 1e6
}
