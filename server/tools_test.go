package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
)

// contractTools returns the operations that the contract marks as tools.
func contractTools(tb testing.TB) map[string]*contract.Operation {
	tb.Helper()
	marked := map[string]*contract.Operation{}
	for _, op := range contract.Operations(loadContract(tb)) {
		if op.Spec().Extensions["x-tool"] == true {
			marked[op.ID] = op
		}
	}
	return marked
}

// modelTools returns the tools of the language model, for a request with a token.
func (a *testAPI) modelTools(tb testing.TB) llm.Tools {
	tb.Helper()
	r := httptest.NewRequest(http.MethodGet, "/ai/ask?question=x", nil).WithContext(tb.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return server.ModelTools(a.server, r)
}

// compiled compiles a JSON Schema, which checks it against the meta-schema.
func compiled(tb testing.TB, schema any) *jsonschema.Schema {
	tb.Helper()
	encoded, err := json.Marshal(schema)
	if err != nil {
		tb.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		tb.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", value); err != nil {
		tb.Fatal(err)
	}
	result, err := compiler.Compile("schema.json")
	if err != nil {
		tb.Fatalf("%v: %s", err, encoded)
	}
	return result
}

// conforms reports whether a JSON text follows a schema.
func conforms(tb testing.TB, schema *jsonschema.Schema, text []byte) error {
	tb.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func encoded(tb testing.TB, value any) json.RawMessage {
	tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// The tools are those that the contract marks, and their schemas are JSON Schema.
func TestTools(t *testing.T) {
	t.Parallel()
	a := start(t)
	marked := contractTools(t)
	all := a.mcpTools(t)
	var names, reading []string
	for _, tool := range all {
		names = append(names, tool.Name)
		op := marked[tool.Name]
		if op == nil {
			t.Errorf("the contract does not mark the tool %s", tool.Name)
			continue
		}
		if op.Method == http.MethodGet && !op.Secured {
			reading = append(reading, tool.Name)
		}
		if !strings.Contains(tool.Description, op.Spec().Summary) || !strings.Contains(tool.Description, strings.TrimSpace(op.Spec().Description)) {
			t.Errorf("%s: the description is %q", tool.Name, tool.Description)
		}
		for _, schema := range []any{tool.InputSchema, tool.OutputSchema} {
			compiled(t, schema)
			if found := foreignWords(schema); len(found) > 0 {
				t.Errorf("%s: the schema has the words %q", tool.Name, found)
			}
		}
		checkArguments(t, op, tool.InputSchema.(map[string]any))
	}
	if !slices.IsSorted(names) || len(names) != len(marked) {
		t.Errorf("the tools are %q, want the %d of the contract in order", names, len(marked))
	}
	var offered []string
	for _, tool := range a.modelTools(t).List() {
		offered = append(offered, tool.Name)
		for _, same := range all {
			if same.Name == tool.Name && (!sameJSON(t, encoded(t, same.InputSchema), tool.Parameters) || same.Description != tool.Description) {
				t.Errorf("%s: the model is offered another tool than MCP clients", tool.Name)
			}
		}
	}
	if !slices.Equal(offered, reading) {
		t.Errorf("the model is offered %q, want %q", offered, reading)
	}
}

// checkArguments compares a tool's arguments with the operation's parameters and body.
func checkArguments(t *testing.T, op *contract.Operation, schema map[string]any) {
	t.Helper()
	want := map[string]bool{}
	for _, p := range op.Parameters() {
		want[p.Name] = p.Required
	}
	if body := op.Spec().RequestBody; body != nil {
		s := body.Value.Content["application/json"].Schema.Value
		for name := range s.Properties {
			want[name] = slices.Contains(s.Required, name)
		}
	}
	members, _ := schema["properties"].(map[string]any)
	required := fmt.Sprint(schema["required"])
	if schema["additionalProperties"] != false || len(members) != len(want) {
		t.Errorf("%s: the arguments are %v, want %v and no others", op.ID, members, want)
	}
	for name, isRequired := range want {
		member, _ := members[name].(map[string]any)
		if description, _ := member["description"].(string); description == "" {
			t.Errorf("%s: %s is %v, want a description", op.ID, name, member)
		}
		if slices.Contains(strings.Fields(strings.Trim(required, "[]")), name) != isRequired {
			t.Errorf("%s: required are %s", op.ID, required)
		}
	}
}

// foreignWords returns the keywords of OpenAPI in a JSON Schema that JSON Schema does not have.
func foreignWords(schema any) []string {
	var found []string
	switch v := schema.(type) {
	case []any:
		for _, item := range v {
			found = append(found, foreignWords(item)...)
		}
	case map[string]any:
		for name, member := range v {
			if name == "properties" {
				for _, property := range member.(map[string]any) {
					found = append(found, foreignWords(property)...)
				}
				continue
			}
			foreign := []string{"nullable", "example", "xml", "discriminator", "externalDocs", "$ref", "readOnly", "writeOnly", "allOf"}
			isFormat := name == "format" && slices.Contains([]any{"int32", "int64", "float", "double", "byte", "binary", "password"}, member)
			if slices.Contains(foreign, name) || strings.HasPrefix(name, "x-") || isFormat {
				found = append(found, name)
			}
			found = append(found, foreignWords(member)...)
		}
	}
	return found
}

// exampleArguments returns the contract's examples: of what is required, and of everything that has one.
func exampleArguments(op *contract.Operation) (required, all map[string]any) {
	required, all = map[string]any{}, map[string]any{}
	add := func(name string, example any, isRequired bool) {
		if example == nil {
			return
		}
		all[name] = example
		if isRequired {
			required[name] = example
		}
	}
	for _, p := range op.Parameters() {
		add(p.Name, p.Example, p.Required)
	}
	if body := op.Spec().RequestBody; body != nil {
		s := body.Value.Content["application/json"].Schema.Value
		for name, property := range s.Properties {
			add(name, property.Value.Example, slices.Contains(s.Required, name))
		}
	}
	return required, all
}

// toolCalls returns the arguments of calls that succeed: the contract's examples of what is required, alone and with
// each of the others. Writing operations need rows that allow the change.
func (a *testAPI) toolCalls(t *testing.T, op *contract.Operation) []map[string]any {
	t.Helper()
	required, all := exampleArguments(op)
	switch op.ID {
	case "createRental":
		return []map[string]any{
			{"customer_id": 1, "staff_id": 1, "inventory_id": copyInStock(t, a)},
			{"customer_id": 2, "staff_id": 1, "film_id": 1, "store_id": 1},
		}
	case "createSubscription":
		today := one[string](t, a, `SELECT (now() AT TIME ZONE 'UTC')::date::text`)
		return []map[string]any{
			{"customer_id": 2, "plan_name": "basic"},
			{"customer_id": 3, "plan_name": "standard", "start_date": today},
			{"customer_id": 4, "plan_name": "premium", "end_date": today},
		}
	case "updateFilm":
		required["If-Match"] = a.get(t, "/films/1").want(t, 200).header.Get("ETag")
		return []map[string]any{required}
	}
	calls := []map[string]any{required}
	for name, example := range all {
		if _, isRequired := required[name]; isRequired {
			continue
		}
		with := maps.Clone(required)
		with[name] = example
		calls = append(calls, with)
	}
	return calls
}

// Each tool can be called with the contract's examples. The result follows the schema.
func TestToolCalls(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.insertExampleRows(t)
	operations := contractTools(t)
	client := a.mcpClient(t, "Authorization", "Bearer "+token)
	for _, tool := range a.mcpTools(t) {
		input, output := compiled(t, tool.InputSchema), compiled(t, tool.OutputSchema)
		for _, arguments := range a.toolCalls(t, operations[tool.Name]) {
			if err := conforms(t, input, encoded(t, arguments)); err != nil {
				t.Errorf("%s %v: the arguments do not follow their schema: %v", tool.Name, arguments, err)
			}
			result := callMCP(t, client, tool.Name, arguments)
			if result.IsError {
				t.Errorf("%s %v: %s", tool.Name, arguments, textOf(t, result))
				continue
			}
			if err := conforms(t, output, encoded(t, result.StructuredContent)); err != nil {
				t.Errorf("%s %v: the result does not follow its schema: %v", tool.Name, arguments, err)
			}
			if !sameJSON(t, encoded(t, result.StructuredContent), []byte(textOf(t, result))) {
				t.Errorf("%s %v: the text is not the structured content: %s", tool.Name, arguments, textOf(t, result))
			}
		}
	}
}

// The language model is offered nothing that requires the token, and no result has the data of a customer. It cannot
// call another tool, also if its caller has the token.
func TestModelSeesNoCustomers(t *testing.T) {
	t.Parallel()
	const secret = "S3CR3T"
	a := start(t)
	a.insertExampleRows(t)
	a.exec(t, `
		UPDATE address SET address = ?0, address2 = ?0, district = ?0, postal_code = ?0, phone = ?0 WHERE address_id IN (SELECT address_id FROM customer);
		UPDATE customer SET first_name = ?0, last_name = ?0, email = ?0;
		UPDATE streaming_subscription SET plan_name = ?0`, secret)
	before := one[string](t, a, `SELECT format('%s %s', count(*), count(return_date)) FROM rental`)
	tools := a.modelTools(t)
	offered := map[string]bool{}
	for _, tool := range tools.List() {
		offered[tool.Name] = true
	}
	for name, op := range contractTools(t) {
		required, _ := exampleArguments(op)
		result, err := tools.Call(t.Context(), name, encoded(t, required))
		if err != nil {
			t.Fatal(err)
		}
		if reads := op.Method == http.MethodGet && !op.Secured; offered[name] != reads || (result.Status == 200) != reads || strings.Contains(string(result.Body), secret) {
			t.Errorf("%s: offered: %t, %d %s", name, offered[name], result.Status, result.Body)
		}
		for _, member := range []string{"customer_id", "email", "phone", "payment_id", "subscription_id"} {
			if schema := string(encoded(t, op.Result())); offered[name] && strings.Contains(schema, `"`+member+`"`) {
				t.Errorf("%s: the result has the member %s", name, member)
			}
		}
	}
	if after := one[string](t, a, `SELECT format('%s %s', count(*), count(return_date)) FROM rental`); after != before {
		t.Errorf("the rentals were %s and are %s", before, after)
	}
}

// The result for the model has the films that it names, and how many there are.
func TestToolFilms(t *testing.T) {
	t.Parallel()
	a := start(t)
	tools := a.modelTools(t)
	for _, test := range []struct {
		tool, arguments string
		films           int
		total           int64
	}{
		{"listFilms", `{"page_size": 3}`, 3, one[int64](t, a, `SELECT count(*) FROM film`)},
		{"listFilms", `{"page_size": 3, "page": 1000000}`, 0, one[int64](t, a, `SELECT count(*) FROM film`)},
		{"getFilm", `{"film_id": 2}`, 1, 1},
		{"getActor", `{"actor_id": 1}`, one[int](t, a, `SELECT count(*) FROM film_actor WHERE actor_id = 1`), one[int64](t, a, `SELECT count(*) FROM film_actor WHERE actor_id = 1`)},
		{"listActors", `{"page_size": 2}`, 0, 0},
		{"listCategories", `{}`, 0, 0},
		{"listFilmInventory", `{"film_id": 1}`, 0, 0},
		{"getFilm", `{"film_id": 5000000}`, 0, 0},
	} {
		got, err := tools.Call(t.Context(), test.tool, json.RawMessage(test.arguments))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Films) != test.films || got.Total != test.total {
			t.Errorf("%s %s: %d films of %d, want %d of %d: %s", test.tool, test.arguments, len(got.Films), got.Total, test.films, test.total, got.Body)
		}
		for _, film := range got.Films {
			if want := one[string](t, a, `SELECT title FROM film WHERE film_id = ?`, film.FilmID); film.Title != want {
				t.Errorf("%s: film %d is %q, want %q", test.tool, film.FilmID, film.Title, want)
			}
		}
	}
}

// Arguments that break the contract in one place are refused as the operation refuses them, and the problem
// names the argument.
func TestToolRefusals(t *testing.T) {
	t.Parallel()
	a := start(t)
	client := a.mcpClient(t, "Authorization", "Bearer "+token)
	refused := 0
	for name, op := range contractTools(t) {
		schema, err := op.Arguments()
		if err != nil {
			t.Fatal(err)
		}
		input := compiled(t, schema)
		required, _ := exampleArguments(op)
		for argument, member := range schema["properties"].(map[string]any) {
			for _, wrong := range wrongValues(member.(contract.Schema)) {
				arguments := map[string]any{}
				for each, value := range required {
					arguments[each] = value
				}
				arguments[argument] = wrong
				if conforms(t, input, encoded(t, arguments)) == nil {
					t.Errorf("%s: the schema allows %s = %.100q", name, argument, fmt.Sprint(wrong))
				}
				refused++
				result := callMCP(t, client, name, arguments)
				p := problemIn(t, result)
				wholeBody := wrong == "a\x00b" && op.Spec().RequestBody != nil // a NUL makes it invalid before its members count
				if p.Status != 400 || !names(p, argument) && (!wholeBody || !names(p, "")) {
					t.Errorf("%s: %s = %.100q: %s", name, argument, fmt.Sprint(wrong), textOf(t, result))
				}
			}
		}
		for argument := range required {
			arguments := map[string]any{}
			for each, value := range required {
				if each != argument {
					arguments[each] = value
				}
			}
			if p := problemIn(t, callMCP(t, client, name, arguments)); p.Status != 400 || !names(p, argument) {
				t.Errorf("%s without %s: %+v", name, argument, p)
			}
		}
		required["made_up"] = "x"
		if p := problemIn(t, callMCP(t, client, name, required)); p.Status != 400 || !names(p, "made_up") {
			t.Errorf("%s with an unknown argument: %+v", name, p)
		}
	}
	if refused < 100 {
		t.Errorf("only %d values were tried", refused)
	}
}

// wrongValues returns values that break a schema: too small, too large, too long, of another type.
func wrongValues(schema contract.Schema) []any {
	switch schema["type"] {
	case openapi3.TypeInteger:
		return []any{*schema["minimum"].(*float64) - 1, *schema["maximum"].(*float64) + 1, "x", 1.5, true, "", map[string]any{"a": 1}, []any{1, 2}}
	case openapi3.TypeBoolean:
		return []any{"maybe", 2, "", map[string]any{}, []any{true, false}}
	case openapi3.TypeArray:
		wrong := []any{map[string]any{"a": 1}, []any{[]any{"a"}}, []any{map[string]any{}}}
		for _, item := range wrongValues(schema["items"].(contract.Schema)) {
			if _, isList := item.([]any); !isList {
				wrong = append(wrong, []any{item})
			}
		}
		return wrong
	}
	wrong := []any{"", "a\x00b", map[string]any{"a": 1}, []any{"a", "b"}}
	if longest, ok := schema["maxLength"].(*uint64); ok && longest != nil {
		wrong = append(wrong, strings.Repeat("a", int(*longest)+1))
	}
	if schema["enum"] != nil || schema["pattern"] != nil && schema["pattern"] != `^[^\x00]*$` {
		wrong = append(wrong, "made up")
	}
	return wrong
}

// names reports whether a problem is about an argument.
func names(p gen.Problem, argument string) bool {
	return slices.ContainsFunc(p.Errors, func(e gen.InputError) bool {
		return e.Parameter != nil && *e.Parameter == argument || e.Pointer != nil && (strings.HasPrefix(*e.Pointer, "#/"+argument) || *e.Pointer == "#"+argument)
	})
}

// What models write in place of arguments is taken for what it means, or refused.
func TestToolArguments(t *testing.T) {
	t.Parallel()
	a := start(t)
	tools := a.modelTools(t)
	for _, test := range []struct {
		tool, arguments string
		status          int
		detail          string
	}{
		{"getFilm", `{"film_id": 1}`, 200, ""},
		{"getFilm", `{"film_id": "1"}`, 200, ""},
		{"getFilm", `{"film_id": [1]}`, 200, ""},
		{"getFilm", ` { "film_id" : 1 , "made_up" : null } `, 200, ""},
		{"getFilm", `{"film_id": 1.0}`, 200, ""},
		{"getFilm", `{"film_id": 0.99999999999999999999}`, 400, "integer from 1"},
		{"getFilm", `{"film_id": 2147483648}`, 400, "integer from 1"},
		{"getFilm", `{"film_id": 99999999999999999999999}`, 400, "integer from 1"},
		{"getFilm", `{"film_id": null}`, 400, "required"},
		{"getFilm", `{"film_id": []}`, 400, "required"},
		{"getFilm", `{"film_id": [1, 2]}`, 400, "more than once"},
		{"getFilm", `{"film_id": 1, "film_id": 2}`, 400, "more than once"},
		{"getFilm", ``, 400, "required"},
		{"getFilm", `null`, 400, "required"},
		{"getFilm", `[]`, 400, "not a JSON object"},
		{"getFilm", `"{\"film_id\": 1}"`, 400, "not a JSON object"},
		{"getFilm", `{"film_id": 1`, 400, "not a JSON object"},
		{"getFilm", `{"film_id": 1} {}`, 400, "not a JSON object"},
		{"getFilm", `{"film_id": 1,}`, 400, "not a JSON object"},
		{"getFilm", `{film_id: 1}`, 400, "not a JSON object"},
		{"getFilm", "{\"film_id\": \"\xff\"}", 400, "not a JSON object"},
		{"getFilm", `{"film_id": 1, "": "x"}`, 400, "without a name"},
		{"listCategories", ``, 200, ""},
		{"listCategories", `null`, 200, ""},
		{"listCategories", `{}`, 200, ""},
		{"listCategories", `{"q": "x"}`, 400, "no such query parameter"},
		{"listFilms", `{"rating": "PG"}`, 200, ""},
		{"listFilms", `{"rating": ["PG", null]}`, 200, ""},
		{"listFilms", `{"rating": []}`, 200, ""},
		{"listFilms", `{"length_max": "60"}`, 200, ""},
		{"listFilms", `{"rental_rate_min": 2.99}`, 200, ""},
		{"listFilms", `{"streaming_available": "true"}`, 200, ""},
		{"listFilms", `{"title": "a&b=c#d?e/f%20+"}`, 200, ""},
		{"listFilms", `{"title": "\u0000"}`, 400, "NUL"},
		{"listFilms", `{"q": 5}`, 200, ""},
		{"listActors", `{"q": "😀"}`, 200, ""},
		{"createRental", `{"customer_id": 1, "inventory_id": 1, "staff_id": 1}`, 404, "no such tool"},
		{"getRental", `{"customer_id": 1, "rental_id": 76}`, 404, "no such tool"},
		{"listCustomers", `{}`, 404, "no such tool"},
		{"getFilm", `{"film_id": 1, "If-None-Match": "*"}`, 400, "no such query parameter"},
		{"listPlans", ``, 200, "premium"},
		{"", `{}`, 404, "no such tool"},
		{"../films", `{}`, 404, "no such tool"},
	} {
		got, err := tools.Call(t.Context(), test.tool, json.RawMessage(test.arguments))
		if err != nil {
			t.Errorf("%s %s: %v", test.tool, test.arguments, err)
			continue
		}
		if got.Status != test.status || !bytes.Contains(got.Body, []byte(test.detail)) {
			t.Errorf("%s %s: status %d, want %d and %q: %.300s", test.tool, test.arguments, got.Status, test.status, test.detail, got.Body)
		}
	}
}

// A path parameter leads to no other operation.
func TestToolPaths(t *testing.T) {
	t.Parallel()
	a := start(t)
	tools := a.modelTools(t)
	for _, value := range []string{
		"1/inventory", "1/", "/1", "..", ".", "../healthz", "../../healthz", "1/../../healthz", "%2e%2e", "1%2Finventory", "1?x=1", "1#x",
		"{film_id}", "1;x", "1\\inventory", "", " ", "\n", "1\r\nX-Evil: 1", "::1",
	} {
		got, err := tools.Call(t.Context(), "getFilm", encoded(t, map[string]string{"film_id": value}))
		if err != nil {
			t.Fatal(err)
		}
		if p := decode[gen.Problem](t, &received{body: got.Body}); got.Status != 400 || !names(p, "film_id") {
			t.Errorf("film_id %q: status %d: %s", value, got.Status, got.Body)
		}
	}
}

// A call that fails because of the server is an error with the operation's own problem.
func TestToolFailures(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{InFlight: 1}))
	problem := func() gen.Problem {
		t.Helper()
		_, err := a.modelTools(t).Call(t.Context(), "getFilm", json.RawMessage(`{"film_id": 1}`))
		if err == nil {
			t.Fatal("there is no error")
		}
		return server.ProblemOf(err)
	}
	// The request of the model holds the one slot. The call of the tool takes it over.
	if _, err := a.modelTools(t).Call(t.Context(), "getFilm", json.RawMessage(`{"film_id": 1}`)); err != nil {
		t.Errorf("a call while the request holds a slot: %v", err)
	}
	a.inFlight(t, 0)

	client := a.mcpClient(t)
	a.breakTables(t)
	if p := problem(); p.Code != gen.ProblemCodeInternalError || p.Status != 500 {
		t.Errorf("with a broken table the problem is %+v", p)
	}
	if p := problemIn(t, callMCP(t, client, "getFilm", map[string]any{"film_id": 1})); p.Status != 500 || p.Instance != "/films/1" {
		t.Errorf("with a broken table the result is %+v", p)
	}
	a.inFlight(t, 0)
}

