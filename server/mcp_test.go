package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// mcpCall posts a message to the endpoint for MCP clients.
func (a *testAPI) mcpCall(t *testing.T, message string, headers ...string) *received {
	t.Helper()
	return a.call(t, http.MethodPost, "/mcp", message, append([]string{"Accept", "application/json, text/event-stream"}, headers...)...)
}

// headers adds headers to each request.
type headers struct {
	http.Header
	next http.RoundTripper
}

func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range h.Header {
		r.Header[name] = values
	}
	return h.next.RoundTrip(r)
}

// mcpClient connects the official client to the server.
func (a *testAPI) mcpClient(tb testing.TB, pairs ...string) *mcp.ClientSession {
	tb.Helper()
	return connectMCP(tb, a.URL+"/mcp", pairs...)
}

func connectMCP(tb testing.TB, endpoint string, pairs ...string) *mcp.ClientSession {
	tb.Helper()
	header := http.Header{}
	for pair := range slices.Chunk(pairs, 2) {
		header.Set(pair[0], pair[1])
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(tb.Context(), &mcp.StreamableClientTransport{
		Endpoint: endpoint, MaxRetries: -1, HTTPClient: &http.Client{Transport: headers{header, http.DefaultTransport}},
	}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { session.Close() })
	return session
}

func (a *testAPI) mcpTools(tb testing.TB) []*mcp.Tool {
	tb.Helper()
	list, err := a.mcpClient(tb).ListTools(tb.Context(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return list.Tools
}

func callMCP(tb testing.TB, session *mcp.ClientSession, tool string, arguments any) *mcp.CallToolResult {
	tb.Helper()
	result, err := session.CallTool(tb.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		tb.Fatalf("%s %v: %v", tool, arguments, err)
	}
	return result
}

// textOf returns the text of a result.
func textOf(tb testing.TB, result *mcp.CallToolResult) string {
	tb.Helper()
	if len(result.Content) != 1 {
		tb.Fatalf("the result has %d parts", len(result.Content))
	}
	return result.Content[0].(*mcp.TextContent).Text
}

// problemIn returns the problem document of a call that was refused.
func problemIn(t *testing.T, result *mcp.CallToolResult) gen.Problem {
	t.Helper()
	if !result.IsError || result.StructuredContent != nil {
		t.Errorf("the result is no error: %.300s", textOf(t, result))
		return gen.Problem{}
	}
	return decode[gen.Problem](t, &received{body: []byte(textOf(t, result))})
}

// The server tells a client what it is, in each version of the protocol.
func TestMCPInitialize(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, version := range []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"} {
		response := a.mcpCall(t, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"`+version+
			`","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`).want(t, 200)
		var got struct{ Result mcp.InitializeResult }
		if err := json.Unmarshal(response.body, &got); err != nil {
			t.Fatal(err)
		}
		r := got.Result
		if r.ProtocolVersion != version || r.ServerInfo.Version != loadContract(t).Info.Version || r.Capabilities.Tools == nil || !strings.Contains(r.Instructions, "DVD") {
			t.Errorf("%s: %s", version, response.body)
		}
		if response.header.Get("Mcp-Session-Id") != "" {
			t.Errorf("%s: the server has sessions", version)
		}
	}
}

// A tool reads, adds something, or changes what is there. All may be called again: those that write then say what
// they found.
func TestMCPAnnotations(t *testing.T) {
	t.Parallel()
	a := start(t)
	operations := contractTools(t)
	writing := map[string]bool{"createRental": false, "createSubscription": false, "returnRental": true, "cancelSubscription": true, "updateFilm": true}
	for _, tool := range a.mcpTools(t) {
		op, hints := operations[tool.Name], tool.Annotations
		destructive, writes := writing[tool.Name]
		if hints.ReadOnlyHint == writes || *hints.DestructiveHint != destructive || !hints.IdempotentHint || *hints.OpenWorldHint || tool.Title != op.Spec().Summary {
			t.Errorf("%s: %+v", tool.Name, hints)
		}
		delete(writing, tool.Name)
	}
	if len(writing) > 0 {
		t.Errorf("there are no tools %v", writing)
	}
}

// The token of the request is that of the call. Without it the call is refused, and not the request.
func TestMCPToken(t *testing.T) {
	t.Parallel()
	a := start(t)
	copyID := copyInStock(t, a)
	arguments := map[string]any{"customer_id": 1, "inventory_id": copyID, "staff_id": 1}
	for credentials, code := range map[string]gen.ProblemCode{"": gen.ProblemCodeMissingToken, "Bearer wrong": gen.ProblemCodeInvalidToken} {
		var pairs []string
		if credentials != "" {
			pairs = []string{"Authorization", credentials}
		}
		if p := problemIn(t, callMCP(t, a.mcpClient(t, pairs...), "createRental", arguments)); p.Status != 401 || p.Code != code {
			t.Errorf("with the credentials %q: %+v", credentials, p)
		}
	}
	if out := one[bool](t, a, `SELECT EXISTS (SELECT FROM rental WHERE inventory_id = ? AND return_date IS NULL)`, copyID); out {
		t.Error("a call without a token rented the copy out")
	}
	session := a.mcpClient(t, "Authorization", "Bearer "+token)
	rental := decode[gen.Rental](t, &received{body: []byte(textOf(t, callMCP(t, session, "createRental", arguments)))})
	if rental.InventoryID != copyID || !one[bool](t, a, `SELECT EXISTS (SELECT FROM rental WHERE rental_id = ? AND inventory_id = ?)`, rental.RentalID, copyID) {
		t.Errorf("the rental is %+v", rental)
	}
	if p := problemIn(t, callMCP(t, session, "createRental", arguments)); p.Status != 409 || p.Code != gen.ProblemCodeAlreadyRentedByCustomer || p.Rental.RentalID != rental.RentalID {
		t.Errorf("the second rental: %+v", p)
	}
}

// Pages may use the endpoint only from the server's own origin and those that the operator allows.
func TestMCPOrigin(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	with := func(origins, proxies string) option {
		return func(d *server.Deps) { d.Origins, d.TrustedProxies = strings.Fields(origins), strings.Fields(proxies) }
	}
	for _, test := range []struct {
		origins, proxies string // settings
		host, origin     string // HOST is the address of the server
		allowed          bool
	}{
		{"", "", "HOST", "", true},
		{"", "", "evil.example", "", true}, // no browser sends this
		{"", "", "HOST", "http://HOST", true},
		{"", "", "localhost:8080", "http://localhost:8080", true},
		{"", "", "Localhost:8080", "http://localhost:8080", true},
		{"", "", "[::1]:8080", "http://[::1]:8080", true},
		{"", "", "localhost:8080", "http://localhost:9090", false},
		{"", "", "HOST", "http://localhost", false},
		{"", "", "HOST", "null", false},
		{"", "", "HOST", "http://evil.example", false},
		{"", "", "evil.example", "http://evil.example", false},
		{"", "", "localhost.evil.example", "http://localhost.evil.example", false},
		{"", "", "HOST", "HOST", false},
		{"", "", "", "", true},
		{"", "", "HOST", "http://", false},
		{"", "", "HOST", "%", false},
		{"", "127.0.0.0/8", "api.example.com", "https://api.example.com", true}, // a proxy has checked the name
		{"", "127.0.0.0/8", "api.example.com", "https://evil.example", false},
		{"", "192.0.2.0/24", "api.example.com", "https://api.example.com", false},
		{"https://app.example.com", "", "HOST", "https://app.example.com", true},
		{"https://app.example.com", "", "HOST", "https://app.example.com.evil.example", false},
		{"https://app.example.com", "", "HOST", "http://app.example.com", false},
		{"*", "", "HOST", "https://anything.example", true},
	} {
		a := startOn(t, url, with(test.origins, test.proxies))
		address := strings.TrimPrefix(a.URL, "http://")
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = strings.ReplaceAll(test.host, "HOST", address)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if test.origin != "" {
			r.Header.Set("Origin", strings.ReplaceAll(test.origin, "HOST", address))
		}
		got := a.do(t, r)
		switch {
		case test.allowed && got.status != 200 || !test.allowed && got.status != 403:
			t.Errorf("%+v: status %d", test, got.status)
		case !test.allowed:
			got.wantProblem(t, 403, gen.ProblemCodeOriginNotAllowed)
		}
	}
	a := startOn(t, url)
	a.mcpCall(t, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Origin", a.URL, "Origin", a.URL).wantProblem(t, 403, gen.ProblemCodeOriginNotAllowed)
}

// Limits and other middleware hold for the endpoint. What is wrong before the protocol begins has a problem
// document.
func TestMCPRequests(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodPut, http.MethodPatch} {
		got := a.call(t, method, "/mcp", "").want(t, 405)
		if got.header.Get("Allow") != http.MethodPost {
			t.Errorf("%s: Allow is %q", method, got.header.Get("Allow"))
		}
		if method != http.MethodHead {
			got.wantProblem(t, 405, gen.ProblemCodeMethodNotAllowed)
		}
	}
	a.mcpCall(t, `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"`+strings.Repeat("x", 1<<20)+`"}}`).wantProblem(t, 413, gen.ProblemCodeBodyTooLarge)
	for _, test := range []struct {
		message string
		headers []string
		status  int
		want    string
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"ping"}`, nil, 200, `"result":{}`},
		{`{"jsonrpc":"2.0","id":1,"method":"ping","made_up":1}`, nil, 200, `"result":{}`},
		{`{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"made_up"}}`, nil, 200, `"code":-32602`},
		{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil, 202, ""},
		{`{"jsonrpc":"2.0","id":1,"method":"ping"}`, []string{"MCP-Protocol-Version", "2020-01-01"}, 400, "protocol version"},
		{`{"jsonrpc":"2.0","id":1,"method":"ping"}`, []string{"Mcp-Session-Id", "made up"}, 200, `"result":{}`},
		{`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, []string{"MCP-Protocol-Version", "2025-11-25"}, 400, "batch"},
		{batch(20), nil, 200, `"id":20`},
		{batch(21), nil, 400, `"code":"invalid_request"`},
		// It would otherwise wait for changes of the list of tools, which there are none of.
		{`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{` +
			`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`,
			[]string{"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen"}, 200, "acknowledged"},
	} {
		if got := a.mcpCall(t, test.message, test.headers...); got.status != test.status || !strings.Contains(string(got.body), test.want) {
			t.Errorf("%s %q: status %d, want %d and %q: %s", test.message, test.headers, got.status, test.status, test.want, got.body)
		}
	}
}

