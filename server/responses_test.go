package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/server/internal/contract"
)

// Operations reject query parameters that they do not know. Probes and documentation ignore what load
// balancers, caches and links add.
func TestUnknownParameter(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials)
	queries := []string{"_=1", "utm_source=x", "verbose", "%zz", "a;b"}
	for _, r := range exampleRequests(t, documents(400)) {
		for _, query := range queries {
			r.rawQuery = query
			r.send(t, a).wantProblem(t, 400, "invalid_request")
		}
	}
	ignores := func(op *contract.Operation) bool { return !op.Documents(400) }
	for _, r := range exampleRequests(t, ignores) {
		for _, query := range append(queries, "exclude=a&exclude=b", "v=", "%ff", "%00=1", "=", "%") {
			r.rawQuery = query
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				var got *received
				eventually(t, r.target()+" is served", func() bool {
					got = r.sendAs(t, a, method)
					return r.ID != "getReadiness" || got.status != http.StatusServiceUnavailable // on a busy machine
				})
				got.want(t, 200)
			}
		}
	}
}

// A problem has at most a hundred errors, and they are always the same ones.
func TestManyInputErrors(t *testing.T) {
	t.Parallel()
	a := start(t)
	query, members := url.Values{}, map[string]int{}
	for i := range 3000 {
		query.Set(fmt.Sprintf("p%04d", i), "")
		members[fmt.Sprintf("p%04d", i)] = i
	}
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	inQuery := a.get(t, "/films?"+query.Encode()).wantProblem(t, 400, "invalid_request")
	inBody := a.call(t, http.MethodPost, "/ai/summary", string(body)).wantProblem(t, 400, "invalid_request")
	if len(inQuery.Errors) != 100 || len(inBody.Errors) != 100 {
		t.Fatalf("the problems have %d and %d errors", len(inQuery.Errors), len(inBody.Errors))
	}
	for i, e := range inQuery.Errors {
		if want := fmt.Sprintf("p%04d", i); *e.Parameter != want {
			t.Fatalf("error %d is about %s, want %s", i, *e.Parameter, want)
		}
	}
	again := a.call(t, http.MethodPost, "/ai/summary", string(body)).wantProblem(t, 400, "invalid_request")
	if !reflect.DeepEqual(inBody.Errors, again.Errors) {
		t.Errorf("the same body causes the errors %v and %v", inBody.Errors, again.Errors)
	}
}

// Each operation with a body rejects a compressed one before it reads it. The response says what to send
// instead (RFC 9110, section 15.5.16).
func TestContentEncoding(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials)
	for _, r := range exampleRequests(t, hasBody) {
		post := func(body, coding string) *received {
			r := r.with("Content-Encoding", coding)
			r.body = body
			return r.send(t, a)
		}
		for _, coding := range []string{"gzip", "GZip", "br", "deflate", "zstd", "x-unknown", "identity, gzip", "gzip, gzip", "a b"} {
			got := post("\x1f\x8b\x08", coding)
			p := got.wantProblem(t, 415, "unsupported_media_type")
			if accepted := got.header.Get("Accept-Encoding"); accepted != "identity" || !strings.Contains(p.Detail, "compressed") {
				t.Errorf("%s, %s: Accept-Encoding is %q, the detail %q", r.ID, coding, accepted, p.Detail)
			}
		}
		for _, coding := range []string{"", "identity", "Identity", "identity, , identity"} {
			post("{", coding).wantProblem(t, 400, "invalid_request")
		}
		post("", "gzip").wantProblem(t, 400, "invalid_request") // an empty body is not compressed
		if r.Secured {
			r.anonymous = true
			post("{}", "gzip").wantProblem(t, 401, "missing_token")
		}
	}
	a.get(t, "/films", "Content-Encoding", "gzip").want(t, 200)
}

// The response does not wait for the body: a client that sends Expect: 100-continue is told not to send it.
func TestContentEncodingBeforeBody(t *testing.T) {
	t.Parallel()
	a := start(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", a.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /ai/summary HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Encoding: br\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 415 {
		t.Errorf("status %d", response.StatusCode)
	}
}

