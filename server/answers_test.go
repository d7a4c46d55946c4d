package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
)

// Each operation without parameters of its own refuses one that it does not know, too.
func TestUnknownParameter(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, path := range []string{
		"/healthz", "/readyz", "/openapi.yaml", "/openapi.json", "/docs", "/docs/init.js", "/customers/1/rentals/1", "/films/1",
	} {
		a.get(t, path+"?nonsense=1", "Authorization", "Bearer "+token).wantProblem(t, 400, "invalid_request")
	}
}

// Each operation with a body refuses one that is too large, and one of another media type.
func TestBodyRefused(t *testing.T) {
	t.Parallel()
	a := start(t)
	large := strings.Repeat(" ", 2<<20)
	for path, mediaType := range map[string]string{
		"/customers/1/rentals": "application/json",
		"/ai/summary":          "application/json",
		"/ai/handoff":          "application/json",
		"/token":               "application/x-www-form-urlencoded",
	} {
		post := func(body, mediaType string) *answer {
			return a.call(t, http.MethodPost, path, body, "Authorization", "Bearer "+token, "Content-Type", mediaType)
		}
		post(large, mediaType).wantProblem(t, 413, "body_too_large")
		post("{}", "application/xml").wantProblem(t, 415, "unsupported_media_type")
	}
}

// A database that fails at what it is asked is a fault of each call that needs it.
func TestFaultOfEachOperation(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.breakFilm(t)
	rental := one[string](t, a, `SELECT customer_id || '/rentals/' || rental_id FROM rental LIMIT 1`)
	for _, answer := range []*answer{
		a.get(t, "/films"),
		a.get(t, "/films/1"),
		a.get(t, "/ai/ask?question=comedies"),
		a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`),
		a.call(t, http.MethodPost, "/ai/handoff", `{"question": "Do you have comedies?"}`),
		a.rent(t, "/customers/1/rentals", `{"inventory_id": 1, "staff_id": 1}`),
		a.get(t, "/customers/"+rental, "Authorization", "Bearer "+token),
	} {
		answer.wantProblem(t, 500, "internal_error")
	}
}

// A language model that is broken, away, silent or unwilling has a status for each, on a real
// socket, and the three calls that need it agree on which.
func TestBrokenUpstream(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		upstream http.HandlerFunc
		status   int
		code     gen.ProblemCode
	}{
		"a page of a proxy": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>Welcome</html>")
		}, 502, "llm_bad_response"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "{")
		}, 502, "llm_bad_response"},
		"a bad key": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
		}, 503, "llm_unavailable"},
		"silent": {func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, 504, "llm_timeout"},
		"unwilling": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":{"message":"filtered","type":"invalid_request_error","code":"content_filter"}}`)
		}, 422, "llm_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				// Until the body is read, net/http does not notice that the client has left.
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					t.Error(err)
				}
				tt.upstream(w, r)
			}))
			t.Cleanup(upstream.Close)
			timeout := time.Minute
			if tt.status == 504 {
				timeout = time.Second // it passes
			}
			a := start(t, withModel(newModel(t, loadContract(t), llm.Config{
				Provider: "openai", Model: "up-1", APIKey: "sk-test", BaseURL: upstream.URL + "/v1", Timeout: timeout,
			})))
			a.get(t, "/ai/ask?question=comedies").wantProblem(t, tt.status, tt.code)
			a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`).wantProblem(t, tt.status, tt.code)
			a.call(t, http.MethodPost, "/ai/handoff", `{"question": "Which film would you take to a picnic?"}`).wantProblem(t, tt.status, tt.code)
		})
	}
}

// Swagger UI's files of each media type are served as the contract has it.
func TestEachAsset(t *testing.T) {
	t.Parallel()
	a := start(t)
	for name, mediaType := range map[string]string{
		"swagger-ui.css": "text/css; charset=utf-8", "init.js": "text/javascript; charset=utf-8", "favicon-32x32.png": "image/png",
	} {
		if got := a.get(t, "/docs/"+name).want(t, 200).header.Get("Content-Type"); got != mediaType {
			t.Errorf("%s is %s, want %s", name, got, mediaType)
		}
	}
}

// A question without a character that can be seen is none. (Found by generated requests: the model
// was blamed for having no answer.)
func TestInvisibleQuestion(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, question := range []string{"\u0090\u0098", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2800", "\t\r\n", "\u00ad \u2060"} {
		a.get(t, "/ai/ask?question="+url.QueryEscape(question)).wantProblem(t, 400, "invalid_request")
	}
	for _, question := range []string{"?", "\u200bé", "電影", "🎬", "ב"} {
		a.get(t, "/ai/ask?question="+url.QueryEscape(question)).want(t, 200)
	}
}
