package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/conformance"
	"example.com/pagila-api/server/internal/contract"
)

// documented are the credentials that the contract's examples use.
var documented = server.Credentials{Token: "dvd_admin", Username: "staff", Password: "dvd_admin"}

func withDocumentedCredentials(d *server.Deps) { d.Credentials = documented }

// request is a request for an operation, built from the contract's examples.
type request struct {
	*contract.Operation
	pathValues map[string]string
	query      url.Values
	header     map[string]string
	mediaType  string
	body       any    // an object, or the raw body if it is a string
	rawQuery   string // follows the query
	anonymous  bool
}

// exampleRequest returns the request that Swagger UI proposes for an operation.
func exampleRequest(t *testing.T, op *contract.Operation) request {
	t.Helper()
	r := request{Operation: op, pathValues: map[string]string{}, query: url.Values{}, header: map[string]string{}}
	for _, p := range op.Parameters() {
		if p.Name == "cursor" {
			continue // it has no example, because it comes from a page
		}
		if p.Example == nil {
			t.Errorf("%s: the parameter %s has no example", op.ID, p.Name)
			continue
		}
		r.set(p, p.Example)
	}
	if body := op.Spec().RequestBody; body != nil {
		for mediaType, content := range body.Value.Content {
			r.mediaType, r.body = mediaType, maps.Clone(exampleOf(t, content))
		}
	}
	return r
}

// exampleRequests returns the requests of the operations that a condition selects.
func exampleRequests(t *testing.T, selects func(*contract.Operation) bool) []request {
	t.Helper()
	var all []request
	for _, op := range contract.Operations(loadContract(t)) {
		if selects(op) {
			all = append(all, exampleRequest(t, op))
		}
	}
	if len(all) == 0 {
		t.Fatal("no operation is selected")
	}
	return all
}

// documents selects the operations for which the contract has a response with this status.
func documents(status int) func(*contract.Operation) bool {
	return func(op *contract.Operation) bool { return op.Documents(status) }
}

// usesDatabase selects by 503, which configures the server. An operation that forgets 500 is selected, too.
func usesDatabase(op *contract.Operation) bool { return op.Documents(503) && op.ID != "getReadiness" }

func hasBody(op *contract.Operation) bool { return op.Spec().RequestBody != nil }

func isGET(op *contract.Operation) bool { return op.Method == http.MethodGet }

func (r *request) set(p *openapi3.Parameter, value any) {
	switch text := fmt.Sprint(value); p.In {
	case openapi3.ParameterInPath:
		r.pathValues[p.Name] = text
	case openapi3.ParameterInHeader:
		r.header[p.Name] = text
	default:
		r.query.Set(p.Name, text)
		if values, ok := value.([]any); ok {
			r.query.Del(p.Name)
			for _, v := range values {
				r.query.Add(p.Name, fmt.Sprint(v))
			}
		}
	}
}

// exampleOf returns the first example of a media type, or one built from the examples of its properties.
func exampleOf(t *testing.T, content *openapi3.MediaType) map[string]any {
	t.Helper()
	if names := sortedKeys(content.Examples); len(names) > 0 {
		return content.Examples[names[0]].Value.Value.(map[string]any)
	}
	if content.Example != nil {
		return content.Example.(map[string]any)
	}
	body := map[string]any{}
	for name, p := range content.Schema.Value.Properties {
		if p.Value.Example != nil {
			body[name] = p.Value.Example
		} else if slices.Contains(content.Schema.Value.Required, name) {
			t.Errorf("the required property %s has no example", name)
		}
	}
	return body
}

// send sends the request, with the documented token if the operation requires one.
func (r request) send(t *testing.T, a *testAPI) *received {
	t.Helper()
	return r.sendAs(t, a, r.Method)
}

// sendAs sends the request with another method.
func (r request) sendAs(t *testing.T, a *testAPI, method string) *received {
	t.Helper()
	var headers []string
	for name, value := range r.header {
		headers = append(headers, name, value)
	}
	if r.Secured && !r.anonymous {
		headers = append(headers, "Authorization", "Bearer "+documented.Token)
	}
	if r.mediaType != "" {
		headers = append(headers, "Content-Type", r.mediaType)
	}
	return a.call(t, method, r.target(), r.encodedBody(t), headers...)
}

