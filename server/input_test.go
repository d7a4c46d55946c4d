package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/server/internal/contract"
)

// Invalid input gets a problem document that says what is invalid, and changes nothing.
func TestBadInput(t *testing.T) {
	t.Parallel()
	a := start(t)
	const (
		rentals = "/customers/1/rentals"
		good    = `{"inventory_id": 1, "staff_id": 1}`
	)
	tooLarge := `{"inventory_id": 1, "staff_id": ` + strings.Repeat(" ", 2<<20) + `1}`
	tests := []struct {
		name, method, path, body string
		status                   int
		code                     gen.ProblemCode
		at                       string // a pointer or a parameter in errors
	}{
		{"page 0", "GET", "/films?page=0", "", 400, "invalid_request", "page"},
		{"page negative", "GET", "/films?page=-1", "", 400, "invalid_request", "page"},
		{"page beyond int64", "GET", "/films?page=99999999999999999999", "", 400, "invalid_request", "page"},
		{"page beyond int32", "GET", "/films?page=2147483648", "", 400, "invalid_request", "page"},
		{"page not a number", "GET", "/films?page=two", "", 400, "invalid_request", "page"},
		{"page a fraction", "GET", "/films?page=1.5", "", 400, "invalid_request", "page"},
		{"page empty", "GET", "/films?page=", "", 400, "invalid_request", "page"},
		{"page twice", "GET", "/films?page=1&page=2", "", 400, "invalid_request", "page"},
		{"page_size 0", "GET", "/films?page_size=0", "", 400, "invalid_request", "page_size"},
		{"page_size 101", "GET", "/films?page_size=101", "", 400, "invalid_request", "page_size"},
		{"category empty", "GET", "/films?category=", "", 400, "invalid_request", "category"},
		{"category too long", "GET", "/films?category=" + strings.Repeat("x", 101), "", 400, "invalid_request", "category"},
		{"category with NUL", "GET", "/films?category=%00", "", 400, "invalid_request", "category"},
		{"category not UTF-8", "GET", "/films?category=%ff", "", 400, "invalid_request", "category"},
		{"unknown parameter", "GET", "/films?order=title", "", 400, "invalid_request", "order"},
		{"unknown parameter, not UTF-8", "GET", "/films?%ff=1", "", 400, "invalid_request", "\uFFFD"},
		{"malformed escape", "GET", "/films?page=%zz", "", 400, "invalid_request", ""},
		{"semicolon", "GET", "/films?page=1;page_size=2", "", 400, "invalid_request", ""},
		{"film id not a number", "GET", "/films/one", "", 400, "invalid_request", "film_id"},
		{"film id 0", "GET", "/films/0", "", 400, "invalid_request", "film_id"},
		{"film id beyond int32", "GET", "/films/2147483648", "", 400, "invalid_request", "film_id"},
		{"film id with NUL", "GET", "/films/%00", "", 400, "invalid_request", "film_id"},
		{"film id empty", "GET", "/films/", "", 404, "not_found", ""},
		{"trailing slash", "GET", "/films/1/", "", 404, "not_found", ""},
		{"unknown path", "GET", "/nowhere", "", 404, "not_found", ""},
		{"unknown asset", "GET", "/docs/nothing.js", "", 404, "not_found", ""},
		{"unknown asset of the shop", "GET", "/shop/nothing.js", "", 404, "not_found", ""},
		{"wrong method", "DELETE", "/films/1", "", 405, "method_not_allowed", ""},
		{"OPTIONS", "OPTIONS", "/films", "", 405, "method_not_allowed", ""},

		{"no question", "GET", "/ai/ask", "", 400, "invalid_request", "question"},
		{"empty question", "GET", "/ai/ask?question=", "", 400, "invalid_request", "question"},
		{"blank question", "GET", "/ai/ask?question=%20%20", "", 400, "invalid_request", "question"},
		{"question of a space beyond ASCII", "GET", "/ai/ask?question=%C2%A0", "", 400, "invalid_request", "question"},
		{"invisible question", "GET", "/ai/ask?question=%E2%80%8B", "", 400, "invalid_request", "question"},
		{"invisible question to hand off", "POST", "/ai/handoff", `{"question": "\u200b\u00a0"}`, 400, "invalid_request", "#/question"},
		{"question too long", "GET", "/ai/ask?question=" + strings.Repeat("x", 1001), "", 400, "invalid_request", "question"},
		{"question with NUL", "GET", "/ai/ask?question=a%00b", "", 400, "invalid_request", "question"},

		{"nested too deeply", "POST", rentals, strings.Repeat("[", 1<<20-1), 400, "invalid_request", "#"},
		{"nested objects", "POST", rentals, strings.Repeat(`{"a":`, 100), 400, "invalid_request", "#"},
		{"nested and complete", "POST", rentals, strings.Repeat("[", 1<<19) + strings.Repeat("]", 1<<19), 400, "invalid_request", "#"},
		{"no body", "POST", rentals, "", 400, "invalid_request", "#"},
		{"not JSON", "POST", rentals, "inventory_id=1", 400, "invalid_request", "#"},
		{"half JSON", "POST", rentals, `{"inventory_id": 1,`, 400, "invalid_request", "#"},
		{"two values", "POST", rentals, good + good, 400, "invalid_request", "#"},
		{"trailing text", "POST", rentals, good + "x", 400, "invalid_request", "#"},
		{"null", "POST", rentals, "null", 400, "invalid_request", "#"},
		{"an array", "POST", rentals, "[]", 400, "invalid_request", "#"},
		{"unknown field", "POST", rentals, `{"inventory_id": 1, "staff_id": 1, "rental_date": "2020-01-01"}`, 400, "invalid_request", "#/rental_date"},
		{"field in another case", "POST", rentals, `{"inventory_id": 1, "staff_id": 1, "STAFF_ID": 2}`, 400, "invalid_request", "#/STAFF_ID"},
		{"field twice", "POST", rentals, `{"inventory_id": 1, "inventory_id": 2, "staff_id": 1}`, 400, "invalid_request", "#"},
		{"field missing", "POST", rentals, `{"inventory_id": 1}`, 400, "invalid_request", "#/staff_id"},
		{"text for a number", "POST", rentals, `{"inventory_id": "1", "staff_id": 1}`, 400, "invalid_request", "#/inventory_id"},
		{"null for a number", "POST", rentals, `{"inventory_id": null, "staff_id": 1}`, 400, "invalid_request", "#/inventory_id"},
		{"a fraction", "POST", rentals, `{"inventory_id": 1.5, "staff_id": 1}`, 400, "invalid_request", "#/inventory_id"},
		{"beyond int32", "POST", rentals, `{"inventory_id": 2147483648, "staff_id": 1}`, 400, "invalid_request", "#/inventory_id"},
		{"not UTF-8", "POST", rentals, "{\"inventory_id\": \"\xff\"}", 400, "invalid_request", "#"},
		{"a NUL", "POST", rentals, `{"inventory_id": "\u0000", "staff_id": 1}`, 400, "invalid_request", "#"},
		{"2 MB", "POST", rentals, tooLarge, 413, "body_too_large", ""},
		{"unknown customer", "POST", "/customers/2147483647/rentals", good, 404, "customer_not_found", ""},
		{"customer beyond int32", "POST", "/customers/2147483648/rentals", good, 400, "invalid_request", "customer_id"},
		{"customer empty", "POST", "/customers//rentals", good, 400, "invalid_request", "customer_id"},
		{"unknown copy", "POST", rentals, `{"inventory_id": 2147483647, "staff_id": 1}`, 422, "unknown_reference", "#/inventory_id"},
		{"unknown staff", "POST", rentals, `{"inventory_id": 1, "staff_id": 2147483647}`, 422, "unknown_reference", "#/staff_id"},
		{"unknown rental", "GET", "/customers/1/rentals/2147483647", "", 404, "rental_not_found", ""},
		{"unknown film", "GET", "/films/2147483647", "", 404, "film_not_found", ""},
		{"summary of an unknown film", "POST", "/ai/summary", `{"film_id": 2147483647}`, 404, "film_not_found", ""},
		{"summary, film beyond int32", "POST", "/ai/summary", `{"film_id": 2147483648}`, 400, "invalid_request", "#/film_id"},
	}
	before := one[int](t, a, `SELECT count(*) FROM rental`)
	t.Run("requests", func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				p := a.call(t, tt.method, tt.path, tt.body, "Authorization", "Bearer "+token).wantProblem(t, tt.status, tt.code)
				if tt.at == "" {
					return
				}
				for _, e := range p.Errors {
					if e.Detail == "" {
						t.Errorf("no detail in %+v", e)
					}
					if e.Pointer != nil && *e.Pointer == tt.at || e.Parameter != nil && *e.Parameter == tt.at {
						return
					}
				}
				t.Errorf("no error at %q: %s", tt.at, fmt.Sprintf("%+v", p))
			})
		}
	})
	if after := one[int](t, a, `SELECT count(*) FROM rental`); after != before {
		t.Errorf("invalid input created %d rentals", after-before)
	}
}

