package conformance_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/pagila-api/api"
	"example.com/pagila-api/server/internal/conformance"
)

// A response that deviates from the contract in any of its parts is reported.
func TestCheckResponses(t *testing.T) {
	t.Parallel()
	const (
		film    = `{"film_id":1,"title":"X","language":"English","rental_duration":3,"special_features":[],"streaming_available":false`
		problem = `{"type":"about:blank","title":"Not Found","status":404,"detail":"d","instance":"/x","code":"not_found","request_id":"1"}`
	)
	page := func(items string) string { return `{"page":1,"page_size":20,"total":1,"items":[` + items + `]}` }
	for name, tt := range map[string]struct {
		method, target, contentType string
		status                      int
		body                        string
		header                      string // more, separated by spaces
		want                        string // in the error; "" for none
	}{
		"as documented":                {"GET", "/films", "application/json", 200, page(film + `}`), "", ""},
		"a status":                     {"GET", "/films", "application/json", 418, page(film + `}`), "", "status"},
		"a media type":                 {"GET", "/films", "text/plain", 200, page(film + `}`), "", "Content-Type"},
		"a header":                     {"GET", "/films", "application/json", 200, page(film + `}`), "X-Secret", "X-Secret"},
		"all headers":                  {"GET", "/films", "application/json", 200, page(film + `}`), "X-B X-A", "X-A, X-B"},
		"a member in an array":         {"GET", "/films", "application/json", 200, page(film + `,"cost":1}`), "", "#/items/0/cost"},
		"a member of the wrong type":   {"GET", "/films", "application/json", 200, page(strings.Replace(film, `"X"`, "7", 1) + `}`), "", "title"},
		"a missing member":             {"GET", "/films", "application/json", 200, `{"page":1,"page_size":20,"total":1}`, "", "items"},
		"a member twice":               {"GET", "/films", "application/json", 200, page(film + `,"title":"Y"}`), "", "more than once"},
		"a body that is not UTF-8":     {"GET", "/films", "application/json", 200, page(strings.Replace(film, "X", "\xff", 1) + `}`), "", "UTF-8"},
		"no operation":                 {"GET", "/nowhere", "application/problem+json", 404, problem, "", ""},
		"no operation, but a success":  {"GET", "/nowhere", "application/json", 200, "{}", "", "no operation"},
		"no operation, and no problem": {"GET", "/nowhere", "text/html", 404, "<html>", "", "media type"},
		"an unknown member of a problem": {"GET", "/nowhere", "application/problem+json", 404,
			strings.Replace(problem, "{", `{"stack":"x",`, 1), "", "#/stack"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := check(t, httptest.NewRequestWithContext(t.Context(), tt.method, tt.target, nil), func(w http.ResponseWriter, _ *http.Request) {
				for _, documented := range []string{"X-Request-Id", "Traceparent", "Cache-Control"} {
					w.Header().Set(documented, "no-store")
				}
				w.Header().Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
				w.Header().Set("Content-Type", tt.contentType)
				for header := range strings.FieldsSeq(tt.header) {
					w.Header().Set(header, "x")
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			})
			switch {
			case tt.want == "" && got.Err != nil:
				t.Errorf("the error is %v", got.Err)
			case tt.want != "" && (got.Err == nil || !strings.Contains(got.Err.Error(), tt.want)):
				t.Errorf("the error is %v, want one with %q", got.Err, tt.want)
			}
		})
	}
}

// A client that has received the whole response may disconnect before the handler has ended.
func TestCheckResponseOfClientThatLeft(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	got := check(t, httptest.NewRequestWithContext(ctx, http.MethodGet, "/nowhere", nil), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("{}"))
		leave()
	})
	if got.Status != http.StatusTeapot || got.Err == nil {
		t.Errorf("the response %d is reported, with the error %v", got.Status, got.Err)
	}
}

// check returns what CheckResponses reports for the handler's response.
func check(t *testing.T, r *http.Request, handler http.HandlerFunc) conformance.Response {
	t.Helper()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var reported []conformance.Response
	checked, err := conformance.CheckResponses(doc, handler, func(got conformance.Response) { reported = append(reported, got) })
	if err != nil {
		t.Fatal(err)
	}
	checked.ServeHTTP(httptest.NewRecorder(), r)
	if len(reported) != 1 {
		t.Fatalf("%d responses are reported, want 1", len(reported))
	}
	return reported[0]
}

// A stream has the event sources, then deltas, and then one event that ends it.
func TestCheckEvents(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const (
		tool    = "id: 0\nevent: tool\ndata: {\"arguments\":{\"q\":\"a\"},\"duration_ms\":1,\"films\":1,\"name\":\"listFilms\",\"status\":200}\n\n"
		sources = "id: 1\nevent: sources\ndata: {\"films\":[],\"total\":0}\n\n"
		delta   = "id: 2\nevent: delta\ndata: {\"text\":\"a\"}\n\n"
		done    = "id: 3\nevent: done\ndata: {\"finish_reason\":\"stop\",\"model\":\"m\",\"usage\":{\"completion_tokens\":1,\"prompt_tokens\":1}}\n\n"
	)
	for name, tt := range map[string]struct{ stream, want string }{
		"complete":           {sources + ": keep-alive\n\n" + delta + done, ""},
		"cut":                {strings.TrimSuffix(sources+delta+done, "\n"), "does not end"},
		"a call of a tool":   {strings.Replace(tool, "id: 0", "id: 1", 1) + strings.NewReplacer("id: 3", "id: 4", "id: 2", "id: 3", "id: 1", "id: 2").Replace(sources+delta+done), ""},
		"a late call":        {sources + strings.Replace(tool, "id: 0", "id: 2", 1), `"tool" comes after "sources"`},
		"no end":             {sources + delta, `ends with the event "delta"`},
		"no sources":         {strings.Replace(delta+done, "id: 2", "id: 1", 1), `"delta" comes after ""`},
		"a wrong ID":         {sources + done, "not event 2"},
		"an unknown event":   {strings.Replace(sources+delta+done, "event: delta", "event: ping", 1), `"ping"`},
		"no data":            {strings.Replace(sources+delta+done, "data: {\"text\":\"a\"}", ": x", 1), "no data"},
		"an unknown member":  {strings.Replace(sources+delta+done, `{"text":"a"`, `{"text":"a","more":1`, 1), "#/more"},
		"a missing member":   {strings.Replace(sources+delta+done, `"text":"a"`, "", 1), "text"},
		"something after it": {sources + strings.Replace(done, "id: 3", "id: 2", 1) + strings.Replace(delta, "id: 2", "id: 3", 1), `"done" comes after "sources"`},
	} {
		if err := conformance.CheckEvents(doc, tt.stream); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: the error is %v, want %q", name, err, tt.want)
		}
	}
}