// target returns the request's path and query.
func (r request) target() string {
	target := r.Path
	for name, value := range r.pathValues {
		target = strings.ReplaceAll(target, "{"+name+"}", url.PathEscape(value))
	}
	query := r.query.Encode()
	if r.rawQuery != "" {
		query = strings.TrimPrefix(query+"&"+r.rawQuery, "&")
	}
	if query == "" {
		return target
	}
	return target + "?" + query
}

// with returns the request with one more header.
func (r request) with(name, value string) request {
	r.header = maps.Clone(r.header)
	r.header[name] = value
	return r
}

func (r request) encodedBody(t *testing.T) string {
	t.Helper()
	switch body := r.body.(type) {
	case nil:
		return ""
	case string:
		return body
	case map[string]any:
		if r.mediaType == "application/x-www-form-urlencoded" {
			form := url.Values{}
			for name, value := range body {
				form.Set(name, fmt.Sprint(value))
			}
			return form.Encode()
		}
	}
	data, err := json.Marshal(r.body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// insertExampleRows makes sure that the rental and the subscription of the contract's examples exist and are open.
func (a *testAPI) insertExampleRows(t *testing.T) {
	t.Helper()
	doc := loadContract(t)
	rental := exampleRequest(t, operationByID(t, doc, "getRental")).pathValues
	a.exec(t, `INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id) VALUES (?, now(), ?, ?, 1)
		ON CONFLICT (rental_id) DO UPDATE SET customer_id = EXCLUDED.customer_id, inventory_id = EXCLUDED.inventory_id, return_date = NULL`,
		rental["rental_id"], lastInStock(t, a), rental["customer_id"])
	subscription := exampleRequest(t, operationByID(t, doc, "getSubscription")).pathValues
	a.exec(t, `INSERT INTO streaming_subscription (id, customer_id, plan_name, start_date) VALUES (?, ?, 'basic', (now() AT TIME ZONE 'UTC')::date);
		SELECT setval('streaming_subscription_id_seq', 100), setval('rental_rental_id_seq', GREATEST(100, (SELECT max(rental_id) FROM rental)))`,
		subscription["subscription_id"], subscription["customer_id"])
}

// lastInStock is a copy in stock that no example rents.
func lastInStock(t *testing.T, a *testAPI) int32 {
	t.Helper()
	return one[int32](t, a, `SELECT max(inventory_id) FROM inventory WHERE NOT EXISTS (
		SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL)`)
}

// asRead returns the request with the state that the client has read, if the operation requires it.
func (r request) asRead(t *testing.T, a *testAPI) request {
	t.Helper()
	if !r.Documents(http.StatusPreconditionFailed) {
		return r
	}
	return r.with("If-Match", a.get(t, r.target()).want(t, 200).header.Get("ETag"))
}

// The contract's examples of requests work unchanged, in Swagger UI and in a terminal. Only an ETag has to be read
// before.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, op := range contract.Operations(loadContract(t)) {
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			a := start(t, withDocumentedCredentials)
			if op.ID != "createSubscription" { // the customer can have only one
				a.insertExampleRows(t)
			}
			if response := exampleRequest(t, op).asRead(t, a).send(t, a); response.status/100 != 2 {
				t.Errorf("the status for the example is %d: %s", response.status, response.body)
			}
		})
	}
}

// The contract's examples of responses are like those of this server.
func TestResponseExamples(t *testing.T) {
	t.Parallel()
	doc := loadContract(t)
	for _, op := range contract.Operations(doc) {
		for status, response := range op.Spec().Responses.Map() {
			for mediaType, content := range response.Value.Content {
				where := strings.Join([]string{op.ID, status, mediaType}, " ")
				if mediaType != "text/event-stream" || content.Example == nil {
					continue
				}
				if err := conformance.CheckEvents(doc, content.Example.(string)); err != nil {
					t.Errorf("%s: %v", where, err)
				}
			}
			for name, header := range response.Value.Headers {
				if header.Value.Example == nil {
					t.Errorf("%s %s: the header %s has no example", op.ID, status, name)
				} else if err := header.Value.Schema.Value.VisitJSON(header.Value.Example); err != nil {
					t.Errorf("%s %s: the example of the header %s: %v", op.ID, status, name, err)
				}
			}
		}
	}
}

