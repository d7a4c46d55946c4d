package server_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
)

// scopes are the scopes that the contract declares.
var scopes = []string{"customers:read", "films:write", "rentals:write"}

func newToken(t *testing.T, label string, expires time.Time, granted ...string) (secret string, token server.Token) {
	t.Helper()
	secret, token, err := server.NewToken(label, granted, expires, scopes)
	if err != nil {
		t.Fatal(err)
	}
	return secret, token
}

// give makes the server accept another token with these scopes, and returns it.
func (a *testAPI) give(t *testing.T, scopes ...string) string {
	t.Helper()
	secret, token := newToken(t, "kiosk", time.Time{}, scopes...)
	a.server.SetTokens([]server.Token{token})
	return secret
}

// Each operation that needs a token needs a scope. It refuses a token with all scopes but this one, and says which one
// that is. With it alone, the token is accepted.
func TestScopes(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, r := range exampleRequests(t, func(op *contract.Operation) bool { return op.Secured }) {
		if len(r.Scopes) != 1 || !slices.Contains(scopes, r.Scopes[0]) {
			t.Fatalf("%s needs the scopes %q", r.ID, r.Scopes)
		}
		r.anonymous = true
		scope := r.Scopes[0]
		others := slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == scope })
		refused := r.with("Authorization", "Bearer "+a.give(t, others...)).send(t, a)
		refused.wantProblem(t, 403, gen.ProblemCodeInsufficientScope)
		challenge := fmt.Sprintf(`Bearer realm="pagila", error="insufficient_scope", scope="%s"`, scope)
		if got := refused.header.Get("WWW-Authenticate"); got != challenge {
			t.Errorf("%s: WWW-Authenticate is %s, want %s", r.ID, got, challenge)
		}
		if accepted := r.with("Authorization", "Bearer "+a.give(t, scope)).send(t, a); accepted.status == 401 || accepted.status == 403 {
			t.Errorf("%s with %s: status %d", r.ID, scope, accepted.status)
		}
	}
}

// A token without the scope is refused before the request is validated, and before the database is asked.
func TestScopeComesFirst(t *testing.T) {
	t.Parallel()
	a := start(t)
	credentials := "Bearer " + a.give(t, "customers:read")
	a.call(t, http.MethodPost, "/customers/x/rentals?y=1", `{"nonsense": true}`, "Authorization", credentials).
		wantProblem(t, 403, gen.ProblemCodeInsufficientScope)
	a.get(t, "/customers/x", "Authorization", credentials).wantProblem(t, 400, gen.ProblemCodeInvalidRequest)
}

// The line of a request in the log names its token by the label, and never contains the token or its hash.
func TestTokenInLog(t *testing.T) {
	t.Parallel()
	a := start(t)
	secret := a.give(t, "customers:read")
	for credentials, label := range map[string]string{
		"Bearer " + secret: `"token":"kiosk"`, "Bearer " + token: `"token":"API_TOKEN"`, "Bearer another": "", "": "",
	} {
		for _, path := range []string{"/customers/1", "/rentals?page_size=1"} {
			got := a.get(t, path, "Authorization", credentials)
			line := a.log.line(t, got.header.Get("X-Request-Id"))
			if !strings.Contains(line, label) || label == "" && strings.Contains(line, `"token"`) {
				t.Errorf("the line of a request with %q is %s", credentials, line)
			}
		}
	}
	a.call(t, http.MethodPatch, "/films/1", `{}`, "Authorization", "Bearer "+secret).wantProblem(t, 403, gen.ProblemCodeInsufficientScope)
	hash := sha256.Sum256([]byte(secret))
	for _, leak := range []string{secret, token, "another", hex.EncodeToString(hash[:])} {
		if strings.Contains(a.log.String(), leak) {
			t.Errorf("the log has %q: %s", leak, a.log.String())
		}
	}
}

