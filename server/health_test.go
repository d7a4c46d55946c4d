package server_test

import (
	"net/http"
	"strings"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/schema/migrations"
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
	p := a.get(t, "/readyz").wantProblem(t, 503, "not_ready")
	for _, version := range migrations.Versions() {
		if want := "the migration " + version + " is not applied"; !strings.Contains(p.Detail, want) || !strings.Contains(a.log.String(), want) {
			t.Errorf("the detail is %q and the log %s: want %q in both", p.Detail, a.log, want)
		}
	}
	// What needs the migration is not a fault either.
	for _, path := range []string{"/films", "/films/1", "/ai/ask?question=comedies"} {
		a.get(t, path).wantProblem(t, 503, "not_ready")
	}
}

// Readiness says in words what else the calls need and do not find.
func TestNotReadyBecause(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		`DELETE FROM atlas_schema_revisions WHERE version = '20261122183350'; ALTER TABLE film DROP COLUMN streaming_available`: "the migration 20261122183350 is not applied",
		`ALTER TABLE film DROP COLUMN streaming_available`:                                                                      "no column streaming_available",
		`ALTER TABLE staff RENAME TO people`:                                                                                    "the table staff does not exist",
		`ALTER TABLE rental RENAME TO loans`:                                                                                    "no Pagila",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.get(t, "/films").want(t, 200)
			for statement := range strings.SplitSeq(change, "; ") {
				a.exec(t, statement)
			}
			if p := a.get(t, "/readyz").wantProblem(t, 503, "not_ready"); !strings.Contains(p.Detail, want) {
				t.Errorf("the detail is %q, want %q", p.Detail, want)
			}
			if answer := a.get(t, "/films"); answer.status != 200 {
				answer.wantProblem(t, 503, "not_ready")
			}
			if answer := a.rent(t, "/customers/1/rentals", `{"inventory_id": 1, "staff_id": 1}`); answer.status != 201 {
				p := answer.wantProblem(t, 503, "not_ready")
				if !strings.Contains(p.Detail, "Nothing was written.") {
					t.Errorf("the detail is %q", p.Detail)
				}
			}
		})
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
