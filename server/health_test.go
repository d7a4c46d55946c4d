package server_test

import (
	"net/http"
	"strings"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store/pgtest"
)

// Without its database the server is alive but not ready, and says so on each call that needs it.
// The cause is in the log.
func TestDatabaseUnavailable(t *testing.T) {
	t.Parallel()
	postgres := pgtest.Server(t)
	a := startOn(t, postgres.URL("pagila"))
	a.get(t, "/readyz").want(t, 200)
	if err := postgres.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.get(t, "/healthz").want(t, 200)
	for _, answer := range []*answer{
		a.get(t, "/readyz"),
		a.get(t, "/films"),
		a.get(t, "/films/1"),
		a.get(t, "/ai/ask?question=x"),
		a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`),
		a.call(t, http.MethodPost, "/ai/handoff", `{"question": "x"}`),
		a.rent(t, "/customers/1/rentals", `{"inventory_id": 1, "staff_id": 1}`),
		a.get(t, "/customers/1/rentals/1", "Authorization", "Bearer "+token),
	} {
		answer.wantProblem(t, 503, "database_unavailable")
		if answer.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		if id := answer.header.Get("X-Request-ID"); !strings.Contains(a.log.String(), `"request_id":"`+id+`","operation"`) {
			t.Errorf("the log does not have the cause of %s", id)
		}
	}
}

func TestNotReady(t *testing.T) {
	t.Parallel()
	a := startOn(t, pgtest.Pristine(t))
	a.get(t, "/readyz").wantProblem(t, 503, "not_ready")
	if log := a.log.String(); !strings.Contains(log, "migrations are missing") {
		t.Errorf("the log does not say why: %s", log)
	}
}

// What is wrong with the database beside that is a fault, and not a reason to wait.
func TestReadinessFault(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `ALTER TABLE customer RENAME COLUMN email TO e_mail`) // another dataset
	if ready := decode[gen.Readiness](t, a.get(t, "/readyz").want(t, 200)); ready.Dataset != "other" {
		t.Errorf("dataset is %s", ready.Dataset)
	}
	a.exec(t, `ALTER TABLE atlas_schema_revisions DROP COLUMN version CASCADE`)
	a.get(t, "/readyz").wantProblem(t, 500, "internal_error")
}

// A server that is told to drain serves on, but is not ready.
func TestDrain(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.get(t, "/readyz").want(t, 200)
	a.server.Drain()
	a.get(t, "/readyz").wantProblem(t, 503, "not_ready")
	a.get(t, "/films").want(t, 200)
}