// Tokens are replaced while the server runs. One that was taken away is unknown from the next request on, and one that
// has expired is named in the log.
func TestSetTokens(t *testing.T) {
	t.Parallel()
	a := start(t)
	first := "Bearer " + a.give(t, scopes...)
	a.get(t, "/customers/1", "Authorization", first).want(t, 200)
	second := "Bearer " + a.give(t, scopes...)
	a.get(t, "/customers/1", "Authorization", first).wantProblem(t, 401, gen.ProblemCodeInvalidToken)
	a.get(t, "/customers/1", "Authorization", second).want(t, 200)

	secret, expired := newToken(t, "old", time.Now(), scopes...)
	later, valid := newToken(t, "new", time.Now().Add(time.Hour), scopes...)
	a.server.SetTokens([]server.Token{expired, valid})
	got := a.get(t, "/customers/1", "Authorization", "Bearer "+secret)
	got.wantProblem(t, 401, gen.ProblemCodeInvalidToken)
	if line := a.log.line(t, got.header.Get("X-Request-Id")); !strings.Contains(line, `"token":"old"`) {
		t.Errorf("the log does not name the token: %s", line)
	}
	a.get(t, "/customers/1", "Authorization", "Bearer "+later).want(t, 200)
	a.fetch(t, "/customers/1").want(t, 200)
}

// The tool of an operation needs the scope of the operation.
func TestMCPScopes(t *testing.T) {
	t.Parallel()
	a := start(t)
	copyID := copyInStock(t, a)
	arguments := map[string]any{"customer_id": 1, "inventory_id": copyID, "staff_id": 1}
	reader := a.mcpClient(t, "Authorization", "Bearer "+a.give(t, "customers:read"))
	if p := problemIn(t, callMCP(t, reader, "createRental", arguments)); p.Status != 403 || p.Code != gen.ProblemCodeInsufficientScope {
		t.Errorf("without the scope: %+v", p)
	}
	if out := one[bool](t, a, `SELECT EXISTS (SELECT FROM rental WHERE inventory_id = ? AND return_date IS NULL)`, copyID); out {
		t.Error("a token without the scope rented the copy out")
	}
	writer := a.mcpClient(t, "Authorization", "Bearer "+a.give(t, "rentals:write"))
	if result := callMCP(t, writer, "createRental", arguments); result.IsError {
		t.Errorf("with the scope: %s", textOf(t, result))
	}
	if !strings.Contains(a.log.String(), `"msg":"tool call"`) || !strings.Contains(a.log.String(), `"operation":"createRental","token":"kiosk"`) {
		t.Errorf("the log does not name the token of the call: %s", a.log.String())
	}
}

// A line that is written for a token is read back.
func TestParseTokens(t *testing.T) {
	t.Parallel()
	_, forever := newToken(t, "kiosk-1", time.Time{}, "rentals:write", "customers:read")
	_, limited := newToken(t, "report", time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC), "customers:read")
	file := "# label, hash, scopes, expiry\n\n  " + forever.String() + "\r\n\t" + limited.String() + "\n"
	got, err := server.ParseTokens(strings.NewReader(file), scopes, "own")
	if err != nil || len(got) != 2 || got[0].String() != forever.String() || got[1].String() != limited.String() || !got[1].Expires.Equal(limited.Expires) {
		t.Errorf("%v, %v, want %v and %v", got, err, forever, limited)
	}
}

