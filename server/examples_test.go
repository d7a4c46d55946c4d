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
	"example.com/pagila-api/store/pgtest"
)

// documented are the credentials that the contract's examples use.
var documented = server.Credentials{Token: "dvd_admin", Username: "staff", Password: "dvd_admin"}

func withDocumentedCredentials(d *server.Deps) { d.Credentials = documented }

// request is a request of an operation, made of the contract's examples.
type request struct {
	method, path string // path is the contract's, with its parameters in braces
	operation    *openapi3.Operation
	pathValues   map[string]string
	query        url.Values
	header       map[string]string
	mediaType    string
	body         any // an object; or the body as it is sent, when it is a string
	anonymous    bool
}

// exampleRequest is the request that Swagger UI proposes for the operation.
func exampleRequest(t *testing.T, contract *openapi3.T, operationID string) request {
	t.Helper()
	for path, item := range contract.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID != operationID {
				continue
			}
			r := request{method: method, path: path, operation: op, pathValues: map[string]string{}, query: url.Values{}, header: map[string]string{}}
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				if p.Value.In == openapi3.ParameterInHeader && !p.Value.Required {
					continue // nobody sends one by hand
				}
				if p.Value.Example == nil {
					t.Errorf("%s: the parameter %s has no example", operationID, p.Value.Name)
					continue
				}
				r.set(p.Value, p.Value.Example)
			}
			if op.RequestBody != nil {
				for mediaType, content := range op.RequestBody.Value.Content {
					r.mediaType, r.body = mediaType, exampleOf(t, content)
				}
			}
			return r
		}
	}
	t.Fatalf("the contract has no operation %s", operationID)
	return request{}
}

func (r *request) set(p *openapi3.Parameter, value any) {
	switch text := fmt.Sprint(value); p.In {
	case openapi3.ParameterInPath:
		r.pathValues[p.Name] = text
	case openapi3.ParameterInHeader:
		r.header[p.Name] = text
	default:
		r.query.Set(p.Name, text)
	}
}

// exampleOf is the media type's own example or one made of its properties'.
func exampleOf(t *testing.T, content *openapi3.MediaType) any {
	t.Helper()
	if content.Example != nil {
		return content.Example
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

// send makes the request, with a token where the operation needs one.
func (r request) send(t *testing.T, a *testAPI) *answer {
	t.Helper()
	path := r.path
	for name, value := range r.pathValues {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	if len(r.query) > 0 {
		path += "?" + r.query.Encode()
	}
	var headers []string
	for name, value := range r.header {
		headers = append(headers, name, value)
	}
	if r.secured() && !r.anonymous {
		headers = append(headers, "Authorization", "Bearer "+documented.Token)
	}
	if r.mediaType != "" {
		headers = append(headers, "Content-Type", r.mediaType)
	}
	return a.call(t, r.method, path, r.encodedBody(t), headers...)
}

func (r request) secured() bool { return r.operation.Security == nil || len(*r.operation.Security) > 0 }

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

// What the contract shows as a request works as it stands, in Swagger UI and in a terminal.
func TestExamples(t *testing.T) {
	t.Parallel()
	contract := loadContract(t)
	a := start(t, withDocumentedCredentials)
	for _, item := range contract.Paths.Map() {
		for _, op := range item.Operations() {
			t.Run(op.OperationID, func(t *testing.T) {
				t.Parallel()
				if op.OperationID == "getRental" {
					pgtest.RealPagila(t) // the example is a rental of Pagila's
				}
				if answer := exampleRequest(t, contract, op.OperationID).send(t, a); answer.status/100 != 2 {
					t.Errorf("the example answers %d: %s", answer.status, answer.body)
				}
			})
		}
	}
}

// The contract's examples of responses could have come from this server.
func TestResponseExamples(t *testing.T) {
	t.Parallel()
	contract := loadContract(t)
	for _, item := range contract.Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				for mediaType, content := range response.Value.Content {
					where := strings.Join([]string{op.OperationID, status, mediaType}, " ")
					switch {
					case content.Example == nil:
					case mediaType == "text/event-stream":
						if err := server.CheckEvents(contract, content.Example.(string)); err != nil {
							t.Errorf("%s: %v", where, err)
						}
					}
				}
				for name, header := range response.Value.Headers {
					if header.Value.Example == nil {
						t.Errorf("%s %s: the header %s has no example", op.OperationID, status, name)
					} else if err := header.Value.Schema.Value.VisitJSON(header.Value.Example); err != nil {
						t.Errorf("%s %s: the example of the header %s: %v", op.OperationID, status, name, err)
					}
				}
			}
		}
	}
}

// codes finds the problem codes in a description.
var codes = regexp.MustCompile("`([a-z_]+)`")

// Each response that is an error has an example for each of its codes, and each example is what this
// server sends. A tool that finds no example makes one up, of whatever the schema shows.
func TestErrorExamples(t *testing.T) {
	t.Parallel()
	contract := loadContract(t)
	shown := map[gen.ProblemCode]bool{"method_not_allowed": true} // no operation has it
	for _, item := range contract.Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
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
				paths := pathsWith(contract, response.Ref)
				shownHere := map[gen.ProblemCode]bool{}
				for name, example := range examples {
					where := strings.Join([]string{op.OperationID, status, name}, " ")
					p := problemExample(t, contract, where, example)
					if strconv.Itoa(int(p.Status)) != status {
						t.Errorf("%s: the status is %d", where, p.Status)
					}
					if !slices.ContainsFunc(paths, func(path *regexp.Regexp) bool { return path.MatchString(p.Instance) }) {
						t.Errorf("%s: no operation with this response has the path %s", where, p.Instance)
					}
					shownHere[p.Code], shown[p.Code] = true, true
				}
				named := promised(contract, *response.Value.Description)
				if len(named) == 0 && len(shownHere) != 1 || len(named) > 0 && !maps.Equal(named, shownHere) {
					t.Errorf("%s %s: the examples have the codes %v, the description %v", op.OperationID, status, shownHere, named)
				}
			}
		}
	}
	for _, code := range contract.Components.Schemas["ProblemCode"].Value.Enum {
		if !shown[gen.ProblemCode(code.(string))] {
			t.Errorf("no example has the code %s", code)
		}
	}
}

