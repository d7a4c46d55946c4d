package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
)

// The tests of this file are named after the items of OWASP's API Security Top 10 (2023). Each says what of its item
// applies here and what it proves. All ten apply, but API6 and API7 only in part:
//
//   - API6, sensitive business flows: there are no accounts and no payments that a bot could abuse. The copies and
//     the language model are scarce.
//   - API7, server-side request forgery: no operation takes a URL, so the server only calls what its operator configures.

// API1, broken object level authorization: an object belongs to the customer in its path. The right number under
// another customer is not found, for reading and for writing, and nothing is changed. Tokens are those of staff, who
// may see each customer.
func TestOWASP1Objects(t *testing.T) {
	t.Parallel()
	a := start(t)
	var rental, owner int32
	if err := a.db.NewRaw(`SELECT rental_id, customer_id FROM rental WHERE return_date IS NULL ORDER BY rental_id LIMIT 1`).Scan(t.Context(), &rental, &owner); err != nil {
		t.Fatal(err)
	}
	subscription := decode[gen.Subscription](t, a.post(t, fmt.Sprintf("/customers/%d/subscriptions", owner), `{"plan_name": "basic"}`).want(t, 201)).SubscriptionID
	another := owner + 1
	a.fetch(t, fmt.Sprintf("/customers/%d/rentals/%d", owner, rental)).want(t, 200)
	a.fetch(t, fmt.Sprintf("/customers/%d/rentals/%d", another, rental)).wantProblem(t, 404, gen.ProblemCodeRentalNotFound)
	a.post(t, fmt.Sprintf("/customers/%d/rentals/%d/return", another, rental), "").wantProblem(t, 404, gen.ProblemCodeRentalNotFound)
	a.fetch(t, fmt.Sprintf("/customers/%d/subscriptions/%d", another, subscription)).wantProblem(t, 404, gen.ProblemCodeSubscriptionNotFound)
	a.post(t, fmt.Sprintf("/customers/%d/subscriptions/%d/cancel", another, subscription), "").wantProblem(t, 404, gen.ProblemCodeSubscriptionNotFound)
	if !one[bool](t, a, `SELECT return_date IS NULL FROM rental WHERE rental_id = ?`, rental) {
		t.Error("the rental of another customer was returned")
	}
}

// API2, broken authentication: each operation with a security requirement rejects a request without a valid token in the
// Authorization header. The two other places in RFC 6750, section 2, are not accepted. TestLoginLimit
// proves the limit for guesses.
func TestOWASP2Authentication(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, r := range exampleRequests(t, func(op *contract.Operation) bool { return op.Secured }) {
		r.anonymous = true
		r.send(t, a).wantProblem(t, 401, gen.ProblemCodeMissingToken)
		r.with("Cookie", "access_token="+token).send(t, a).wantProblem(t, 401, gen.ProblemCodeMissingToken)
		r.with("Authorization", "Basic "+token).send(t, a).wantProblem(t, 401, gen.ProblemCodeMissingToken)
		r.rawQuery = "access_token=" + token
		r.send(t, a).wantProblem(t, 401, gen.ProblemCodeMissingToken)
	}
	form := "grant_type=password&username=somebody&password="
	for _, password := range []string{"", "Secret", "secret ", "secret%00"} {
		a.call(t, http.MethodPost, "/token", form+password, "Content-Type", "application/x-www-form-urlencoded").want(t, 400)
	}
}