// A call belongs to the request that it is made for: the same request ID, trace and client, with a line of
// its own in the log.
func TestToolIdentity(t *testing.T) {
	t.Parallel()
	a := start(t)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	response := a.mcpCall(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"getFilm","arguments":{"film_id":5000000}}}`,
		"X-Request-ID", "the-request", "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01").want(t, 200)
	if !bytes.Contains(response.body, []byte(`\"request_id\":\"the-request\"`)) {
		t.Errorf("the result is %s", response.body)
	}
	line := a.log.line(t, "the-request")
	for _, want := range []string{`"operation":"mcp"`, `"path":"/mcp"`, `"status":200`, `"trace_id":"` + trace} {
		if !strings.Contains(line, want) {
			t.Errorf("the access line has no %s: %s", want, line)
		}
	}
	call := ""
	for each := range strings.Lines(a.log.String()) {
		if strings.Contains(each, `"msg":"tool call"`) {
			call = each
		}
	}
	for _, want := range []string{`"request_id":"the-request"`, `"operation":"getFilm"`, `"path":"/films/5000000"`, `"status":404`, `"trace_id":"` + trace} {
		if !strings.Contains(call, want) {
			t.Errorf("the line of the call has no %s: %s", want, call)
		}
	}
}

// A call ends with its request.
func TestToolCancellation(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{InFlight: 1}))
	lock, err := a.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback()
	if _, err := lock.ExecContext(t.Context(), `LOCK TABLE film IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(context.Context) error{
		"model": func(ctx context.Context) error {
			_, err := a.modelTools(t).Call(ctx, "getFilm", json.RawMessage(`{"film_id": 1}`))
			return err
		},
		"MCP": func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/mcp",
				strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"getFilm","arguments":{"film_id":1}}}`))
			if err != nil {
				return err
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/json, text/event-stream")
			response, err := a.Client().Do(r)
			if err == nil {
				response.Body.Close()
			}
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- call(ctx) }()
		a.inFlight(t, 1)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the error is %v", name, err)
		}
		a.inFlight(t, 0)
	}
}