// What is wrong with a request before it is one of the protocol has a problem document, which does not repeat
// the request. The status is that of the protocol.
func TestMCPTransportErrors(t *testing.T) {
	t.Parallel()
	a := start(t)
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for _, test := range []struct {
		message string
		headers []string
		status  int
		code    gen.ProblemCode
	}{
		{`{"se<b>cret`, nil, 400, gen.ProblemCodeInvalidRequest},
		{`[1, "se<b>cret"`, nil, 400, gen.ProblemCodeInvalidRequest},
		{`"se<b>cret"`, nil, 400, gen.ProblemCodeInvalidRequest},
		{`{"jsonrpc":"se<b>cret","id":1,"method":"ping"}`, nil, 400, gen.ProblemCodeInvalidRequest},
		{`{"se<b>cret":1}`, nil, 400, gen.ProblemCodeInvalidRequest},
		{`null`, nil, 400, gen.ProblemCodeInvalidRequest},
		{``, []string{"Content-Type", "application/json"}, 400, gen.ProblemCodeInvalidRequest},
		{`[]`, nil, 400, gen.ProblemCodeInvalidRequest},
		{`[1]`, nil, 400, gen.ProblemCodeInvalidRequest},
		{`{"jsonrpc":"2.0","id":1,"method":"made/up"}`, nil, 400, gen.ProblemCodeInvalidRequest},
		{`{"jsonrpc":"2.0","method":"tools/list"}`, nil, 400, gen.ProblemCodeInvalidRequest},
		{ping, []string{"Content-Type", "text/plain"}, 415, gen.ProblemCodeUnsupportedMediaType},
		{ping, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, gen.ProblemCodeUnsupportedMediaType},
		{ping, []string{"MCP-Protocol-Version", "2020-01-01"}, 400, gen.ProblemCodeInvalidRequest},
		{ping, []string{"Last-Event-ID", "1"}, 400, gen.ProblemCodeInvalidRequest},
		{"[" + ping + "]", []string{"MCP-Protocol-Version", "2025-11-25"}, 400, gen.ProblemCodeInvalidRequest},
	} {
		got := a.mcpCall(t, test.message, test.headers...)
		p := got.wantProblem(t, test.status, test.code)
		if strings.Contains(string(got.body), "cret") || p.Instance != "/mcp" || got.status == 400 && len(p.Errors) != 1 {
			t.Errorf("%s %q: %s", test.message, test.headers, got.body)
		}
	}
	a.call(t, http.MethodPost, "/mcp", ping).wantProblem(t, 400, gen.ProblemCodeInvalidRequest) // without Accept
}