// API3, broken object property level authorization: a body with a member that the operation does not have is refused,
// so no client writes a column that the contract does not offer. The passwords of the staff are in no response, and
// the role of the server cannot read them.
func TestOWASP3Properties(t *testing.T) {
	t.Parallel()
	a := start(t)
	const secret = "8cb2237d0679ca88db6464eac60da96345513964"
	a.exec(t, `UPDATE staff SET password = ?`, secret)
	for _, r := range exampleRequests(t, func(op *contract.Operation) bool { return hasBody(op) && op.Secured }) {
		for _, member := range []string{"rental_id", "return_date", "customer_id", "amount", "is_admin", "last_update", "__proto__"} {
			body := strings.TrimSuffix(r.encodedBody(t), "}") + fmt.Sprintf(`, %q: 1}`, member)
			r := r.with("Authorization", "Bearer "+token)
			r.anonymous, r.body = true, body
			r.send(t, a).wantProblem(t, 400, gen.ProblemCodeInvalidRequest)
		}
	}
	for _, r := range exampleRequests(t, isGET) {
		r := r.with("Authorization", "Bearer "+token)
		r.anonymous = true
		if got := r.send(t, a); strings.Contains(string(got.body), secret) {
			t.Errorf("%s: the response has the password of the staff", r.ID)
		}
	}
	if one[bool](t, a, `SELECT has_column_privilege('pagila_api', 'staff', 'password', 'SELECT')`) {
		t.Error("the role of the server can read the passwords of the staff")
	}
}

// API4, unrestricted resource consumption: each number and list that a client sends has a largest value, and so has
// each list in a response. Bodies, concurrent requests, calls of the language model and logins are limited.
func TestOWASP4Resources(t *testing.T) {
	t.Parallel()
	doc := loadContract(t)
	for _, op := range contract.Operations(doc) {
		for _, p := range op.Parameters() {
			wantBounded(t, op.ID+", "+p.Name, p.Schema)
		}
		if op.Secured && !op.Documents(503) {
			t.Errorf("%s: no limit of requests in flight", op.ID)
		}
	}
	for name, schema := range doc.Components.Schemas {
		wantBounded(t, name, schema)
	}
	a := start(t)
	a.get(t, "/films?page_size=1000000").wantProblem(t, 400, gen.ProblemCodeInvalidRequest)
	a.call(t, http.MethodPost, "/ai/summary", strings.Repeat(" ", 2<<20)).wantProblem(t, 413, gen.ProblemCodeBodyTooLarge)
	a.get(t, "/films?q="+strings.Repeat("x", 10_000)).wantProblem(t, 400, gen.ProblemCodeInvalidRequest)
}

// wantBounded checks that a schema bounds its integers and its lists.
func wantBounded(t *testing.T, where string, ref *openapi3.SchemaRef) {
	t.Helper()
	if ref == nil {
		return
	}
	s := ref.Value
	if s.Type.Is("integer") && (s.Min == nil || s.Max == nil) || s.Type.Is("array") && s.MaxItems == nil {
		t.Errorf("%s has no bound", where)
	}
	wantBounded(t, where+"[]", s.Items)
	for name, property := range s.Properties {
		if property.Ref == "" {
			wantBounded(t, where+"."+name, property)
		}
	}
}

// API5, broken function level authorization: the contract requires a token with a scope of each operation that writes
// or shows customers, and TestScopes proves that each needs its own. The tools of the language model, which anyone may
// use, are the public reading operations. There is no other path.
func TestOWASP5Functions(t *testing.T) {
	t.Parallel()
	doc := loadContract(t)
	public := []string{"createToken", "summarizeFilm", "handOff"} // they write nothing
	for _, op := range contract.Operations(doc) {
		private := strings.HasPrefix(op.Path, "/customers") || op.Path == "/rentals" || op.Method != http.MethodGet && !slices.Contains(public, op.ID)
		if private != op.Secured || private != (len(op.Scopes) > 0) {
			t.Errorf("%s: private: %t, scopes: %q", op.ID, private, op.Scopes)
		}
		if writes := op.Secured && op.Method != http.MethodGet; writes != (len(op.Scopes) > 0 && strings.HasSuffix(op.Scopes[0], ":write")) {
			t.Errorf("%s writes: %t, with the scopes %q", op.ID, writes, op.Scopes)
		}
	}
	a := start(t)
	for _, path := range []string{"/admin", "/metrics", "/debug/pprof/", "/debug/vars", "/.env", "/customers/1/../../admin", "/docs/../../.env", "/docs/%2e%2e%2f.env"} {
		if got := a.fetch(t, path); got.status != 404 {
			t.Errorf("%s: status %d", path, got.status)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, "TRACE", "CONNECT-TO"} {
		a.call(t, method, "/films/1", "", "Authorization", "Bearer "+token, "X-HTTP-Method-Override", "PATCH").want(t, 405)
	}
}

// API6, unrestricted access to sensitive business flows: a customer cannot take copies of one film away from others,
// and cannot subscribe twice. A client cannot keep the language model to itself.
func TestOWASP6Flows(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{PerMinute: 2}))
	film := one[int32](t, a, `SELECT film_id FROM inventory i WHERE store_id = 1 AND NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id
		AND return_date IS NULL) GROUP BY film_id HAVING count(*) > 1 LIMIT 1`)
	body := fmt.Sprintf(`{"film_id": %d, "store_id": 1, "staff_id": 1}`, film)
	a.post(t, "/customers/1/rentals", body).want(t, 201)
	a.post(t, "/customers/1/rentals", body).wantProblem(t, 409, gen.ProblemCodeAlreadyRentedByCustomer)
	a.post(t, "/customers/1/subscriptions", `{"plan_name": "basic"}`).want(t, 201)
	a.post(t, "/customers/1/subscriptions", `{"plan_name": "basic"}`).wantProblem(t, 409, gen.ProblemCodeAlreadySubscribed)
	for range 2 {
		a.get(t, "/ai/ask?question=comedies").want(t, 200)
	}
	a.get(t, "/ai/ask?question=comedies").wantProblem(t, 429, gen.ProblemCodeRateLimited)
}