// A number is used exactly as it was written, or rejected. It is never rounded. In JSON Schema 1.0 and 1e0 are
// integers, so they are accepted.
func TestExactNumbers(t *testing.T) {
	t.Parallel()
	a := start(t)
	for number, want := range map[string]string{
		"1": "1", "1.0": "1", "1e0": "1", "10e-1": "1", "100e-2": "1", "1E2": "100", "0.5e1": "5", "0.05E+2": "5",
		"1.50e1": "15", "0.0000000000000000000007e22": "7", "3" + strings.Repeat("0", 400) + "e-400": "3",
		"2147483647": "2147483647", "2147483647.000": "2147483647", "2.147483647e9": "2147483647",
		"0.99999999999999999": "", "1.00000000000000001": "", "2147483647.0000000001": "", "2147483646.99999999999": "",
		"2147483648": "", "1e-400": "", "1e400": "", "-1e400": "", "-0": "", "0": "", "0.0": "", "0e1000000000": "", "-1": "",
		"1e1000000000": "", "1e-1000000000": "", "1e99999999999999999999": "", "1e-99999999999999999999": "",
		"9007199254740993": "", "9223372036854775808": "", "18446744073709551617": "", "4294967297": "",
		"4503599627370497.5": "", "1" + strings.Repeat("0", 400): "", "1." + strings.Repeat("0", 400) + "1": "",
	} {
		response := a.post(t, "/customers/1/rentals", `{"inventory_id": 1, "staff_id": `+number+`}`)
		if want != "" && (response.status == 201 || response.status == 409) { // the member of staff exists
			continue
		}
		if want != "" {
			p := response.wantProblem(t, 422, "unknown_reference")
			if got := p.Errors[0].Detail; got != "there is no member of staff "+want {
				t.Errorf("%s was used as another number: %s", number, got)
			}
			continue
		}
		p := response.wantProblem(t, 400, "invalid_request")
		if len(p.Errors) != 1 || *p.Errors[0].Pointer != "#/staff_id" || p.Errors[0].Detail != "the value must be an integer from 1 to 2147483647" {
			t.Errorf("%s: the errors are %+v", number, p.Errors)
		}
	}
}

