package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/pagila-api/api"
	"example.com/pagila-api/server/internal/testlog"
	"example.com/pagila-api/store/localpg/binaries"
	"example.com/pagila-api/store/pgtest"
)

// The tests run the program as a process, as its users do. The process is the test binary, which becomes the
// program if this variable is set.
const asProgram = "PAGILA_API_AS_PROGRAM"

func TestMain(m *testing.M) {
	switch role := os.Getenv(asProgram); role {
	case "":
	case asUpstream, asProxy:
		if err := serveRole(role); !errors.Is(err, net.ErrClosed) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	default:
		main()
	}
	pgtest.Main(m)
}

// environment returns the environment of the program: a new data directory, a free port, no access to the
// network, and nothing of the user's environment.
func environment(tb testing.TB, extra ...string) []string {
	tb.Helper()
	binDir, err := binaries.Find(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	home := tb.TempDir()
	return append([]string{
		asProgram + "=1",
		"HOME=" + home,
		"XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
		"PATH=" + os.Getenv("PATH"),
		"PG_BINDIR=" + binDir,
		"PAGILA_DIR=" + os.Getenv("PAGILA_DIR"),
		"DATA_DIR=" + filepath.Join(home, "data"),
		"OPS_ADDR=off",
		"HTTP_ADDR=127.0.0.1:0",
		"HTTPS_PROXY=http://127.0.0.1:1",
		"CHECK_RESPONSES=true",
	}, extra...)
}

func program(tb testing.TB, env []string, args ...string) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	tb.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = env
	cmd.Dir = tb.TempDir() // no .env there
	return cmd
}

// asServer returns the environment with the role of the server in the URLs of databases.
func asServer(tb testing.TB, env []string) []string {
	tb.Helper()
	env = slices.Clone(env)
	for i, variable := range env {
		switch name, value, _ := strings.Cut(variable, "="); name {
		case "DATABASE_URL":
			env[i] = name + "=" + pgtest.AsServer(tb, value)
		case "DATABASE_REPLICA_URLS":
			urls := strings.Split(value, ",")
			for n, url := range urls {
				urls[n] = pgtest.AsServer(tb, url)
			}
			env[i] = name + "=" + strings.Join(urls, ",")
		}
	}
	return env
}

// served is a running server process.
type served struct {
	cmd    *exec.Cmd
	url    string
	banner string
	stderr *testlog.Buffer
	output string        // what it printed after the banner; valid once ended is closed
	ended  chan struct{} // closed when the program has ended
	err    error         // how it ended; valid once ended is closed
}

var bannerURL = regexp.MustCompile(`Swagger UI +(http://\S+)/docs`)

// serveProgram starts the program and waits for its banner.
func serveProgram(tb testing.TB, env []string) *served {
	tb.Helper()
	return serveIn(tb, env, "")
}

// serveIn is like serveProgram, with a .env file. The program connects to PostgreSQL as the role of the server.
func serveIn(tb testing.TB, env []string, dotEnv string) *served {
	tb.Helper()
	s := &served{cmd: program(tb, asServer(tb, env)), stderr: &testlog.Buffer{}, ended: make(chan struct{})}
	if err := os.WriteFile(filepath.Join(s.cmd.Dir, ".env"), []byte(dotEnv), 0o600); err != nil {
		tb.Fatal(err)
	}
	s.cmd.Stderr = s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	for !strings.Contains(s.banner, "Ctrl-C") {
		line, err := lines.ReadString('\n')
		s.banner += line
		if err != nil {
			tb.Fatalf("the program ended early: %v\n%s%s", errors.Join(err, s.cmd.Wait()), s.banner, s.stderr)
		}
	}
	go func() {
		rest, _ := io.ReadAll(stdout) // what is there when the program ends
		s.output = string(rest)
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	tb.Cleanup(func() { // an orderly shutdown leaves nothing behind
		s.cmd.Process.Signal(os.Interrupt)
		<-s.ended
		if strings.Contains(s.stderr.String(), "does not follow the contract") {
			tb.Errorf("a response does not follow the contract: %s", s.stderr)
		}
	})
	match := bannerURL.FindStringSubmatch(s.banner)
	if match == nil {
		tb.Fatalf("the banner has no URL: %s", s.banner)
	}
	s.url = match[1]
	return s
}

// stop sends a signal to the program and returns how it ended.
func (s *served) stop(t *testing.T, signal os.Signal) error {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	return s.err
}

// wantStopping waits until the program logs that it stops.
func (s *served) wantStopping(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.stderr.String(), "stopping"); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it does not stop: %s", s.stderr)
		}
	}
}