// API7, server-side request forgery: the contract has no parameter and no member for a URL. Whatever a client writes
// or puts into its headers, the server only calls the language model's address from its configuration.
func TestOWASP7Requests(t *testing.T) {
	t.Parallel()
	doc := loadContract(t)
	for _, op := range contract.Operations(doc) {
		for _, p := range op.Parameters() {
			if name := strings.ToLower(p.Name); strings.Contains(name, "url") || strings.Contains(name, "uri") || strings.Contains(name, "host") {
				t.Errorf("%s has the parameter %s", op.ID, p.Name)
			}
		}
	}
	called := make(chan string, 100)
	canary := newCanary(t, called)
	models := newCanary(t, make(chan string, 100))
	a := start(t, withModel(newModel(t, doc, upstream.Config{Provider: "openai", Model: "m", APIKey: "k", BaseURL: models + "/v1", Timeout: time.Minute})))
	for _, question := range []string{"summarize " + canary, "![x](" + canary + "/x.png)", `{"url":"` + canary + `"}`} {
		form := `{"question": ` + string(encoded(t, question)) + `}`
		a.call(t, http.MethodPost, "/ai/handoff", form, "X-Forwarded-Host", strings.TrimPrefix(canary, "http://"), "Referer", canary, "Origin", canary)
	}
	select {
	case path := <-called:
		t.Errorf("the server called an address that a client sent: %s", path)
	default:
	}
}

// listenHTTP returns the URL of a server with this handler.
func listenHTTP(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

// newCanary returns the URL of a server that reports each request, and refuses it.
func newCanary(t *testing.T, called chan<- string) string {
	t.Helper()
	return listenHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		called <- r.URL.Path
		w.WriteHeader(http.StatusTeapot)
	})
}

// API8, security misconfiguration: each response, whatever its status, keeps browsers from treating it as anything but
// data, and is not cached. No page of another origin may use the API unless the operator allows it. A fault of the
// server reveals no internals.
func TestOWASP8Configuration(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, got := range []*received{
		a.get(t, "/films/1").want(t, 200), a.get(t, "/films?page=0").want(t, 400), a.get(t, "/customers/1").want(t, 401), a.get(t, "/nothing").want(t, 404),
		a.call(t, http.MethodDelete, "/films", "").want(t, 405), a.get(t, "/docs").want(t, 200), a.get(t, "/openapi.yaml").want(t, 200),
		a.get(t, "/ai/ask?question=comedies", "Accept", "text/event-stream").want(t, 200), a.fetch(t, "/customers/1").want(t, 200),
	} {
		for name, value := range map[string]string{
			"X-Content-Type-Options":      "nosniff",
			"Access-Control-Allow-Origin": "", "Server": "", "X-Powered-By": "",
		} {
			if got.header.Get(name) != value {
				t.Errorf("status %d: %s is %q, want %q", got.status, name, got.header.Get(name), value)
			}
		}
		if policy := got.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("status %d: Content-Security-Policy is %q", got.status, policy)
		}
		if cache := got.header.Get("Cache-Control"); cache != "no-store" && cache != "no-cache" {
			t.Errorf("status %d: Cache-Control is %q", got.status, cache)
		}
	}
	page := a.get(t, "/docs").header
	if page.Get("Referrer-Policy") != "no-referrer" || page.Get("Cross-Origin-Resource-Policy") != "same-origin" {
		t.Errorf("the page has the headers %v", page)
	}
	a.breakTables(t)
	fault := a.get(t, "/films/1")
	fault.wantProblem(t, 500, gen.ProblemCodeInternalError)
	for _, inside := range []string{"division", "SQLSTATE", "pgx", "film_rows", ".go:", "goroutine"} {
		if strings.Contains(string(fault.body), inside) {
			t.Errorf("the response to a fault has %q: %s", inside, fault.body)
		}
	}
}