// The parameters of a body's media type have no meaning, so no form of them is an error. A media type that the
// operation does not accept is a 415, never an error in the body.
func TestMediaTypeParameters(t *testing.T) {
	t.Parallel()
	a := start(t)
	for mediaType, body := range map[string]string{
		"application/json":                  `{"film_id": 1}`,
		"application/x-www-form-urlencoded": "grant_type=password&username=somebody&password=secret",
	} {
		path := "/ai/summary"
		if strings.Contains(mediaType, "form") {
			path = "/token"
		}
		for _, sent := range []string{
			mediaType, mediaType + ";", mediaType + "; ;", mediaType + "; charset", mediaType + ";charset=", mediaType + "; charset=utf-8",
			mediaType + `; charset="UTF-8"`, mediaType + `;charset="utf-8`, mediaType + "; charset=utf-8; charset=utf-8", mediaType + " ; a=b;=",
			strings.ToUpper(mediaType) + "; CHARSET=UTF-8", "\t" + mediaType + " ",
		} {
			a.call(t, http.MethodPost, path, body, "Content-Type", sent).want(t, 200)
		}
		for _, sent := range []string{
			";", "; charset=utf-8", mediaType + " charset=utf-8", mediaType + ", " + mediaType, `"` + mediaType + `"`, mediaType + "/x", "*/*", "application/*",
		} {
			a.call(t, http.MethodPost, path, body, "Content-Type", sent).wantProblem(t, 415, "unsupported_media_type")
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Content-Type"] = []string{mediaType, "text/plain"}
		a.do(t, r).wantProblem(t, 415, "unsupported_media_type")
	}
}

// Each operation with a body rejects one that is too large, and one of another media type.
func TestBodyRejected(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials)
	for _, r := range exampleRequests(t, hasBody) {
		r.body = strings.Repeat(" ", 2<<20)
		r.send(t, a).wantProblem(t, 413, "body_too_large")
		r.body, r.mediaType = "{}", "application/xml"
		r.send(t, a).wantProblem(t, 415, "unsupported_media_type")
	}
}

// An error of the database that is not temporary is a fault in each operation that uses the database.
func TestFaultOfEachOperation(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials)
	a.breakTables(t)
	for _, r := range exampleRequests(t, usesDatabase) {
		t.Run(r.Method+" "+r.Path, func(t *testing.T) { r.send(t, a).wantProblem(t, 500, "internal_error") })
	}
}

// A language model may be broken, unreachable, silent or unwilling. Each has its own status, which is the same
// in the three operations that use the model. The upstream is a real server.
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
			model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				// Until the body is read, net/http does not notice that the client has disconnected.
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					t.Error(err)
				}
				tt.upstream(w, r)
			}))
			t.Cleanup(model.Close)
			timeout := time.Minute
			if tt.status == 504 {
				timeout = time.Second // this has to pass
			}
			a := start(t, withModel(newModel(t, loadContract(t), upstream.Config{
				Provider: "openai", Model: "up-1", APIKey: "sk-test", BaseURL: model.URL + "/v1", Timeout: timeout,
			})))
			a.get(t, "/ai/ask?question=comedies").wantProblem(t, tt.status, tt.code)
			a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`).wantProblem(t, tt.status, tt.code)
			a.call(t, http.MethodPost, "/ai/handoff", `{"question": "Which film would you take to a picnic?"}`).wantProblem(t, tt.status, tt.code)
		})
	}
}

// Swagger UI's files are served with the media types in the contract.
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

// The contract alone decides whether a question has a visible character. Its pattern knows all invisible
// characters of the Basic Multilingual Plane: beyond it, regular expressions of other languages disagree.
func TestInvisibleQuestion(t *testing.T) {
	t.Parallel()
	visible := regexp.MustCompile(loadContract(t).Components.Schemas["QuestionText"].Value.Pattern)
	for r := range rune(0x10000) {
		if text := string(r); visible.MatchString(text) && llm.Blank(text) {
			t.Errorf("the pattern takes %U for visible", r)
		}
	}
	a := start(t)
	for _, question := range []string{"\u0090\u0098", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2800", "\t\r\n", "\u00ad \u2060"} {
		a.get(t, "/ai/ask?question="+url.QueryEscape(question)).wantProblem(t, 400, "invalid_request")
	}
	for _, question := range []string{"?", "\u200bé", "電影", "🎬", "ב", "\U000e0041", "\U000e01ef", "\U0001d173"} {
		a.get(t, "/ai/ask?question="+url.QueryEscape(question)).want(t, 200)
		a.call(t, http.MethodPost, "/ai/handoff", `{"question": "`+question+`"}`).want(t, 200)
	}
}