func (s *served) get(t *testing.T, path string) (int, map[string]any) {
	t.Helper()
	return s.do(t, http.MethodGet, path, "")
}

func (s *served) do(t *testing.T, method, path, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer dvd_admin")
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.stderr)
	}
	defer response.Body.Close()
	var v map[string]any
	if err := json.NewDecoder(response.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, v
}

// The first start restores and migrates, and the second uses the same data.
func TestStartStopStart(t *testing.T) {
	t.Parallel()
	env := environment(t)
	first := serveProgram(t, env)
	if status, ready := first.get(t, "/readyz"); status != 200 || ready["migration"] != "20261122183351" {
		t.Errorf("first start: %d %v", status, ready)
	}
	status, rental := first.do(t, http.MethodPost, "/customers/1/rentals", `{"inventory_id": 1, "staff_id": 1}`)
	if status != 201 {
		t.Fatalf("rental: %d %v", status, rental)
	}
	if err := first.stop(t, os.Interrupt); err != nil {
		t.Fatalf("Ctrl-C: %v\n%s", err, first.stderr)
	}
	wantNoPostgres(t, env)

	second := serveProgram(t, env)
	if strings.Contains(second.stderr.String(), "restor") {
		t.Errorf("the second start restores the dataset again: %s", second.stderr)
	}
	path := fmt.Sprintf("/customers/1/rentals/%v", rental["rental_id"])
	if status, found := second.get(t, path); status != 200 {
		t.Errorf("the rental is gone: %d %v", status, found)
	}
	if err := second.stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, second.stderr)
	}
	wantNoPostgres(t, env)
}

// A killed program leaves no PostgreSQL process behind, and the next start works.
func TestKill(t *testing.T) {
	t.Parallel()
	env := environment(t)
	first := serveProgram(t, env)
	if err := first.stop(t, os.Kill); err == nil {
		t.Error("a killed program reports success")
	}
	wantNoPostgres(t, env)
	second := serveProgram(t, env)
	if status, ready := second.get(t, "/readyz"); status != 200 {
		t.Errorf("after kill -9: %d %v", status, ready)
	}
}

// A second program on the same data directory fails and does no harm.
func TestTwoPrograms(t *testing.T) {
	t.Parallel()
	env := environment(t)
	first := serveProgram(t, env)
	out, err := program(t, env).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "DATA_DIR") {
		t.Errorf("the second program: %v\n%s", err, out)
	}
	if status, _ := first.get(t, "/readyz"); status != 200 {
		t.Errorf("the first program: %d", status)
	}
}

// With DATABASE_URL the program starts no PostgreSQL server, and does not change the schema.
func TestDatabaseURL(t *testing.T) {
	t.Parallel()
	env := environment(t, "DATABASE_URL="+pgtest.New(t), "PG_BINDIR=/nonexistent")
	s := serveProgram(t, env)
	if status, ready := s.get(t, "/readyz"); status != 200 {
		t.Errorf("readyz: %d %v", status, ready)
	}
	if _, err := os.Stat(dataDir(env)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a data directory: %v", err)
	}

	pristine := pgtest.Pristine(t)
	pgtest.Exec(t, pgtest.Connect(t, pristine).Exec, `GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO pagila_api;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pagila_api`)
	s = serveProgram(t, environment(t, "DATABASE_URL="+pristine))
	if status, problem := s.get(t, "/readyz"); status != 503 || problem["code"] != "not_ready" {
		t.Errorf("without migrations: %d %v", status, problem)
	}
	if !strings.Contains(s.banner, "pagila-api migrate") || strings.Contains(s.banner, "is ready") {
		t.Errorf("the banner without migrations: %s", s.banner)
	}
}