// All mistakes of a file are reported at once, by their lines. A secret in the wrong place is not repeated.
func TestBadTokens(t *testing.T) {
	t.Parallel()
	secret, good := newToken(t, "good", time.Time{}, scopes...)
	_, other := newToken(t, "other", time.Time{}, scopes...)
	hash, own := hex.EncodeToString(other.Hash[:]), sha256.Sum256([]byte("own"))
	file := strings.Join([]string{
		good.String(),                          // 1
		"short " + hash,                        // 2
		secret + "/ " + hash + " films:write",  // 3
		"raw " + secret + " films:write",       // 4
		"scope " + hash + " films:write,admin", // 5
		"none " + hash[1:] + "g , yesterday",   // 6
		"good " + hash + " films:write",        // 7
		"API_TOKEN " + hash + " films:write",   // 8
		"a b c d e",                            // 9
		"ok " + hex.EncodeToString(good.Hash[:]) + " films:write 2027-01-31T00:00:00Z", // 10
		"own " + hex.EncodeToString(own[:]) + " films:write",                           // 11
	}, "\n")
	_, err := server.ParseTokens(strings.NewReader(file), scopes, "own")
	if err == nil {
		t.Fatal("the file is accepted")
	}
	for _, want := range []string{
		"line 2: want a label, a hash", "line 3: want a label of at most", "line 4: want the SHA-256", "line 5: want one or more scopes of customers:read,films:write,rentals:write",
		"line 6: want the SHA-256", "line 6: want one or more scopes", "line 6: want the time", "line 7: the label good is taken by line 1", "line 8: the label API_TOKEN is taken by the server itself",
		"line 9: want a label, a hash", "line 10: the token is the same as that of line 1",
		"line 11: the token is the same as that of the server itself",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error has no %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), hash) {
		t.Errorf("the error repeats a secret: %v", err)
	}
}

// login asks for a token as a client.
func (a *testAPI) login(t *testing.T, client, name, password string) *received {
	t.Helper()
	form := url.Values{"grant_type": {"password"}, "username": {name}, "password": {password}}
	return a.call(t, http.MethodPost, "/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", client)
}

// A client that guesses too often has to wait. So have all clients together that guess for one name, whether it exists
// or not. Afterwards even the right password is not tried.
func TestLoginLimit(t *testing.T) {
	t.Parallel()
	const perClient, clients = 3, 5 // as many clients use up the attempts for a name
	for _, name := range []string{"somebody", "nobody"} {
		a := start(t, withLimits(server.Limits{Logins: perClient}), func(d *server.Deps) { d.TrustedProxies = []string{"127.0.0.1"} })
		for i := range perClient {
			a.login(t, "192.0.2.1", fmt.Sprint("name", i), "wrong").wantProblem(t, 400, gen.ProblemCodeInvalidCredentials)
		}
		limited := a.login(t, "192.0.2.1", "somebody", "secret")
		limited.wantProblem(t, 429, gen.ProblemCodeRateLimited)
		if wait := limited.header.Get("Retry-After"); wait != "20" { // 60 s for 3 attempts
			t.Errorf("Retry-After is %s", wait)
		}
		a.login(t, "192.0.2.2", "somebody", "secret").want(t, 200) // another client

		for i := range perClient*clients - 1 { // one attempt for somebody has been made
			a.login(t, fmt.Sprintf("198.51.100.%d", i/perClient), name, "wrong").wantProblem(t, 400, gen.ProblemCodeInvalidCredentials)
		}
		if name == "nobody" {
			a.login(t, "198.51.100.100", name, "wrong").wantProblem(t, 400, gen.ProblemCodeInvalidCredentials)
		}
		a.login(t, "203.0.113.1", name, "secret").wantProblem(t, 429, gen.ProblemCodeRateLimited)
		a.login(t, "203.0.113.1", "another", "wrong").wantProblem(t, 400, gen.ProblemCodeInvalidCredentials)
		a.get(t, "/films?page_size=1").want(t, 200)
	}
}

// The token that a client logs in for has all scopes, and the response lists them.
func TestTokenScope(t *testing.T) {
	t.Parallel()
	a := start(t)
	form := "grant_type=password&username=somebody&password=secret&scope=films%3Awrite"
	got := decode[gen.Token](t, a.call(t, http.MethodPost, "/token", form, "Content-Type", "application/x-www-form-urlencoded").want(t, 200))
	if got.Scope == nil || *got.Scope != strings.Join(scopes, " ") || !slices.Equal(server.Scopes(loadContract(t)), scopes) {
		t.Errorf("the token is %+v, want the scopes %q", got, scopes)
	}
}
