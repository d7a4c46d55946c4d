package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/server"
	"example.com/pagila-api/store/pgtest"
)

// Without its database the server is alive but not ready, and each operation that uses the database says
// so. The cause is in the log.
func TestDatabaseUnavailable(t *testing.T) {
	t.Parallel()
	postgres := pgtest.Server(t)
	a := startOn(t, postgres.URL("pagila"), withDocumentedCredentials)
	a.get(t, "/readyz").want(t, 200)
	if err := postgres.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.get(t, "/healthz").want(t, 200)
	for _, r := range exampleRequests(t, documents(503)) {
		got := r.send(t, a)
		got.wantProblem(t, 503, "database_unavailable")
		if got.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", r.ID)
		}
		if id := got.header.Get("X-Request-ID"); !strings.Contains(a.log.String(), `"request_id":"`+id+`","operation":"`+r.ID) {
			t.Errorf("%s: the log does not have the cause of %s", r.ID, id)
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
	// A request that needs the migration is not a fault either.
	for _, path := range []string{"/films", "/films/1", "/ai/ask?question=comedies"} {
		a.get(t, path).wantProblem(t, 503, "not_ready")
	}
}

// Readiness describes what else is missing for the operations.
func TestNotReadyBecause(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		`DELETE FROM atlas_schema_revisions WHERE version = '20261122183350'; ALTER TABLE film DROP COLUMN streaming_available`: "the migration 20261122183350 is not applied",
		`ALTER TABLE film DROP COLUMN streaming_available`:                                                                      "no column streaming_available",
		`ALTER TABLE staff RENAME TO people`:                                                                                    "the table staff does not exist",
		`ALTER TABLE rental RENAME TO loans`:                                                                                    "does not contain Pagila",
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
			if response := a.get(t, "/films"); response.status != 200 {
				response.wantProblem(t, 503, "not_ready")
			}
			if response := a.post(t, "/customers/1/rentals", `{"inventory_id": 1, "staff_id": 1}`); response.status != 201 {
				p := response.wantProblem(t, 503, "not_ready")
				if !strings.Contains(p.Detail, "Nothing was written.") {
					t.Errorf("the detail is %q", p.Detail)
				}
			}
		})
	}
}

// Any other defect of the database is a fault, and not a reason to wait.
func TestReadinessFault(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `UPDATE customer SET email = 'mary.smith@example.org'`) // another dataset
	if ready := decode[gen.Readiness](t, a.get(t, "/readyz").want(t, 200)); ready.Dataset != "other" {
		t.Errorf("dataset is %s", ready.Dataset)
	}
	a.exec(t, `ALTER TABLE atlas_schema_revisions ALTER applied DROP DEFAULT, ALTER applied TYPE text USING 'many'`)
	a.get(t, "/readyz").wantProblem(t, 500, "internal_error")
}

// A server that drains continues to serve, but is not ready, and closes each connection. Its operator wants
// all of that, so none of it is logged as a fault.
func TestDrain(t *testing.T) {
	t.Parallel()
	started, leave := make(chan struct{}), make(chan struct{})
	a := start(t, withLimits(server.Limits{InFlight: 1}), withModel(scripted{
		ask: func(_ context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
			close(started)
			<-leave
			return llm.Result{FinishReason: "stop"}, emit("late")
		},
	}))
	if a.get(t, "/readyz").want(t, 200).closes {
		t.Error("the connection is closed before")
	}
	closes := func(got *received) *received {
		t.Helper()
		if !got.closes {
			t.Errorf("the connection stays open after the response %d", got.status)
		}
		return got
	}
	var wg sync.WaitGroup
	wg.Go(func() { closes(a.get(t, "/ai/ask?question=x")).want(t, 200) }) // it begins before Drain and ends after it
	<-started
	a.server.Drain()
	for range 3 {
		closes(a.get(t, "/readyz")).wantProblem(t, 503, "not_ready")
	}
	closes(a.get(t, "/films")).want(t, 200)
	closes(a.call(t, http.MethodHead, "/films/1", "")).want(t, 200)
	closes(a.get(t, "/nowhere")).want(t, 404)
	closes(a.call(t, http.MethodPost, "/ai/summary", `{`)).want(t, 400)
	closes(a.get(t, "/ai/ask?question=x", "Last-Event-ID", "1")).want(t, 204)
	close(leave)
	wg.Wait()
	server.Fill(a.server)
	closes(a.get(t, "/films")).wantProblem(t, 503, "server_busy")
	if log := a.log.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("the drain is logged as an error: %s", log)
	}
}

// Readiness describes a missing model. Everything else works, so the server is ready.
func TestReadyWithoutModel(t *testing.T) {
	t.Parallel()
	const problem = "The server at localhost:11434 has no model script-1."
	for _, want := range []string{problem, ""} {
		a := start(t, withModel(scripted{problem: want}))
		response := a.get(t, "/readyz").want(t, 200)
		got := decode[gen.Readiness](t, response).LLM
		switch {
		case want == "" && got.Problem != nil:
			t.Errorf("the problem is %q", *got.Problem)
		case want != "" && (got.Problem == nil || *got.Problem != want):
			t.Errorf("the response is %s", response.body)
		}
	}
}