// An integer in a parameter consists of digits. Another form of a number is rejected, never rounded.
func TestExactParameters(t *testing.T) {
	t.Parallel()
	a := start(t)
	for number, want := range map[string]int32{
		"1": 1, "2": 2, "007": 7, "+5": 5, "2147483647": 2147483647, strings.Repeat("0", 400) + "3": 3,
		"1.0": 0, "1e0": 0, "0.99999999999999999": 0, "1.": 0, "0x1": 0, "0b1": 0, "1_0": 0, " 1": 0, "１": 0, "-0": 0, "--1": 0, "1,2": 0,
		"NaN": 0, "Infinity": 0, "1e400": 0, "1e1000000000": 0, "2147483648": 0, "9007199254740993": 0, "9223372036854775808": 0,
		"18446744073709551617": 0, strings.Repeat("9", 5000): 0,
	} {
		escaped := url.QueryEscape(number)
		page := a.get(t, "/films?page_size=1&page="+escaped)
		film := a.get(t, "/films/"+url.PathEscape(number))
		if want != 0 {
			if got := decode[gen.FilmPage](t, page.want(t, 200)); *got.Page != want {
				t.Errorf("page %s was used as %d", number, *got.Page)
			}
			if film.status != 200 {
				film.wantProblem(t, 404, "film_not_found")
			} else if got := decode[gen.FilmDetail](t, film); got.FilmID != want {
				t.Errorf("film %s was used as %d", number, got.FilmID)
			}
			continue
		}
		for name, response := range map[string]*received{"page": page, "film_id": film} {
			p := response.wantProblem(t, 400, "invalid_request")
			if len(p.Errors) != 1 || *p.Errors[0].Parameter != name || p.Errors[0].Detail != "the value must be an integer from 1 to 2147483647" {
				t.Errorf("%s %.40s: the errors are %+v", name, number, p.Errors)
			}
		}
	}
}