// codes finds the problem codes in a description.
var codes = regexp.MustCompile("`([a-z_]+)`")

// Each error response has an example for each of its codes, and the examples equal what this server sends. A
// tool that finds no example generates a meaningless one from the schema.
func TestErrorExamples(t *testing.T) {
	t.Parallel()
	doc := loadContract(t)
	shown := map[gen.ProblemCode]bool{"method_not_allowed": true, "origin_not_allowed": true} // no operation has them
	for _, op := range contract.Operations(doc) {
		for status, response := range op.Spec().Responses.Map() {
			if status < "400" {
				continue
			}
			content := response.Value.Content["application/problem+json"]
			examples := map[string]any{}
			for name, example := range content.Examples {
				examples[name] = example.Value.Value
			}
			if content.Example != nil {
				examples["example"] = content.Example
			}
			paths := pathsWith(doc, response.Ref)
			shownHere := map[gen.ProblemCode]bool{}
			for name, example := range examples {
				where := strings.Join([]string{op.ID, status, name}, " ")
				p := problemExample(t, doc, where, example)
				if strconv.Itoa(int(p.Status)) != status {
					t.Errorf("%s: the status is %d", where, p.Status)
				}
				if !slices.ContainsFunc(paths, func(path *regexp.Regexp) bool { return path.MatchString(p.Instance) }) {
					t.Errorf("%s: no operation with this response has the path %s", where, p.Instance)
				}
				shownHere[p.Code], shown[p.Code] = true, true
			}
			named := promised(doc, *response.Value.Description)
			if len(named) == 0 && len(shownHere) != 1 || len(named) > 0 && !maps.Equal(named, shownHere) {
				t.Errorf("%s %s: the examples have the codes %v, the description %v", op.ID, status, shownHere, named)
			}
		}
	}
	for _, code := range doc.Components.Schemas["ProblemCode"].Value.Enum {
		if !shown[gen.ProblemCode(code.(string))] {
			t.Errorf("no example has the code %s", code)
		}
	}
}

// pathsWith returns the paths of the operations that refer to a response.
func pathsWith(doc *openapi3.T, ref string) []*regexp.Regexp {
	var paths []*regexp.Regexp
	for _, op := range contract.Operations(doc) {
		for _, response := range op.Spec().Responses.Map() {
			if response.Ref == ref {
				paths = append(paths, regexp.MustCompile("^"+pathParameter.ReplaceAllString(op.Path, "[^/]+")+"$"))
			}
		}
	}
	return paths
}

var pathParameter = regexp.MustCompile(`\{[a-z_]+\}`)

// The examples of problems with errors equal the responses to such requests.
func TestInputErrorExamples(t *testing.T) {
	t.Parallel()
	examples := loadContract(t).Components.Responses
	of := func(response, name string) any {
		content := examples[response].Value.Content["application/problem+json"]
		if name != "" {
			return content.Examples[name].Value.Value
		}
		return content.Example
	}
	a := start(t)
	for _, tt := range []struct {
		example  any
		response *received
	}{
		{of("BadRequest", ""), a.get(t, "/films?page=0")},
		{of("TokenRefused", "invalid_request"), a.call(t, http.MethodPost, "/token", "grant_type=password&password=x",
			"Content-Type", "application/x-www-form-urlencoded")},
		{of("RentalUnprocessable", ""), a.call(t, http.MethodPost, "/customers/1/rentals", `{"inventory_id": 999999, "staff_id": 1}`,
			"Authorization", "Bearer "+token)},
	} {
		document, err := json.Marshal(tt.example)
		if err != nil {
			t.Fatal(err)
		}
		var want gen.Problem
		if err := json.Unmarshal(document, &want); err != nil {
			t.Fatal(err)
		}
		got := decode[gen.Problem](t, tt.response)
		want.RequestID = got.RequestID
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the server sends %s, and the example is %s", tt.response.body, document)
		}
	}
}

// promised returns the codes that a description names.
func promised(doc *openapi3.T, description string) map[gen.ProblemCode]bool {
	named := map[gen.ProblemCode]bool{}
	for _, match := range codes.FindAllStringSubmatch(description, -1) {
		if slices.Contains(doc.Components.Schemas["ProblemCode"].Value.Enum, any(match[1])) {
			named[gen.ProblemCode(match[1])] = true
		}
	}
	return named
}

