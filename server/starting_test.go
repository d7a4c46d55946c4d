package server_test

import (
	"net/http"
	"strings"
	"testing"

	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// Without a store the server serves what does not need one. The other operations say what they wait for.
func TestStarting(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	a := startOn(t, url, withDocumentedCredentials, func(d *server.Deps) { d.Store = nil })
	st, err := store.Open(pgtest.AsServer(t, url), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	a.server.Starting("baking a cake")
	for _, r := range exampleRequests(t, documents(503)) {
		got := r.send(t, a)
		p := got.wantProblem(t, 503, "not_ready")
		if got.header.Get("Retry-After") == "" || p.Detail != "The server is starting: baking a cake." {
			t.Errorf("%s: Retry-After is %q, the detail %q", r.ID, got.header.Get("Retry-After"), p.Detail)
		}
		if isGET(r.Operation) {
			r.sendAs(t, a, http.MethodHead).want(t, 503)
		}
	}
	for _, r := range exampleRequests(t, func(op *contract.Operation) bool { return !op.Documents(503) }) {
		r.send(t, a).want(t, 200)
	}
	a.get(t, "/films?page=0").want(t, 400)
	a.get(t, "/nowhere").want(t, 404)
	if log := a.log.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("an error is logged: %s", log)
	}
	a.server.Ready(st)
	a.get(t, "/readyz").want(t, 200)
	a.get(t, "/films/1").want(t, 200)
}