// The error describes a valid question in words, not by its pattern.
func TestBlankQuestionInWords(t *testing.T) {
	t.Parallel()
	a := start(t)
	p := a.call(t, http.MethodPost, "/ai/handoff", `{"question": " "}`).wantProblem(t, 400, "invalid_request")
	if len(p.Errors) != 1 || !strings.HasSuffix(p.Errors[0].Detail, "It must contain a visible character.") {
		t.Errorf("the errors are %+v", p.Errors)
	}
}

// All errors are reported at once.
func TestBadInputAllAtOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	p := a.get(t, "/films?page=0&page_size=0").wantProblem(t, 400, "invalid_request")
	if len(p.Errors) != 2 {
		t.Errorf("want both parameters: %+v", p.Errors)
	}
	// But each value is reported once, however many rules it violates.
	for _, inventory := range []string{"0", "2147483648", "99999999999999999999", "1e400", "1.5"} {
		p = a.post(t, "/customers/1/rentals", `{"inventory_id": `+inventory+`, "staff_id": 1}`).wantProblem(t, 400, "invalid_request")
		if len(p.Errors) != 1 || p.Errors[0].Detail != "the value must be an integer from 1 to 2147483647" {
			t.Errorf("inventory_id %s: %+v", inventory, p.Errors)
		}
	}
	p = a.post(t, "/customers/1/rentals", `{"inventory_id": 2147483647, "staff_id": 2147483647}`).wantProblem(t, 422, "unknown_reference")
	if len(p.Errors) != 2 {
		t.Errorf("want both references: %+v", p.Errors)
	}
}