// batch is a batch of pings.
func batch(size int) string {
	messages := make([]string, size)
	for i := range messages {
		messages[i] = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, i+1)
	}
	return "[" + strings.Join(messages, ",") + "]"
}

// The endpoint works behind a prefix that a proxy strips.
func TestMCPBehindPrefix(t *testing.T) {
	t.Parallel()
	a := start(t)
	session := connectMCP(t, a.proxied(t, "/pagila")+"/mcp")
	film := decode[gen.FilmDetail](t, &received{body: []byte(textOf(t, callMCP(t, session, "getFilm", map[string]any{"film_id": 1})))})
	if want := one[string](t, a, `SELECT title FROM film WHERE film_id = 1`); film.Title != want {
		t.Errorf("film 1 is %q, want %q", film.Title, want)
	}
}

// A page behind a trusted proxy is one of the server's own origin, if the proxy keeps the name.
func TestMCPBehindProxy(t *testing.T) {
	t.Parallel()
	a := start(t, func(d *server.Deps) { d.TrustedProxies = []string{"127.0.0.1", "::1"} })
	target, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = "api.example.com"
		r.SetXForwarded()
	}})
	t.Cleanup(proxy.Close)
	session := connectMCP(t, proxy.URL+"/mcp", "Origin", "https://api.example.com")
	if result := callMCP(t, session, "listStores", nil); result.IsError {
		t.Errorf("the result is %s", textOf(t, result))
	}
}