func TestExec(t *testing.T) {
	t.Parallel()
	env := environment(t)
	run := func(args ...string) (string, error) {
		t.Helper()
		cmd := program(t, env, append([]string{"exec"}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, stderr.String())
		}
		return strings.TrimSpace(string(out)), err
	}
	s := serveProgram(t, env)
	running, err := run("--", "sh", "-c", `echo "$DATABASE_URL"`)
	if err != nil || !strings.HasPrefix(running, "postgres://") {
		t.Errorf("beside a running server: %q, %v", running, err)
	}
	if err := s.stop(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	alone, err := run("-scratch", "--", "sh", "-c", `echo "$DATABASE_URL $ATLAS_DEV_URL"`)
	if urls := strings.Fields(alone); err != nil || len(urls) != 2 || urls[0] == urls[1] {
		t.Errorf("alone: %q, %v", alone, err)
	}
	wantNoPostgres(t, env)
	if _, err := run("-pristine", "--", "sh", "-c", "exit 7"); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("the command's status is lost: %v", err)
	}
	for _, args := range [][]string{{}, {"--", "no-such-command"}, {"-nonsense"}} {
		if _, err := run(args...); err == nil {
			t.Errorf("exec %q succeeds", args)
		}
	}
}

// With -serve, a command can use a migrated server, which is removed with its database afterwards.
func TestExecServe(t *testing.T) {
	t.Parallel()
	// Neither the configured address, which may be in use, nor a paid model, nor a configured database is used.
	env := environment(t, "HTTP_ADDR=127.0.0.1:1", "OPENAI_API_KEY=sk-secret", "API_TOKEN=another", "DRAIN_DELAY=1m",
		"DATABASE_URL=postgres://127.0.0.1:1/pagila", "DATABASE_REPLICA_URLS=postgres://127.0.0.1:1/pagila", "API_TOKENS_FILE=/nonexistent")
	client := `curl -s --max-time 30 -H "Authorization: Bearer $API_TOKEN" "$PAGILA_URL$0"`
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("this needs curl")
	}
	out, err := program(t, env, "exec", "-serve", "--", "sh", "-c", client, "/readyz").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"ready"`) || !strings.Contains(string(out), `"offline"`) || strings.Contains(string(out), "replica") {
		t.Errorf("readyz: %s, %v", out, err)
	}
	out, err = program(t, env, "exec", "-serve", "--", "sh", "-c", client+`; exit 7`, "/customers/1/rentals/2147483647").Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 || !strings.Contains(string(out), "rental_not_found") {
		t.Errorf("a call with the token, and exit 7: %s, %v", out, err)
	}
	if _, err := os.Stat(dataDir(env)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a data directory: %v", err)
	}
	if out, err := program(t, env, "exec", "-serve", "-pristine", "--", "true").CombinedOutput(); err == nil || !strings.Contains(string(out), "-pristine") {
		t.Errorf("-serve -pristine: %v, %s", err, out)
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	out, err := program(t, []string{
		asProgram + "=1", "APP_ENV=production", "HTTP_ADDR=nonsense", "LOG_LEVEL=loud", "LOG_FORMAT=xml", "DATABASE_MAX_CONNS=many",
		"LLM_PROVIDER=clairvoyant", "LLM_TIMEOUT=long", "LLM_FIRST_BYTE_TIMEOUT=500ms", "LLM_IDLE_TIMEOUT=0s", "DRAIN_DELAY=1h", "MAX_IN_FLIGHT=-1", "TRUSTED_PROXIES=10.0.0.1,proxy", "CORS_ORIGINS=https://app.example.com,https://app.example.com/,*", "OPENAI_API_KEY=sk-secret", "DATABASE_URL=postgres://user:hunter2@[::1/",
		"DATABASE_REPLICA_URLS=postgres://a/pagila,postgres://user:hunter2@[::1/", "REPLICA_MAX_LAG=51s",
	}).CombinedOutput()
	if err == nil {
		t.Fatal("the program starts")
	}
	for _, name := range []string{"HTTP_ADDR", "LOG_LEVEL", "LOG_FORMAT", "DATABASE_MAX_CONNS", "DATABASE_URL", "DATABASE_REPLICA_URLS", "REPLICA_MAX_LAG", "LLM_PROVIDER", "LLM_TIMEOUT", "LLM_FIRST_BYTE_TIMEOUT", "LLM_IDLE_TIMEOUT", "DRAIN_DELAY", "MAX_IN_FLIGHT", "TRUSTED_PROXIES", "CORS_ORIGINS", "API_TOKEN", "API_PASSWORD"} {
		if n := strings.Count(string(out), name); n != 1 {
			t.Errorf("%s appears %d times: %s", name, n, out)
		}
	}
	for _, secret := range []string{"sk-secret", "hunter2"} {
		if strings.Contains(string(out), secret) {
			t.Errorf("the output contains a secret: %s", out)
		}
	}
	out, err = program(t, []string{asProgram + "=1", "PAGILA_DIR=/nonexistent", "PG_BINDIR=/nonexistent", "API_TOKEN=two words", "DATABASE_REPLICA_URLS=postgres://a/pagila"}).CombinedOutput()
	for _, name := range []string{"PAGILA_DIR", "PG_BINDIR", "API_TOKEN", "DATABASE_REPLICA_URLS"} {
		if err == nil || !strings.Contains(string(out), name) {
			t.Errorf("%s does not appear: %v, %s", name, err, out)
		}
	}
	// A mistake in the settings of the model is reported before a database is started.
	env := environment(t, "OPENAI_BASE_URL=ftp://models")
	if out, err := program(t, env).CombinedOutput(); err == nil || !strings.Contains(string(out), "base URL") {
		t.Errorf("a bad base URL: %v, %s", err, out)
	}
	if _, err := os.Stat(dataDir(env)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a database was started: %v", err)
	}
	for _, args := range [][]string{{"serve", "nonsense"}, {"fetch-postgres", "-nonsense"}} {
		if out, err := program(t, []string{asProgram + "=1"}, args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "nonsense") {
			t.Errorf("%q: %v, %s", args, err, out)
		}
	}
	if out, err := program(t, []string{asProgram + "=1"}, "dance").CombinedOutput(); err == nil || !strings.Contains(string(out), "dance") {
		t.Errorf("an unknown command: %v, %s", err, out)
	}
}

func TestReplicaURLs(t *testing.T) {
	t.Parallel()
	load := func(urls string) (config, error) {
		return loadConfig([]string{"DATABASE_URL=postgres://a/pagila", "DATABASE_REPLICA_URLS=" + urls}, true)
	}
	c, err := load("postgres://b/pagila,\n\tpostgres://c/pagila ")
	if want := []string{"postgres://b/pagila", "postgres://c/pagila"}; err != nil || !slices.Equal(c.ReplicaURLs, want) {
		t.Errorf("%q, %v, want %q", c.ReplicaURLs, err, want)
	}
	for urls, number := range map[string]string{"postgres://b/pagila,": "2", ",postgres://b/pagila": "1", "postgres://b/pagila, ,postgres://c/pagila": "2"} {
		if _, err := load(urls); err == nil || !strings.Contains(err.Error(), "DATABASE_REPLICA_URLS, number "+number+", is empty") {
			t.Errorf("%q: %v", urls, err)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}, {"exec", "--help"}} {
		out, err := program(t, []string{asProgram + "=1"}, args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "scratch") {
			t.Errorf("%q: %v, %s", args, err, out)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	contract, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, arg := range []string{"version", "--version"} {
		out, err := program(t, []string{asProgram + "=1"}, arg).CombinedOutput()
		if want := "pagila-api " + contract.Info.Version + " (commit "; err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %v, %s", arg, err, out)
		}
	}
	changelog, err := os.ReadFile("../../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	// The newest entry is the one of the contract's version.
	newest := regexp.MustCompile(`(?m)^## (.*)$`).FindStringSubmatch(string(changelog))
	if newest == nil || !strings.Contains(newest[1], contract.Info.Version) {
		t.Errorf("the newest entry of CHANGELOG.md is %q, want one for %s", newest, contract.Info.Version)
	}
}