// A result that is too long loses items at the end of its lists, and says so.
func TestCut(t *testing.T) {
	t.Parallel()
	films := func(n int, description string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"description":%q,"film_id":%d,"title":"T"}`, description, i+1)
		}
		return `{"items":[` + strings.TrimPrefix(b.String(), ",") + `],"next_cursor":"abc","total":12345678901234567890}`
	}
	for name, test := range map[string]struct {
		result  string
		kept    int
		leftOut map[string]int
	}{
		"short":       {films(3, "x"), 3, nil},
		"many":        {films(100, "x"), 21, map[string]int{"items": 79}},
		"long":        {films(1, strings.Repeat("é", 5000)), 1, nil},
		"both":        {films(50, strings.Repeat("é", 5000)), 12, map[string]int{"items": 38}},
		"large items": {`{"items":[[` + strings.Repeat(`"a",`, 2000) + `"a"]]}`, 0, map[string]int{"items": 1}},
	} {
		const longest = 1000
		got, err := server.Cut([]byte(test.result), longest)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var cut struct {
			Items      []json.RawMessage
			Total      json.Number
			NextCursor *string        `json:"next_cursor"`
			LeftOut    map[string]int `json:"left_out"`
		}
		if err := json.Unmarshal(got, &cut); err != nil || len(got) > longest || !utf8.Valid(got) {
			t.Errorf("%s: %d bytes, %v: %s", name, len(got), err, got)
		}
		if len(cut.Items) != test.kept || fmt.Sprint(cut.LeftOut) != fmt.Sprint(test.leftOut) {
			t.Errorf("%s: %d items, %v left out, want %d and %v", name, len(cut.Items), cut.LeftOut, test.kept, test.leftOut)
		}
		if cut.LeftOut != nil && cut.NextCursor != nil {
			t.Errorf("%s: the cursor skips the items that were left out", name)
		}
		if strings.Contains(test.result, "total") && cut.Total != "12345678901234567890" {
			t.Errorf("%s: the total is %s", name, cut.Total)
		}
	}
	if _, err := server.Cut([]byte(`[`+strings.Repeat("1,", 1000)+`1]`), 1000); err == nil {
		t.Error("a result that is not an object was cut")
	}
}

// The model gets no more than the stated size, and the number of all films.
func TestLongToolResult(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `UPDATE film SET description = repeat('€', 3000)`)
	got, err := a.modelTools(t).Call(t.Context(), "listFilms", json.RawMessage(`{"page_size": 100}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Body) > 8<<10 || !json.Valid(got.Body) || !bytes.Contains(got.Body, []byte(`"left_out":{"items":`)) {
		t.Errorf("%d bytes: %.200s", len(got.Body), got.Body)
	}
	if total := one[int64](t, a, `SELECT count(*) FROM film`); got.Total != total || len(got.Films) == 0 || len(got.Films) >= 100 {
		t.Errorf("%d films of %d, want fewer than 100 of %d", len(got.Films), got.Total, total)
	}
}

