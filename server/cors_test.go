package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
)

const origin = "https://app.example.com"

func withOrigins(origins ...string) option { return func(d *server.Deps) { d.Origins = origins } }

// list returns the values of a header that is a list, from all its lines.
func (r *received) list(name string) []string {
	var values []string
	for _, line := range r.header.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			values = append(values, strings.TrimSpace(part))
		}
	}
	return values
}

// wantCORS checks that pages of this origin may read the response. If it is "", no page may.
func (r *received) wantCORS(t *testing.T, origin string) {
	t.Helper()
	if got := r.header.Get("Access-Control-Allow-Origin"); got != origin {
		t.Errorf("status %d: Access-Control-Allow-Origin is %q, want %q", r.status, got, origin)
	}
	if r.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("credentials are allowed")
	}
	if !slices.Contains(r.list("Vary"), "Origin") {
		t.Errorf("status %d: Vary is %v", r.status, r.header.Values("Vary"))
	}
}

// Unless an operator allows origins, no response has CORS headers, and OPTIONS is not allowed.
func TestNoCORS(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, response := range []*received{
		a.get(t, "/films", "Origin", origin),
		a.get(t, "/nowhere", "Origin", origin),
		a.call(t, http.MethodOptions, "/films", "", "Origin", origin, "Access-Control-Request-Method", "GET").want(t, 405),
	} {
		for name := range response.header {
			if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
				t.Errorf("status %d: there is a header %s", response.status, name)
			}
		}
	}
}

// A browser sends a preflight request before each request that a page could not send by a form. All requests
// of the API are allowed, for pages of the allowed origins only.
func TestPreflight(t *testing.T) {
	t.Parallel()
	a := start(t, withOrigins("http://localhost:5173", origin), func(d *server.Deps) { d.Limits = server.Limits{PerMinute: 1} })
	const headers = "accept,authorization,content-type,if-match,if-none-match,last-event-id,traceparent,tracestate,x-request-id"
	ask := func(path, method, from, id string) *received {
		return a.call(t, http.MethodOptions, path, "", "Origin", from, "Access-Control-Request-Method", method,
			"Access-Control-Request-Headers", headers, "X-Request-ID", id)
	}
	for _, op := range contract.Operations(loadContract(t)) {
		response := ask(op.Path, op.Method, origin, op.ID).want(t, 204)
		response.wantCORS(t, origin)
		if got := response.header.Get("Access-Control-Allow-Methods"); got != op.Method {
			t.Errorf("%s: the methods are %q", op.Path, got)
		}
		if got := response.header.Get("Access-Control-Allow-Headers"); got != headers {
			t.Errorf("%s: the headers are %q", op.Path, got)
		}
		if got := response.header.Get("Access-Control-Max-Age"); got != "7200" {
			t.Errorf("%s: the age is %q", op.Path, got)
		}
		if line := a.log.line(t, op.ID); !strings.Contains(line, `"status":204`) || !strings.Contains(line, `"method":"OPTIONS"`) {
			t.Errorf("the access line is %s", line)
		}
	}
	ask("/films", http.MethodHead, "http://localhost:5173", "head").want(t, 204).wantCORS(t, "http://localhost:5173")
	ask("/nowhere", http.MethodGet, origin, "nowhere").want(t, 204).wantCORS(t, origin)
	// No browser sends the headers in this order and case, but people do.
	a.call(t, http.MethodOptions, "/token", "", "Origin", origin, "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "X-Own, Content-Type, Authorization").want(t, 204).wantCORS(t, origin)

	for _, from := range []string{
		"https://evil.example.com", "http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil.org",
		"null", "http://localhost:5174", "https://app.example.com/",
	} {
		response := ask("/films", http.MethodGet, from, "evil").want(t, 204)
		response.wantCORS(t, "")
		for name := range response.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s gets the header %s", from, name)
			}
		}
		a.get(t, "/films?page_size=1", "Origin", from).want(t, 200).wantCORS(t, "")
	}
	// OPTIONS alone is not a preflight request.
	a.call(t, http.MethodOptions, "/films", "", "Origin", origin).want(t, 405).wantCORS(t, origin)
	// None of them counted as a question to the model.
	a.get(t, "/ai/ask?question=comedies", "Origin", origin).want(t, 200)
	a.get(t, "/ai/ask?question=comedies", "Origin", origin).want(t, 429).wantCORS(t, origin)
}