// A malformed line of .env may contain a secret, so it is not shown.
func TestMalformedDotEnv(t *testing.T) {
	t.Parallel()
	cmd := program(t, []string{asProgram + "=1"})
	if err := os.WriteFile(filepath.Join(cmd.Dir, ".env"), []byte("OPENAI_API_KEY sk-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), ".env") || strings.Contains(string(out), "sk-secret") {
		t.Errorf("%v, %s", err, out)
	}
}

// Between the signal and the end the server is not ready, and continues to serve.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	s := serveProgram(t, environment(t, "DATABASE_URL="+pgtest.New(t), "DRAIN_DELAY=2s"))
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.wantStopping(t)
	if status, problem := s.get(t, "/readyz"); status != 503 || problem["code"] != "not_ready" {
		t.Errorf("readyz: %d %v", status, problem)
	}
	if status, _ := s.get(t, "/films"); status != 200 {
		t.Errorf("films: %d", status)
	}
	<-s.ended
	if s.err != nil {
		t.Error(s.err)
	}
}

// A second Ctrl-C ends the program at once. Even then no PostgreSQL process is left behind.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	env := environment(t, "DRAIN_DELAY=1m")
	s := serveProgram(t, env)
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	s.wantStopping(t)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ended := false; !ended; {
		if err := s.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case <-s.ended:
			ended = true
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("it does not end")
		}
	}
	if status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v", s.err)
	}
	wantNoPostgres(t, env)
}