// A page of the usual size reaches the model whole.
func TestPageForModel(t *testing.T) {
	t.Parallel()
	a := start(t)
	tools := a.modelTools(t)
	for page := range 10 {
		got, err := tools.Call(t.Context(), "listFilms", encoded(t, map[string]int{"page": 1 + 5*page}))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Films) != 20 || len(got.Body) > 8<<10 {
			t.Errorf("page %d: %d films in %d bytes", 1+5*page, len(got.Films), len(got.Body))
		}
	}
}

// FuzzToolArguments calls tools with anything in place of arguments. What is refused is refused as the
// contract says, and nothing fails.
func FuzzToolArguments(f *testing.F) {
	a := start(f)
	tools := a.modelTools(f)
	list := tools.List()
	for i := range list {
		for _, seed := range []string{
			``, `{}`, `null`, `[]`, `{"film_id":1}`, `{"actor_id":"1"}`, `{"film_id":{}}`, `{"q":["a",{}]}`, `{"q":"\u0000"}`, `{"":null}`, `{"page":1e999}`,
			`{"film_id":"1/inventory"}`, `{"title":"\ud800"}`, `{"cursor":"e30","page":2}`, `{"category":["a","b"],"sort":"-title"}`, `{"q":"\"&|!:*"}`,
			`{"length_min":5,"length_max":4}`, `{"rental_rate_min":0.0000000001}`, `{`, `{"a"`, `{"a":`, `{"a":1,}`, `{"a":1}x`, "{\"\xff\":1}",
		} {
			f.Add(byte(i), []byte(seed))
		}
	}
	operations := contractTools(f)
	f.Fuzz(func(t *testing.T, i byte, arguments []byte) {
		tool := list[int(i)%len(list)]
		got, err := tools.Call(t.Context(), tool.Name, arguments)
		if err != nil {
			t.Fatalf("%s %q: %v", tool.Name, arguments, err)
		}
		if got.Status >= 500 || !operations[tool.Name].Documents(got.Status) || !json.Valid(got.Body) || len(got.Body) > server.MaxModelResult {
			t.Errorf("%s %q: status %d: %s", tool.Name, arguments, got.Status, got.Body)
		}
	})
}