// Before the database is ready, a client can connect, and a call says that the server is starting.
func TestMCPStarting(t *testing.T) {
	t.Parallel()
	a := start(t, func(d *server.Deps) { d.Store = nil })
	if p := problemIn(t, callMCP(t, a.mcpClient(t), "listFilms", nil)); p.Status != 503 || p.Code != gen.ProblemCodeNotReady {
		t.Errorf("the result is %+v", p)
	}
}

// Many calls at the same time do not disturb each other.
func TestMCPConcurrent(t *testing.T) {
	t.Parallel()
	a := start(t)
	failed := make(chan string, 40)
	session := a.mcpClient(t)
	for i := range cap(failed) {
		go func() {
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "getFilm", Arguments: map[string]any{"film_id": i + 1}})
			if err != nil || !strings.Contains(textOf(t, result), fmt.Sprintf(`"film_id":%d,`, i+1)) {
				failed <- fmt.Sprintf("film %d: %v %+v", i+1, err, result)
				return
			}
			failed <- ""
		}()
	}
	for range cap(failed) {
		if message := <-failed; message != "" {
			t.Error(message)
		}
	}
}

// panicking is a store whose code has a fault.
type panicking struct{ server.Store }

func (panicking) Film(context.Context, int32) (store.FilmDetail, error) { panic("a fault") }

// A panic in a call is a failure of the call alone. The SDK calls tools outside of the goroutine whose panics
// net/http recovers.
func TestMCPPanic(t *testing.T) {
	t.Parallel()
	a := start(t, func(d *server.Deps) { d.Store = panicking{d.Store} })
	if p := problemIn(t, callMCP(t, a.mcpClient(t), "getFilm", map[string]any{"film_id": 1})); p.Status != 500 {
		t.Errorf("the result is %+v", p)
	}
}
