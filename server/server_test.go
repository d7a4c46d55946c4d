package server_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"example.com/pagila-api/api"
	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/testlog"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

const token = "test-token"

func TestMain(m *testing.M) {
	pgtest.Main(covered{m})
}

// testAPI is the real server on its own database, behind a real socket. Each of its responses is checked
// against the contract.
type testAPI struct {
	*httptest.Server
	server   *server.Server
	db       *bun.DB // the server's database as a superuser, for expectations and checks in SQL
	log      *logBuffer
	received *tally                                           // its responses
	fail     atomic.Pointer[func(format string, args ...any)] // reports responses that do not follow the contract
}

// option changes the dependencies of the server under test.
type option func(*server.Deps)

func withModel(m server.Model) option { return func(d *server.Deps) { d.Model = m } }

// start runs a server on a fresh clone of the dataset.
func start(tb testing.TB, options ...option) *testAPI {
	tb.Helper()
	return startOn(tb, pgtest.New(tb), options...)
}

func startOn(tb testing.TB, url string, options ...option) *testAPI {
	tb.Helper()
	doc := loadContract(tb)
	st, err := store.Open(pgtest.AsServer(tb, url), store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { st.Close() })
	log := &logBuffer{}
	deps := server.Deps{
		Contract:    doc,
		Store:       st,
		Model:       offline(tb, doc),
		Credentials: server.Credentials{Token: token, Username: "somebody", Password: "secret"},
		Logger:      slog.New(slog.NewJSONHandler(log, nil)),
	}
	for _, o := range options {
		o(&deps)
	}
	handler, err := server.New(deps)
	if err != nil {
		tb.Fatal(err)
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	a := &testAPI{server: handler, db: bun.NewDB(db, pgdialect.New()), log: log, received: newTally()}
	a.fail.Store(new(tb.Errorf))
	checked, err := server.CheckResponses(doc, handler, func(got server.Response) {
		coverage.count(got)
		a.received.count(got)
		if got.Err != nil {
			(*a.fail.Load())("%s %s: the response %d does not follow the contract: %v\n%.2000q", got.Request.Method, got.Request.URL, got.Status, got.Err, got.Body)
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	a.Server = httptest.NewServer(checked)
	tb.Cleanup(a.Close)
	return a
}

// theContract is shared by all tests, because it takes a third of a second to load under the race detector. Nothing
// changes it.
var theContract = sync.OnceValues(func() (*openapi3.T, error) { return api.Load(context.Background()) })

func loadContract(tb testing.TB) *openapi3.T {
	tb.Helper()
	doc, err := theContract()
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}

func offline(tb testing.TB, doc *openapi3.T) *llm.Client {
	tb.Helper()
	return newModel(tb, doc, upstream.Config{Provider: "offline"})
}

func newModel(tb testing.TB, doc *openapi3.T, c upstream.Config) *llm.Client {
	tb.Helper()
	model, err := llm.New(llm.Config{Upstream: c, Summary: doc.Components.Schemas["FilmSummary"].Value})
	if err != nil {
		tb.Fatal(err)
	}
	return model
}

// call sends a request with a JSON body, or none if it is "", and returns the response.
func (a *testAPI) call(t *testing.T, method, path, body string, headers ...string) *received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.URL+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for pair := range slices.Chunk(headers, 2) {
		if pair[0] == "Content-Type" { // instead of the one above
			r.Header.Del(pair[0])
		}
		r.Header.Add(pair[0], pair[1])
	}
	return a.do(t, r)
}

func (a *testAPI) do(t *testing.T, r *http.Request) *received {
	t.Helper()
	response, err := a.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

// read reads a response to its end.
func read(t *testing.T, response *http.Response) *received {
	t.Helper()
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &received{status: response.StatusCode, header: response.Header, body: data, closes: response.Close}
}

func (a *testAPI) get(t *testing.T, path string, headers ...string) *received {
	t.Helper()
	return a.call(t, http.MethodGet, path, "", headers...)
}

// fetch gets a path with the right token.
func (a *testAPI) fetch(t *testing.T, path string) *received {
	t.Helper()
	return a.get(t, path, "Authorization", "Bearer "+token)
}

// post posts a body, or none if it is "", with the right token.
func (a *testAPI) post(t *testing.T, path, body string) *received {
	t.Helper()
	return a.call(t, http.MethodPost, path, body, "Authorization", "Bearer "+token)
}

// one returns the value that a query selects.
func one[T any](t *testing.T, a *testAPI, query string, args ...any) T {
	t.Helper()
	return pgtest.Value[T](t, a.db.QueryRowContext, query, args...)
}

func (a *testAPI) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	pgtest.Exec(t, a.db.ExecContext, query, args...)
}

// breakTables makes each statement that reads or writes a table of Pagila fail with an error that is not temporary.
func (a *testAPI) breakTables(t *testing.T) {
	t.Helper()
	a.exec(t, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM 1 / 0; RETURN NULL; END'`)
	a.exec(t, `
DO $$
DECLARE name text;
BEGIN
	FOR name IN SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname <> 'atlas_schema_revisions'
		AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'film'::regclass)
	LOOP
		EXECUTE format('ALTER TABLE %I RENAME TO %I', name, name || '_rows');
		EXECUTE format('CREATE VIEW %I AS SELECT * FROM %I WHERE 1 / 0 = 0', name, name || '_rows');
		EXECUTE format('GRANT ALL ON %I TO pagila_api', name);
		EXECUTE format('CREATE TRIGGER fail INSTEAD OF INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION fail()', name);
	END LOOP;
END $$`)
}

// received is a response whose body has been read.
type received struct {
	status int
	header http.Header
	body   []byte
	closes bool // it closes the connection
}

// want checks the status.
func (r *received) want(t *testing.T, status int) *received {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// isBusy reports whether the request waited too long for the database, as on a slow machine, or was not sent yet.
func (r *received) isBusy() bool {
	return r == nil || r.status == http.StatusServiceUnavailable && bytes.Contains(r.body, []byte(gen.ProblemCodeDatabaseBusy))
}

// decode decodes the body as JSON into a T, and rejects members that T does not have.
func decode[T any](t *testing.T, r *received) T {
	t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

// wantProblem checks that the response is a problem document with this status and code, and that the document
// and the headers agree.
func (r *received) wantProblem(t *testing.T, status int, code gen.ProblemCode) gen.Problem {
	t.Helper()
	r.want(t, status)
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	p := decode[gen.Problem](t, r)
	if p.Status != int32(status) || p.Code != code {
		t.Errorf("the problem is %d %s, want %d %s: %s", p.Status, p.Code, status, code, r.body)
	}
	if p.RequestID == "" || p.RequestID != r.header.Get("X-Request-ID") {
		t.Errorf("request_id is %q, the header says %q", p.RequestID, r.header.Get("X-Request-ID"))
	}
	return p
}

// logBuffer is the server's log.
type logBuffer struct{ testlog.Buffer }

// line returns the access line of the request with this ID. It is written after the response, so it may take
// a moment.
func (l *logBuffer) line(t *testing.T, id string) string {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-tick.C {
		for line := range strings.Lines(l.String()) {
			if strings.Contains(line, `"msg":"request"`) && strings.Contains(line, `"request_id":"`+id+`"`) {
				return line
			}
		}
	}
	t.Fatalf("no access line of %s: %s", id, l.String())
	return ""
}