// pathsWith are the paths of the operations that refer to a response.
func pathsWith(contract *openapi3.T, ref string) []*regexp.Regexp {
	var paths []*regexp.Regexp
	for path, item := range contract.Paths.Map() {
		for _, op := range item.Operations() {
			for _, response := range op.Responses.Map() {
				if response.Ref == ref {
					paths = append(paths, regexp.MustCompile("^"+pathParameter.ReplaceAllString(path, "[^/]+")+"$"))
				}
			}
		}
	}
	return paths
}

var pathParameter = regexp.MustCompile(`\{[a-z_]+\}`)

// The examples of problems with errors are what the server sends for such a request.
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
		example any
		answer  *answer
	}{
		{of("BadRequest", ""), a.get(t, "/films?page=0")},
		{of("TokenRefused", "invalid_request"), a.call(t, http.MethodPost, "/token", "grant_type=password&password=x",
			"Content-Type", "application/x-www-form-urlencoded")},
		{of("Unprocessable", ""), a.call(t, http.MethodPost, "/customers/1/rentals", `{"inventory_id": 999999, "staff_id": 1}`,
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
		got := decode[gen.Problem](t, tt.answer)
		want.RequestID = got.RequestID
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the server sends %s, and the example is %s", tt.answer.body, document)
		}
	}
}

// promised are the codes that a description names.
func promised(contract *openapi3.T, description string) map[gen.ProblemCode]bool {
	named := map[gen.ProblemCode]bool{}
	for _, match := range codes.FindAllStringSubmatch(description, -1) {
		if slices.Contains(contract.Components.Schemas["ProblemCode"].Value.Enum, any(match[1])) {
			named[gen.ProblemCode(match[1])] = true
		}
	}
	return named
}

// problemExample reads an example of a problem, and checks that this server sends such a one.
func problemExample(t *testing.T, contract *openapi3.T, where string, example any) gen.Problem {
	t.Helper()
	document, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.CheckDocument(contract, "Problem", document); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	var p gen.Problem
	if err := json.Unmarshal(document, &p); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(server.KnownProblems(), func(known gen.Problem) bool {
		known.Instance, known.RequestID, known.Errors = p.Instance, p.RequestID, p.Errors
		return reflect.DeepEqual(known, p)
	}) {
		t.Errorf("%s: the server has no such problem: %s", where, document)
	}
	return p
}

// Each link of the contract leads from an answer to the next request, which works.
func TestLinks(t *testing.T) {
	t.Parallel()
	contract := loadContract(t)
	a := start(t, withDocumentedCredentials)
	followed := 0
	for _, item := range contract.Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				if len(response.Value.Links) == 0 {
					continue
				}
				from := exampleRequest(t, contract, op.OperationID)
				answer := from.send(t, a)
				if strconv.Itoa(answer.status) != status {
					t.Errorf("%s answers %d, and the links are of %s: %s", op.OperationID, answer.status, status, answer.body)
					continue
				}
				for name, link := range response.Value.Links {
					followed++
					next := follow(t, contract, from, answer, link.Value)
					if got := next.send(t, a); got.status/100 != 2 {
						t.Errorf("%s, link %s: %s answers %d: %s", op.OperationID, name, link.Value.OperationID, got.status, got.body)
					}
				}
			}
		}
	}
	if followed == 0 {
		t.Error("the contract has no links")
	}
}

// follow makes the request that a link describes (OpenAPI 3.0.3, section 4.7.20).
func follow(t *testing.T, contract *openapi3.T, from request, answer *answer, link *openapi3.Link) request {
	t.Helper()
	next := exampleRequest(t, contract, link.OperationID)
	for _, p := range next.operation.Parameters {
		if value, ok := link.Parameters[p.Value.Name]; ok {
			next.set(p.Value, evaluate(t, from, answer, value))
		} else if p.Value.Required {
			t.Errorf("the link to %s does not set %s", link.OperationID, p.Value.Name)
		}
	}
	if link.RequestBody != nil {
		body := map[string]any{}
		for name, value := range link.RequestBody.(map[string]any) {
			body[name] = evaluate(t, from, answer, value)
		}
		next.body = body
	}
	return next
}

// evaluate finds the value of a runtime expression, of those kinds that the contract uses.
func evaluate(t *testing.T, from request, answer *answer, expression any) any {
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
		t.Fatalf("the expression %q is of a kind that this test does not know", text)
	}
	d := json.NewDecoder(strings.NewReader(string(answer.body)))
	d.UseNumber() // 1000000 is not to become 1e+06
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
				t.Fatalf("%s: there is no item %s", text, token)
			}
			value = v[i]
		}
	}
	if value == nil {
		t.Fatalf("%s is nothing", text)
	}
	return value
}