// A job that migrates needs neither a token nor a language model.
func TestExecNeedsNoServer(t *testing.T) {
	t.Parallel()
	env := environment(t, "APP_ENV=production", "LLM_PROVIDER=clairvoyant", "DATABASE_URL="+pgtest.New(t))
	if out, err := program(t, env, "exec", "--", "true").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// A collector gets a span and metrics of each call to the model, but not the prompt.
func TestTelemetry(t *testing.T) {
	t.Parallel()
	// The recorded content also shows that the prompt comes from LLM_PROMPT_DIR.
	const edited = "You are an API in an edited prompt"
	prompts := t.TempDir()
	for _, name := range []string{"ask.prompt", "summary.prompt"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "llm", "prompts", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(prompts, name), []byte(strings.Replace(string(text), "You are an API", edited, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if traces := traced(t); strings.Contains(traces, "catalogue") {
		t.Errorf("the traces contain the prompt: %q", traces)
	}
	if traces := traced(t, "OTEL_RECORD_CONTENT=true", "LLM_PROMPT_DIR="+prompts); !strings.Contains(traces, edited) {
		t.Errorf("the traces do not contain the prompt: %q", traces)
	}
}

// traced runs the program with more variables in its environment, and returns the traces of a summary.
func traced(t *testing.T, env ...string) string {
	t.Helper()
	var mu sync.Mutex
	received := map[string]string{}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		received[r.URL.Path] += string(body)
	}))
	t.Cleanup(collector.Close)
	s := serveProgram(t, environment(t, append(env, "DATABASE_URL="+pgtest.New(t), "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)...))
	if status, _ := s.do(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`); status != 200 {
		t.Fatalf("status %d", status)
	}
	if err := s.stop(t, os.Interrupt); err != nil {
		t.Fatalf("%v: %s", err, s.stderr)
	}
	mu.Lock()
	defer mu.Unlock()
	for path, want := range map[string]string{"/v1/traces": "chat offline", "/v1/metrics": "gen_ai.client.operation.duration"} {
		if !strings.Contains(received[path], want) || !strings.Contains(received[path], "pagila-api") {
			t.Errorf("%s got %q", path, received[path])
		}
	}
	return received["/v1/traces"]
}

// A dump that is not Pagila is rejected each time, and leaves nothing that looks like a complete database.
func TestBadDump(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"pagila-schema.sql", "pagila-data.sql"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := environment(t, "PAGILA_DIR="+dir)
	for range 2 {
		if out, err := program(t, env).CombinedOutput(); err == nil || !strings.Contains(string(out), "pagila-schema.sql") {
			t.Errorf("%v: %s", err, out)
		}
	}
	if s := serveProgram(t, append(env, "PAGILA_DIR="+os.Getenv("PAGILA_DIR"))); !strings.Contains(s.banner, "is ready") {
		t.Errorf("after that: %s", s.banner)
	}
}

// The environment takes precedence over .env, and an empty variable counts as not set.
func TestDotEnv(t *testing.T) {
	t.Parallel()
	cmd := program(t, []string{asProgram + "=1", "LOG_LEVEL=loud", "LOG_FORMAT="})
	if err := os.WriteFile(filepath.Join(cmd.Dir, ".env"), []byte("LOG_LEVEL=quiet\nLOG_FORMAT=xml\nHTTP_ADDR=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := cmd.CombinedOutput()
	if got := string(out); !strings.Contains(got, `"loud"`) || !strings.Contains(got, `"xml"`) || strings.Contains(got, "HTTP_ADDR") {
		t.Errorf("got %s", got)
	}
}

// The limit of requests in flight depends on the pool, unless it is set.
func TestMaxInFlight(t *testing.T) {
	t.Parallel()
	for environ, want := range map[string]int{
		"": 512, "DATABASE_MAX_CONNS=5": 160, "DATABASE_MAX_CONNS=5 MAX_IN_FLIGHT=0": 160, "DATABASE_MAX_CONNS=5 MAX_IN_FLIGHT=3": 3,
	} {
		c, err := loadConfig(strings.Fields(environ), false)
		if err != nil || c.MaxInFlight != want {
			t.Errorf("%q: %d, %v, want %d", environ, c.MaxInFlight, err, want)
		}
	}
}

// .env.example has exactly the variables that the program reads.
func TestEnvExample(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("config.go")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range regexp.MustCompile("env:\"([A-Z_]+)\"").FindAllStringSubmatch(string(source), -1) {
		want = append(want, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+)=`).FindAllStringSubmatch(string(example), -1) {
		got = append(got, m[1])
	}
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+)=(.*)$`).FindAllStringSubmatch(string(example), -1) {
		cell := ""
		if m[2] != "" {
			cell = "`" + m[2] + "`"
		}
		if row := fmt.Sprintf("| `%s` | %s |", m[1], cell); !strings.Contains(string(readme), row) {
			t.Errorf("the README has no row %s", row)
		}
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf(".env.example does not have %s", name)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf(".env.example has %s, which nothing reads", name)
		}
	}
}

func dataDir(env []string) string {
	for _, entry := range env {
		if dir, ok := strings.CutPrefix(entry, "DATA_DIR="); ok {
			return dir
		}
	}
	return ""
}

// wantNoPostgres waits until the PostgreSQL server of the data directory has ended. It takes a moment to
// notice that its parent was killed.
func wantNoPostgres(t *testing.T, env []string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		pid, alive := postmaster(t, dataDir(env))
		if !alive {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the PostgreSQL process %d is still running", pid)
		}
	}
}

func postmaster(t *testing.T, dir string) (pid int, alive bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			continue // it has just been removed
		}
		first, _, _ := strings.Cut(string(content), "\n")
		if pid, err = strconv.Atoi(first); err == nil && syscall.Kill(pid, 0) == nil {
			return pid, true
		}
	}
	return 0, false
}