// The rest of a body that is too large is not read as the next request.
func TestTooLargeBodyEndsConnection(t *testing.T) {
	t.Parallel()
	a := start(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", a.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const next = "GET /healthz HTTP/1.1\r\nHost: test\r\nX-Request-ID: smuggled\r\n\r\n"
	body := strings.Repeat(next, 2<<20/len(next))
	request := fmt.Sprintf("POST /ai/summary HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	go io.WriteString(conn, request) // fails when the server closes the connection
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 413 || !response.Close {
		t.Errorf("status %d, connection closed %t", response.StatusCode, response.Close)
	}
	if strings.Contains(a.log.String(), "smuggled") {
		t.Errorf("the body was read as requests: %s", a.log)
	}
}

func TestMediaType(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, mediaType := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense", ""} {
		a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`, "Content-Type", mediaType).wantProblem(t, 415, "unsupported_media_type")
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	a := start(t)
	const missing, invalid = `Bearer realm="pagila"`, `Bearer realm="pagila", error="invalid_token"`
	for _, tt := range []struct {
		name, header, challenge string
		code                    gen.ProblemCode
	}{
		{"none", "", missing, "missing_token"},
		{"another scheme", "Basic dGVzdA==", missing, "missing_token"},
		{"no token", "Bearer ", missing, "missing_token"},
		{"wrong", "Bearer wrong", invalid, "invalid_token"},
		{"a part of it", "Bearer " + token[:4], invalid, "invalid_token"},
		{"more than it", "Bearer " + token + "x", invalid, "invalid_token"},
	} {
		for _, request := range []struct{ method, path, body string }{
			{"POST", "/customers/1/rentals", `{"inventory_id": 1, "staff_id": 1}`},
			// Without a token, a client does not learn what else is wrong.
			{"POST", "/customers/1/rentals", `{"nonsense": true}`},
			{"POST", "/customers/x/rentals?y=1", strings.Repeat(" ", 2<<20)},
			{"GET", "/customers/1/rentals/1", ""},
		} {
			t.Run(tt.name+" "+request.method+" "+request.path, func(t *testing.T) {
				t.Parallel()
				response := a.call(t, request.method, request.path, request.body, "Authorization", tt.header)
				response.wantProblem(t, 401, tt.code)
				if got := response.header.Get("WWW-Authenticate"); got != tt.challenge {
					t.Errorf("WWW-Authenticate is %q, want %q", got, tt.challenge)
				}
			})
		}
	}
	// Each operation that requires the token.
	for _, r := range exampleRequests(t, func(op *contract.Operation) bool { return op.Secured }) {
		r.anonymous = true
		r.send(t, a).wantProblem(t, 401, "missing_token")
		r.with("Authorization", "Bearer wrong").send(t, a).wantProblem(t, 401, "invalid_token")
		if r.Method == http.MethodGet {
			r.sendAs(t, a, http.MethodHead).want(t, 401)
		}
	}
	// Of two headers, a proxy may have checked either one.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+"/customers/1/rentals/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = []string{"Bearer " + token, "Bearer wrong"}
	a.do(t, r).wantProblem(t, 401, "invalid_token")
	// The name of the scheme is case-insensitive (RFC 9110, section 11.1).
	a.get(t, "/customers/1/rentals/2147483647", "Authorization", "bearer "+token).wantProblem(t, 404, "rental_not_found")
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, tt := range []struct {
		name, form string
		code       gen.ProblemCode
		oauth      string
	}{
		{"wrong password", "grant_type=password&username=somebody&password=wrong", "invalid_credentials", "invalid_grant"},
		{"wrong name", "grant_type=password&username=nobody&password=secret", "invalid_credentials", "invalid_grant"},
		{"another grant", "grant_type=client_credentials&username=somebody&password=secret", "invalid_credentials", "unsupported_grant_type"},
		// An unknown grant takes precedence over missing parameters.
		{"another grant alone", "grant_type=client_credentials", "invalid_credentials", "unsupported_grant_type"},
		{"another grant, wrong password", "password=wrong&grant_type=refresh_token&username=somebody", "invalid_credentials", "unsupported_grant_type"},
		{"another grant with its members", "client_id=a&client_secret=b&scope=c&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=d", "invalid_credentials", "unsupported_grant_type"},
		{"another grant, empty name", "username=&grant_type=authorization_code&code=x", "invalid_credentials", "unsupported_grant_type"},
		{"in another case", "grant_type=Password&username=somebody&password=secret", "invalid_credentials", "unsupported_grant_type"},
		{"with a space", "grant_type=password+&username=somebody&password=secret", "invalid_credentials", "unsupported_grant_type"},
		{"two grants", "grant_type=client_credentials&grant_type=password&username=somebody&password=secret", "invalid_request", "invalid_request"},
		{"another grant and two names", "grant_type=client_credentials&username=a&username=b", "invalid_request", "invalid_request"},
		{"empty grant type", "grant_type=&username=somebody&password=secret", "invalid_request", "invalid_request"},
		{"nothing", "", "invalid_request", "invalid_request"},
		{"another member alone", "scope=x", "invalid_request", "invalid_request"},
		{"no password", "grant_type=password&username=somebody", "invalid_request", "invalid_request"},
		{"no grant type", "username=somebody&password=secret", "invalid_request", "invalid_request"},
		{"empty password", "grant_type=password&username=somebody&password=", "invalid_request", "invalid_request"},
		{"two names", "grant_type=password&username=nobody&username=somebody&password=secret", "invalid_request", "invalid_request"},
		{"malformed", "grant_type=%zz", "invalid_request", "invalid_request"},
		{"a NUL", "grant_type=password&username=somebody%00&password=secret", "invalid_request", "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := a.call(t, http.MethodPost, "/token", tt.form, "Content-Type", "application/x-www-form-urlencoded").wantProblem(t, 400, tt.code)
			if p.Error == nil || *p.Error != tt.oauth {
				t.Errorf("error is %v, want %s", p.Error, tt.oauth)
			}
			if (tt.code == "invalid_request") != (len(p.Errors) > 0) {
				t.Errorf("the errors are %+v", p.Errors)
			}
		})
	}
	p := a.call(t, http.MethodPost, "/token?x=1", "grant_type=password", "Content-Type", "application/x-www-form-urlencoded").wantProblem(t, 400, "invalid_request")
	if p.Error == nil || *p.Error != "invalid_request" {
		t.Errorf("an invalid query: error is %v", p.Error)
	}
	// Unused parameters are ignored (RFC 6749, section 3.2).
	a.call(t, http.MethodPost, "/token", "grant_type=password&username=somebody&password=secret&scope=&client_id=x&other=y",
		"Content-Type", "application/x-www-form-urlencoded").want(t, 200)
}

func TestHead(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials)
	a.insertExampleRows(t)
	compare := func(name string, get, head *received) {
		t.Helper()
		if head.status != get.status {
			t.Errorf("%s: the status of HEAD is %d, that of GET %d", name, head.status, get.status)
		}
		if len(head.body) != 0 {
			t.Errorf("%s: the response to HEAD has a body of %d bytes", name, len(head.body))
		}
		for header := range get.header {
			// RFC 9110, section 9.3.2: the server may omit headers that only the content determines.
			if len(head.header[header]) == 0 && header != "Content-Length" && header != "X-Ai-Sources" {
				t.Errorf("%s: the response to HEAD has no %s", name, header)
			}
		}
		if got, want := head.header.Get("Content-Type"), get.header.Get("Content-Type"); got != want {
			t.Errorf("%s: the Content-Type of HEAD is %q, that of GET %q", name, got, want)
		}
	}
	for _, r := range exampleRequests(t, isGET) {
		compare(r.ID, r.send(t, a).want(t, 200), r.sendAs(t, a, http.MethodHead))
	}
	for _, path := range []string{"/films/2147483647", "/films?page=0", "/nowhere"} {
		compare(path, a.get(t, path), a.call(t, http.MethodHead, path, ""))
	}
}

// A HEAD request needs no answer, so the model is not asked.
func TestHeadDoesNotCallTheModel(t *testing.T) {
	t.Parallel()
	a := start(t, withModel(scripted{ask: func(context.Context, llm.Question, func(string) error) (llm.Result, error) {
		t.Error("the model is asked")
		return llm.Result{}, nil
	}}))
	a.call(t, http.MethodHead, "/ai/ask?question=x", "").want(t, 200)
}

func TestMethodNotAllowed(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials)
	requests := map[string]request{} // by path
	methods := map[string][]string{}
	for _, r := range exampleRequests(t, func(*contract.Operation) bool { return true }) {
		requests[r.Path] = r
		methods[r.Path] = append(methods[r.Path], r.Method)
		if r.Method == http.MethodGet {
			methods[r.Path] = append(methods[r.Path], http.MethodHead)
		}
	}
	for path, allowed := range methods {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if slices.Contains(allowed, method) {
				continue
			}
			got := requests[path].sendAs(t, a, method)
			got.wantProblem(t, 405, "method_not_allowed")
			if allow := got.list("Allow"); !sameElements(allow, allowed) {
				t.Errorf("%s: Allow is %q, want %q", path, allow, allowed)
			}
		}
	}
}

func sameElements(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	a := start(t)
	const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	response := a.get(t, "/films/2147483647", "X-Request-ID", "order-66", "traceparent", "00-"+traceID+"-00f067aa0ba902b7-00")
	if p := response.wantProblem(t, 404, "film_not_found"); p.RequestID != "order-66" {
		t.Errorf("request_id is %q", p.RequestID)
	}
	if got := response.header.Get("traceparent"); !strings.HasPrefix(got, "00-"+traceID+"-") || strings.Contains(got, "00f067aa0ba902b7") || !strings.HasSuffix(got, "-00") {
		t.Errorf("traceparent is %q", got)
	}
	// An invalid traceparent is replaced. The known part of a later version is kept.
	for header, kept := range map[string]bool{
		"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01": false,
		"00-" + traceID + "-0000000000000000-01":                 false,
		"ff-" + traceID + "-00f067aa0ba902b7-01":                 false,
		"00-" + traceID + "-00f067aa0ba902b7-01-more":            false,
		"01-" + traceID + "-00f067aa0ba902b7-01-more":            true,
	} {
		got := a.get(t, "/healthz", "traceparent", header).header.Get("traceparent")
		if strings.HasPrefix(got, "00-"+traceID+"-") != kept || !strings.HasSuffix(got, "-01") {
			t.Errorf("traceparent %q becomes %q", header, got)
		}
	}
	line := a.log.line(t, "order-66")
	for _, part := range []string{traceID, `"operation":"getFilm"`, `"status":404`, `"path":"/films/2147483647"`} {
		if !strings.Contains(line, part) {
			t.Errorf("the log line has no %s: %s", part, line)
		}
	}
	// An ID that could forge a line of the log is replaced.
	for _, bad := range []string{"a b", strings.Repeat("x", 129), `"`} {
		if got := a.get(t, "/healthz", "X-Request-ID", bad).header.Get("X-Request-ID"); got == bad || got == "" {
			t.Errorf("for X-Request-ID %q the response has %q", bad, got)
		}
	}
}

// However long a path is, the log and the problem stay readable.
func TestLongPath(t *testing.T) {
	t.Parallel()
	a := start(t)
	path := "/" + strings.Repeat("x", 197) + "%C3%A4" + strings.Repeat("y", 5000)
	p := a.get(t, path, "X-Request-ID", "long").wantProblem(t, 404, "not_found")
	if want := path[:198]; p.Instance != want {
		t.Errorf("instance is %q, want %q", p.Instance, want)
	}
	if line := a.log.line(t, "long"); !strings.Contains(line, `"path":"`+path[:198]+`"`) {
		t.Errorf("the log line is %s", line)
	}
}

// A fault of the server is a 500 that reveals nothing, and a log line that has the cause.
func TestFault(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.breakTables(t)
	response := a.get(t, "/films/1", "X-Request-ID", "broken")
	response.wantProblem(t, 500, "internal_error")
	if strings.Contains(string(response.body), "zero") {
		t.Errorf("the client learns about the database: %s", response.body)
	}
	if log := a.log.String(); !strings.Contains(log, `division by zero`) || !strings.Contains(log, `"request_id":"broken"`) {
		t.Errorf("the log does not have the cause: %s", log)
	}
}

// A body that is incomplete or late is the client's error, and the response says so if the client still reads
// it.
func TestBrokenBody(t *testing.T) {
	t.Parallel()
	impatient := httptest.NewUnstartedServer(start(t).Config.Handler)
	impatient.Config.ReadTimeout = 300 * time.Millisecond
	impatient.Start()
	t.Cleanup(impatient.Close)
	const head = "POST /ai/summary HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
	for _, tt := range []struct {
		name, request string
		end           bool // the client closes its side of the connection
		detail        string
	}{
		{"breaks off", head + "Content-Length: 100\r\n\r\n{", true, "the body ended before it was complete"},
		{"breaks off in a chunk", head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{", true, "the body ended before it was complete"},
		{"bad chunk", head + "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", false, "the body ended before it was complete"},
		{"does not come", head + "Content-Length: 100\r\n\r\n{", false, "the body was not received in time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", impatient.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, tt.request); err != nil {
				t.Fatal(err)
			}
			if tt.end {
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			p := read(t, response).wantProblem(t, 400, "invalid_request")
			if len(p.Errors) != 1 || p.Errors[0].Detail != tt.detail {
				t.Errorf("errors are %+v, want %q alone", p.Errors, tt.detail)
			}
		})
	}
}

// A body that is missing is reported, with and without a Content-Length.
func TestMissingBody(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, body := range []io.Reader{http.NoBody, struct{ io.Reader }{strings.NewReader("")}} { // the second is chunked
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/customers/1/rentals", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		p := a.do(t, r).wantFaults(t, 400, "invalid_request", "#")
		if got, want := p.Errors[0].Detail, "value is required but missing"; got != want {
			t.Errorf("the detail is %q, want %q", got, want)
		}
	}
}