// A page can read every response with all headers of the contract, including responses that belong to no
// operation.
func TestCORS(t *testing.T) {
	t.Parallel()
	a := start(t, withOrigins(origin), func(d *server.Deps) { d.Limits = server.Limits{InFlight: 1} })
	server.Unpace(a.server)
	large := strings.Repeat(" ", 2<<20)
	responses := map[string]*received{
		"200": a.get(t, "/films", "Origin", origin).want(t, 200),
		"201": a.call(t, http.MethodPost, "/customers/1/rentals", fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, copyInStock(t, a)),
			"Origin", origin, "Authorization", "Bearer "+token).want(t, 201),
		"204": a.get(t, "/ai/ask?question=x", "Origin", origin, "Last-Event-ID", "3").want(t, 204),
		"304": a.get(t, "/films/1", "Origin", origin, "If-None-Match", "*").want(t, 304),
		"400": a.get(t, "/films?page=0", "Origin", origin).want(t, 400),
		"401": a.get(t, "/customers/1/rentals/1", "Origin", origin).want(t, 401),
		"404": a.get(t, "/nowhere", "Origin", origin).want(t, 404),
		"405": a.call(t, http.MethodPut, "/films", "{}", "Origin", origin).want(t, 405),
		"412": a.call(t, http.MethodPatch, "/films/1", `{"streaming_available": true}`, "Origin", origin, "Authorization", "Bearer "+token, "If-Match", `"x"`).want(t, 412),
		"413": a.call(t, http.MethodPost, "/ai/summary", large, "Origin", origin).want(t, 413),
		"415": a.call(t, http.MethodPost, "/ai/summary", "{}", "Origin", origin, "Content-Encoding", "gzip").want(t, 415),
	}
	server.Fill(a.server)
	responses["503, busy"] = a.get(t, "/films", "Origin", origin).want(t, 503)
	server.Free(a.server)
	starting := start(t, withOrigins(origin), func(d *server.Deps) { d.Store = nil })
	responses["503, starting"] = starting.get(t, "/films", "Origin", origin).want(t, 503)

	for name, response := range responses {
		t.Run(name, func(t *testing.T) {
			response.wantCORS(t, origin)
			exposed := response.list("Access-Control-Expose-Headers")
			if !slices.Contains(exposed, "Allow") { // a 405 refers to it
				t.Error("Allow is not exposed")
			}
			for _, op := range contract.Operations(loadContract(t)) {
				for _, response := range op.Spec().Responses.Map() {
					for header := range response.Value.Headers {
						readable := header != "Set-Cookie" // by a page
						if slices.Contains(exposed, http.CanonicalHeaderKey(header)) != readable {
							t.Errorf("%s is exposed: %t", header, !readable)
						}
					}
				}
			}
		})
	}
	// No browser sends two. A proxy that adds one must not vouch for the other.
	two := a.get(t, "/films", "Origin", origin, "Origin", "https://evil.example").want(t, 200)
	if got := two.header.Values("Access-Control-Allow-Origin"); len(got) > 0 {
		t.Errorf("with two origins, %v are allowed", got)
	}
	// A cache has to distinguish responses by both headers.
	ask := a.get(t, "/ai/ask?question=comedies", "Origin", origin).want(t, 200)
	ask.wantCORS(t, origin)
	if !slices.Contains(ask.list("Vary"), "Accept") {
		t.Errorf("Vary is %v", ask.header.Values("Vary"))
	}
	// A cacheable file that is requested without an origin is not allowed for all origins.
	a.get(t, "/docs/swagger-ui.css").want(t, 200).wantCORS(t, "")
}

// With * any page may use the API. The header is *, so that a cache can serve the response to all.
func TestCORSForAll(t *testing.T) {
	t.Parallel()
	a := start(t, withOrigins("*"))
	for _, from := range []string{origin, "null", "http://192.0.2.1:8000"} {
		a.get(t, "/films?page_size=1", "Origin", from).want(t, 200).wantCORS(t, "*")
	}
}

func TestParseOrigin(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"https://app.example.com":        "https://app.example.com",
		" HTTPS://App.Example.COM:8443 ": "https://app.example.com:8443",
		"https://app.example.com:443":    "https://app.example.com", // browsers omit it
		"http://localhost:80":            "http://localhost",
		"http://[::1]:5173":              "http://[::1]:5173",
		"https://xn--bcher-kva.example":  "https://xn--bcher-kva.example",
		"capacitor://localhost":          "capacitor://localhost",
		"*":                              "*",
	} {
		if got, err := server.ParseOrigin(entry); err != nil || got != want {
			t.Errorf("%q is parsed as %q, %v", entry, got, err)
		}
	}
	for entry, reason := range map[string]string{
		"":                          "is not an origin",
		"app.example.com":           "is not an origin",
		"localhost:5173":            "is not an origin",
		"//app.example.com":         "is not an origin",
		"https://":                  "is not an origin",
		"https://app.example.com/":  "ends with a slash",
		"https://app.example.com/x": "more than an origin",
		"https://app.example.com?x": "more than an origin",
		"https://app.example.com?":  "more than an origin",
		"https://a@app.example.com": "more than an origin",
		"https://app.example.com#x": "more than an origin",
		"https://*.example.com":     "wildcard",
		"https://app.example.com:":  "host or port",
		"http://localhost:0":        "host or port",
		"http://localhost:65536":    "host or port",
		"https://bücher.example":    "host or port",
		"null":                      "sandboxed",
		"https://a.example;https":   "host or port",
	} {
		if _, err := server.ParseOrigin(entry); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: the error is %v, want one with %q", entry, err, reason)
		}
	}
	_, err := server.New(server.Deps{Contract: loadContract(t), Model: &llm.Client{}, Origins: []string{"null"}})
	if err == nil {
		t.Error("New accepts an invalid origin")
	}
}

// copyInStock returns a copy that can be rented.
func copyInStock(t *testing.T, a *testAPI) int32 {
	t.Helper()
	return one[int32](t, a, `SELECT inventory_id FROM inventory i
		WHERE NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL) LIMIT 1`)
}