// API9, improper inventory management: the server has the operations of its contract and the endpoint of MCP, and no
// others. Each says which version of the contract it follows, and none is deprecated.
func TestOWASP9Inventory(t *testing.T) {
	t.Parallel()
	a := start(t)
	var served struct {
		Info  struct{ Version string }
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(a.get(t, "/openapi.json").want(t, 200).body, &served); err != nil {
		t.Fatal(err)
	}
	ready := decode[gen.Readiness](t, a.get(t, "/readyz").want(t, 200))
	if ready.Version != served.Info.Version {
		t.Errorf("the server is version %s, and its contract %s", ready.Version, served.Info.Version)
	}
	routes := server.Routes(a.server)
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		if _, documented := served.Paths[path][strings.ToLower(method)]; !documented && route != "POST /mcp" {
			t.Errorf("%s is not in the contract", route)
		}
	}
	if len(routes) < len(served.Paths) {
		t.Errorf("%d routes for %d paths", len(routes), len(served.Paths))
	}
	for _, op := range contract.Operations(loadContract(t)) {
		if op.Spec().Deprecated {
			t.Errorf("%s is deprecated", op.ID)
		}
	}
}

// API10, unsafe consumption of APIs: the language model is an API of others. What it writes reaches a client without
// control characters, and a tool that it makes up or may not call writes nothing. Its redirects are not followed with
// the key to another host.
func TestOWASP10Consumption(t *testing.T) {
	t.Parallel()
	called := make(chan string, 100)
	elsewhere := newCanary(t, called)
	redirecting := listenHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		http.Redirect(w, r, elsewhere+"/stolen", http.StatusTemporaryRedirect)
	})
	doc := loadContract(t)
	a := start(t, withModel(newModel(t, doc, upstream.Config{Provider: "openai", Model: "m", APIKey: "sk-secret", BaseURL: redirecting + "/v1", Timeout: time.Minute})))
	if got := a.get(t, "/ai/ask?question=comedies"); got.status < 500 {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	if len(called) > 0 {
		t.Errorf("a redirect of the language model was followed to %s", <-called)
	}
	if strings.Contains(a.log.String(), "sk-secret") {
		t.Error("the log has the key of the language model")
	}

	hostile := start(t)
	before := one[int64](t, hostile, `SELECT count(*) FROM rental`)
	tools := hostile.modelTools(t)
	for _, name := range []string{"createRental", "returnRental", "updateFilm", "getCustomer", "DROP TABLE film", ""} {
		result, err := tools.Call(t.Context(), name, json.RawMessage(`{"customer_id":1,"inventory_id":1,"staff_id":1,"film_id":1}`))
		if err != nil || result.Status != 404 {
			t.Errorf("%s: status %d, %v", name, result.Status, err)
		}
	}
	if after := one[int64](t, hostile, `SELECT count(*) FROM rental`); after != before {
		t.Errorf("%d rentals, before %d", after, before)
	}
	if text := llm.Clean("a\x1b[31mb\u202ec"); strings.ContainsAny(text, "\x1b\u202e") {
		t.Errorf("a control character remains: %q", text)
	}
}