// problemExample decodes an example of a problem, and checks that this server can send it.
func problemExample(t *testing.T, doc *openapi3.T, where string, example any) gen.Problem {
	t.Helper()
	document, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	if err := conformance.CheckDocument(doc, "Problem", document); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	var p gen.Problem
	if err := json.Unmarshal(document, &p); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(server.KnownProblems(), func(known gen.Problem) bool {
		known.Instance, known.RequestID, known.Errors = p.Instance, p.RequestID, p.Errors
		known.Rental, known.Subscription = p.Rental, p.Subscription
		return reflect.DeepEqual(known, p)
	}) {
		t.Errorf("%s: the server does not send this problem: %s", where, document)
	}
	return p
}

// Each link of the contract leads from a response to another request, which succeeds.
func TestLinks(t *testing.T) {
	t.Parallel()
	doc := loadContract(t)
	a := start(t, withDocumentedCredentials)
	followed := 0
	for _, op := range contract.Operations(doc) {
		for status, response := range op.Spec().Responses.Map() {
			if len(response.Value.Links) == 0 {
				continue
			}
			from := exampleRequest(t, op)
			for _, p := range op.Parameters() {
				if !p.Required {
					from.query.Del(p.Name) // it may leave nothing to link to
				}
			}
			first := from.send(t, a)
			if strconv.Itoa(first.status) != status {
				t.Errorf("%s responds with %d, but the links belong to %s: %s", op.ID, first.status, status, first.body)
				continue
			}
			for name, link := range response.Value.Links {
				followed++
				next := follow(t, doc, from, first, link.Value)
				if got := next.send(t, a); got.status/100 != 2 {
					t.Errorf("%s, link %s: %s responds with %d: %s", op.ID, name, link.Value.OperationID, got.status, got.body)
				}
			}
		}
	}
	if followed == 0 {
		t.Error("the contract has no links")
	}
}

func operationByID(t *testing.T, doc *openapi3.T, id string) *contract.Operation {
	t.Helper()
	for _, op := range contract.Operations(doc) {
		if op.ID == id {
			return op
		}
	}
	t.Fatalf("the contract has no operation %s", id)
	return nil
}

// follow returns the request that a link describes (OpenAPI 3.0.3, section 4.7.20).
func follow(t *testing.T, doc *openapi3.T, from request, response *received, link *openapi3.Link) request {
	t.Helper()
	next := exampleRequest(t, operationByID(t, doc, link.OperationID))
	for _, p := range next.Parameters() {
		if value, ok := link.Parameters[p.Name]; ok {
			next.set(p, evaluate(t, from, response, value))
		} else if p.Required {
			t.Errorf("the link to %s does not set %s", link.OperationID, p.Name)
		}
	}
	if link.RequestBody != nil {
		body := map[string]any{}
		for name, value := range link.RequestBody.(map[string]any) {
			body[name] = evaluate(t, from, response, value)
		}
		next.body = body
	}
	return next
}

// evaluate returns the value of a runtime expression, of the kinds that the contract uses.
func evaluate(t *testing.T, from request, response *received, expression any) any {
	t.Helper()
	text, ok := expression.(string)
	if !ok {
		return expression
	}
	if name, ok := strings.CutPrefix(text, "$request.path."); ok {
		return from.pathValues[name]
	}
	pointer, ok := strings.CutPrefix(text, "$response.body#/")
	if !ok {
		t.Fatalf("this test does not support the expression %q", text)
	}
	d := json.NewDecoder(strings.NewReader(string(response.body)))
	d.UseNumber() // 1000000 must not become 1e+06
	var value any
	if err := d.Decode(&value); err != nil {
		t.Fatal(err)
	}
	for token := range strings.SplitSeq(pointer, "/") {
		switch v := value.(type) {
		case map[string]any:
			value = v[token]
		case []any:
			var i int
			if _, err := fmt.Sscan(token, &i); err != nil || i >= len(v) {
				t.Fatalf("%s: the array has no item %s", text, token)
			}
			value = v[i]
		}
	}
	if value == nil {
		t.Fatalf("%s has no value", text)
	}
	return value
}
