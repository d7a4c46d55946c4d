package main

import (
	"bufio"
	"bytes"
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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/pagila-api/server/internal/testlog"
	"example.com/pagila-api/store/pgtest"
)

// Variables that describe another database affect neither the private one nor the commands of exec.
func TestPrivatePostgresIgnoresLibpq(t *testing.T) {
	t.Parallel()
	env := environment(t, "PGSERVICE=work", "PGHOST=db.invalid", "PGPORT=1", "PGUSER=nobody", "PGSSLMODE=verify-full",
		"PGOPTIONS=-c search_path=nowhere", "PGTZ=Asia/Tokyo", "PGDATESTYLE=SQL, DMY", "PGCONNECT_TIMEOUT=soon", "PGDATA=/nonexistent")
	s := serveProgram(t, env)
	if status, ready := s.get(t, "/readyz"); status != 200 {
		t.Errorf("readyz: %d %v", status, ready)
	}
	out, err := program(t, env, "exec", "--", "sh", "-c", "env | grep '^PG[A-Z]' || echo none").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "none") {
		t.Errorf("exec passes on: %v, %s", err, out)
	}
	if err := s.stop(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	out, err = program(t, env, "exec", "-serve", "--", "sh", "-c", `echo "at $PAGILA_URL"`).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "at http://") {
		t.Errorf("exec -serve: %v, %s", err, out)
	}
}

// freeAddress returns an address without a listener.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// blackHole accepts connections and sends nothing. close closes them.
type blackHole struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newBlackHole(t *testing.T) *blackHole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &blackHole{Listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.conns = append(h.conns, conn)
			h.mu.Unlock()
		}
	}()
	t.Cleanup(h.close)
	return h
}

func (h *blackHole) close() {
	h.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, conn := range h.conns {
		conn.Close()
	}
}

// starting starts the program and waits until it accepts connections. It may not be ready yet.
func starting(t *testing.T, env []string) (s *served, stdout *testlog.Buffer) {
	t.Helper()
	address := freeAddress(t)
	s = &served{cmd: program(t, append(env, "HTTP_ADDR="+address)), url: "http://" + address, stderr: &testlog.Buffer{}, ended: make(chan struct{})}
	stdout = &testlog.Buffer{}
	s.cmd.Stdout, s.cmd.Stderr = stdout, s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		s.cmd.Process.Signal(os.Interrupt)
		<-s.ended
	})
	waitUntil(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, s)
	return s, stdout
}

// waitUntil waits until a condition holds.
func waitUntil(t *testing.T, so func() bool, s *served) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", s.stderr)
		}
	}
}

// A first start takes long. Meanwhile probes succeed, and operations that need the database say what they are
// waiting for.
func TestServesWhileStarting(t *testing.T) {
	t.Parallel()
	proxy := newBlackHole(t) // the download waits here
	s, stdout := starting(t, environment(t, "PAGILA_DIR=", "HTTPS_PROXY=http://"+proxy.Addr().String()))
	if status, health := s.get(t, "/healthz"); status != 200 || health["status"] != "ok" {
		t.Errorf("healthz: %d %v", status, health)
	}
	waitUntil(t, func() bool { return strings.Contains(s.stderr.String(), "downloading") }, s)
	const detail = "The server is starting: restoring Pagila."
	for _, path := range []string{"/readyz", "/films", "/films/1", "/customers/1/rentals/1", "/ai/ask?question=comedies"} {
		if status, problem := s.get(t, path); status != 503 || problem["code"] != "not_ready" || problem["detail"] != detail {
			t.Errorf("%s: %d %v", path, status, problem)
		}
	}
	response, err := http.Post(s.url+"/ai/summary", "application/json", strings.NewReader(`{"film_id": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || response.Header.Get("X-Request-ID") == "" {
		t.Errorf("summary: %d %v", response.StatusCode, response.Header)
	}
	if status, _ := s.get(t, "/openapi.json"); status != 200 {
		t.Errorf("the contract: %d", status)
	}
	if status, _ := s.get(t, "/films?page=0"); status != 400 {
		t.Errorf("a malformed request: %d", status)
	}
	if log := s.stderr.String(); strings.Contains(log, "ERROR") {
		t.Errorf("an error is logged: %s", log)
	}
	proxy.close() // the download fails, so the sample is used
	waitUntil(t, func() bool { return strings.Contains(stdout.String(), "is ready") }, s)
	if status, ready := s.get(t, "/readyz"); status != 200 || ready["dataset"] != "sample" {
		t.Errorf("in the end: %d %v", status, ready)
	}
}

// Ctrl-C ends a start too, and leaves no PostgreSQL process behind.
func TestInterruptedStart(t *testing.T) {
	t.Parallel()
	env := environment(t, "PAGILA_DIR=", "HTTPS_PROXY=http://"+newBlackHole(t).Addr().String())
	s, _ := starting(t, env)
	waitUntil(t, func() bool { return strings.Contains(s.stderr.String(), "downloading") }, s)
	var exit *exec.ExitError
	if err := s.stop(t, os.Interrupt); !errors.As(err, &exit) || exit.ExitCode() != interrupted {
		t.Errorf("it ends with %v: %s", err, s.stderr)
	}
	wantNoPostgres(t, env)
}

// A database that does not respond does not delay the probes.
func TestHealthWithSilentDatabase(t *testing.T) {
	t.Parallel()
	hole := newBlackHole(t)
	s, stdout := starting(t, environment(t, fmt.Sprintf("DATABASE_URL=postgres://u:hunter2@%s/pagila?sslmode=disable", hole.Addr())))
	if status, health := s.get(t, "/healthz"); status != 200 || health["status"] != "ok" {
		t.Errorf("healthz: %d %v", status, health)
	}
	if strings.Contains(stdout.String(), "Ctrl-C") {
		t.Errorf("the banner precedes the response of healthz: %s", stdout)
	}
	waitUntil(t, func() bool { return strings.Contains(stdout.String(), "Ctrl-C") }, s)
	if got := stdout.String(); !strings.Contains(got, "did not respond in time") || strings.Contains(got, "hunter2") {
		t.Errorf("the banner: %s", got)
	}
	if strings.Contains(s.stderr.String(), "hunter2") {
		t.Errorf("the log has the password: %s", s.stderr)
	}
}

// The banner and the README rent different copies, and the banner's copy is always in stock.
func TestBannerRents(t *testing.T) {
	t.Parallel()
	env := environment(t)
	for range 2 {
		s := serveProgram(t, env)
		_, body, _ := strings.Cut(s.banner, "-d '")
		body, _, _ = strings.Cut(body, "'")
		if status, rental := s.do(t, http.MethodPost, "/customers/1/rentals", body); status != 201 {
			t.Errorf("%s: %d %v", body, status, rental)
		}
		if err := s.stop(t, os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	s := serveProgram(t, env)
	if status, rental := s.do(t, http.MethodPost, "/customers/1/rentals", `{"inventory_id": 1, "staff_id": 1}`); status != 201 {
		t.Errorf("the README's: %d %v", status, rental)
	}
}

// servePiped starts the program with pipes for its output and waits until it is ready. Nobody reads
// stderr.
func servePiped(t *testing.T, env []string) (s *served, stdout, stderr *os.File) {
	t.Helper()
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { outR.Close(); errR.Close() })
	s = &served{cmd: program(t, env), stderr: &testlog.Buffer{}, ended: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = outW, errW
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	outW.Close()
	errW.Close()
	lines := bufio.NewReader(outR)
	for !strings.Contains(s.banner, "Ctrl-C") {
		line, err := lines.ReadString('\n')
		s.banner += line
		if err != nil {
			t.Fatalf("the program ended early: %s", s.banner)
		}
	}
	s.url = bannerURL.FindStringSubmatch(s.banner)[1]
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		<-s.ended
	})
	return s, outR, errR
}

// The program shuts down in order even if the reader of its output, such as head, has ended.
func TestReaderOfOutputEnds(t *testing.T) {
	t.Parallel()
	env := environment(t)
	s, stdout, stderr := servePiped(t, env)
	stdout.Close()
	stderr.Close()
	for range 3 {
		if status, _ := s.get(t, "/films/1"); status != 200 {
			t.Errorf("films: %d", status)
		}
	}
	if err := s.stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("it ended with %v", err)
	}
	wantNoPostgres(t, env)
}

// fillPipe sends requests until their log lines exceed a pipe and the backlog.
func fillPipe(t *testing.T, s *served) {
	t.Helper()
	path := "/nowhere/" + strings.Repeat("x", 180)
	for range 5000 {
		response, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != 404 {
			t.Fatalf("status %d", response.StatusCode)
		}
	}
}

// While nobody reads the log, the program serves requests, and shuts down in order.
func TestLogIsNotRead(t *testing.T) {
	t.Parallel()
	env := environment(t)
	s, _, _ := servePiped(t, env)
	fillPipe(t, s)
	if status, _ := s.get(t, "/films/1"); status != 200 {
		t.Errorf("films: %d", status)
	}
	if err := s.stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("it ended with %v", err)
	}
	wantNoPostgres(t, env)
}

// A second signal ends the program at once, whether or not anybody reads the log.
func TestSecondSignalWithFullLog(t *testing.T) {
	t.Parallel()
	s, _, stderr := servePiped(t, environment(t, "DATABASE_URL="+pgtest.New(t), "DRAIN_DELAY=1m"))
	fillPipe(t, s)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, func() bool {
		status, _ := s.get(t, "/readyz")
		return status == 503
	}, s)
	if err := s.stop(t, syscall.SIGTERM); err == nil || s.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", err)
	}
	stderr.Close()
}

// Output that nobody reads is dropped in whole writes, counted, and reported to the next reader.
func TestLossyWriter(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	w := newNonblockingWriter(writer)
	w.setOnLoss(func(lost int) { fmt.Fprintf(w, "lost %d\n", lost) })
	line := []byte(strings.Repeat("x", 1023) + "\n")
	const lines = 3 * maxBacklog / 1024
	for range lines {
		if n, err := w.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	read := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(reader)
		read <- all
	}()
	w.flush()
	writer.Close()
	got := <-read
	kept, lost := bytes.Count(got, line), 0
	for _, report := range regexp.MustCompile(`lost (\d+)`).FindAllSubmatch(got, -1) {
		n, err := strconv.Atoi(string(report[1]))
		if err != nil {
			t.Fatal(err)
		}
		lost += n
	}
	if kept < maxBacklog/1024 || kept+lost != lines {
		t.Errorf("of %[3]d lines, %[1]d are kept and %[2]d are reported as lost", kept, lost, lines)
	}
}

// No request on a kept connection is lost when the server stops under load.
func TestNoRequestLostAtTheEnd(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	for _, delay := range []string{"0s", "200ms"} {
		s := serveProgram(t, environment(t, "DATABASE_URL="+url, "DRAIN_DELAY="+delay, "LOG_LEVEL=warn"))
		var clients sync.WaitGroup
		var done, lost atomic.Int64
		for range 8 {
			clients.Go(func() { lost.Add(keepAsking(strings.TrimPrefix(s.url, "http://"), &done)) })
		}
		waitUntil(t, func() bool { return done.Load() > 100 }, s)
		if err := s.stop(t, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		clients.Wait()
		if lost.Load() > 0 {
			t.Errorf("delay %[1]s: %[2]d of %[3]d requests are lost", delay, lost.Load(), done.Load())
		}
	}
}

// keepAsking sends requests on kept connections until the server stops listening. It returns the number of
// requests without a response.
func keepAsking(address string, done *atomic.Int64) (lost int64) {
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return lost
		}
		in := bufio.NewReader(conn)
		for fresh, open := true, true; open; fresh = false {
			fmt.Fprintf(conn, "GET /films/1 HTTP/1.1\r\nHost: %s\r\n\r\n", address)
			response, err := http.ReadResponse(in, nil)
			if err != nil {
				if !fresh { // a new connection may wait for a server that has just stopped accepting
					lost++
				}
				break
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			done.Add(1)
			open = !response.Close
		}
		conn.Close()
	}
}

// Every command warns once about a variable that looks misspelt: otherwise migrate down with DATABSE_URL would
// silently work on the private database.
func TestEveryCommandWarns(t *testing.T) {
	t.Parallel()
	const want = "LLM_PROVIDR in the environment is not known: did you mean LLM_PROVIDER?"
	env := environment(t, "DATABASE_URL="+pgtest.New(t), "LLM_PROVIDR=openai")
	for _, args := range [][]string{
		{"migrate", "status"}, {"migrate", "apply"}, {"migrate", "down"}, {"fetch-postgres", "-if-needed"},
		{"exec", "--", "true"}, {"exec", "-serve", "--", "true"},
	} {
		var stderr bytes.Buffer
		cmd := program(t, env, args...)
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil || strings.Count(stderr.String(), want) != 1 {
			t.Errorf("%q: %v, %q, want %q in it once", args, err, stderr.String(), want)
		}
	}
	s := serveProgram(t, env)
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	if log := s.stderr.String(); strings.Count(log, want) != 1 || !strings.Contains(log, "level=WARN") {
		t.Errorf("serve: %q, want %q in it once, as a warning", log, want)
	}
}

// A variable of .env that resembles a known one is reported with the probable name.
func TestMisspeltVariables(t *testing.T) {
	t.Parallel()
	cmd := program(t, []string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "DATABASE_URL=" + pgtest.New(t), "DATA_BASE_URL=x", "HTTP_PROXY=http://127.0.0.1:1", "API_KEY=x"}, "exec", "--", "true")
	dotEnv := "HTTP_ADR=:1\nLLM_PROVIDR=openai\ndrain_delay=1s\nTRUSTED_PROXYS=\nLLM_TEMPERATURE=1\nCOMPOSE_PROJECT_NAME=x\nOTEL_BLRP_MAX_QUEUE_SIZE=1\nOTEL_EXPORTER_OTLP_HEADER=secret-key\nHTTP_PROXY=x\nAPI_TOKEN=x\n"
	if err := os.WriteFile(filepath.Join(cmd.Dir, ".env"), []byte(dotEnv), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"HTTP_ADR in .env is not known: did you mean HTTP_ADDR?",
		"LLM_PROVIDR in .env is not known: did you mean LLM_PROVIDER?",
		"drain_delay in .env is not known: did you mean DRAIN_DELAY?",
		"LLM_TEMPERATURE in .env is not known",
		"did you mean OTEL_EXPORTER_OTLP_HEADERS?",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	for _, alarm := range []string{"PROXY", "API_", "COMPOSE", "BLRP", "DATA_BASE", "PATH", "secret-key"} {
		if strings.Contains(string(out), alarm) {
			t.Errorf("%s is in %s", alarm, out)
		}
	}
}

func TestMisspeltInTheEnvironment(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"DATABSE_URL": "DATABASE_URL", "database_url": "DATABASE_URL", "LLM_MAX_CALL": "LLM_MAX_CALLS", "PGBINDIR": "PG_BINDIR", "app_env": "APP_ENV",
		"HTTP_PROXY": "", "http_proxy": "", "API_KEY": "", "LOG_FILE": "", "HTTP_HOST": "", "XDG_DATA_DIRS": "", "LLM_MODELLE": "LLM_MODEL", "APP_END": "",
	} {
		got := strings.Join(misspelt(map[string]string{name: "x"}, nil), "\n")
		if want == "" && got != "" || want != "" && !strings.HasSuffix(got, "did you mean "+want+"?") {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
	}
}

// Quotes and whitespace around a value are not part of it, in the environment and in .env.
func TestQuotedValues(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	for _, quoted := range []string{`"` + url + `"`, `'` + url + `'`, "  " + url + "\t\r", `" ` + url + ` "`} {
		cmd := program(t, environment(t, "DATABASE_URL="+quoted, "LOG_LEVEL='info'", `HTTP_ADDR=" :0"`), "exec", "--", "sh", "-c", `printf %s "$DATABASE_URL"`)
		if out, err := cmd.Output(); err != nil || !strings.HasPrefix(string(out), "postgres://") || strings.ContainsAny(string(out), "\"' ") {
			t.Errorf("%q: %q, %v", quoted, out, err)
		}
	}
}

func TestMalformedDatabaseURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"POSTGRES://u:hunter2@host/db?sslmode=require":              "not a connection string",
		"jdbc:postgresql://u:hunter2@host/db?ssl=true":              "not a connection string",
		"postgresql+psycopg://u:hunter2@host/db":                    "not a connection string",
		`"postgres://u:hunter2@host/db?sslmode=require`:             "not a connection string",
		"postgres://u:hunter2@host:port/db":                         "not a connection string",
		"postgres://u:hunter2%@host/db":                             "not a connection string",
		"hunter2":                                                   "not a connection string",
		"postgres://u:hunter2@host/db?sslrootcert=/nonexistent/ca":  "/nonexistent/ca",
		"postgres://u:hunter2@host/db?service=a&servicefile=/none":  "/none",
		"host=localhost dbname=pagila password='hunter2":            "not a connection string",
		"postgres://u:hunter2@host/db?target_session_attrs=hunter2": "not a connection string",
	} {
		err := checkDatabaseURL("DATABASE_URL", url)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "DATABASE_URL") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
	for _, url := range []string{"postgres://localhost", "postgresql://u:p%40@a:1,b:2/db?search_path=x", "host=/tmp dbname=pagila", "postgres:///pagila?host=/tmp&statement_timeout=1s"} {
		if err := checkDatabaseURL("DATABASE_URL", url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// The URL of the collector may have any form, and OpenTelemetry's own variables work in .env as in the
// environment.
func TestTelemetrySettings(t *testing.T) {
	t.Parallel()
	type received struct{ path, key, body string }
	for name, test := range map[string]struct {
		endpoint string // after the collector's address
		dotEnv   string
		path     string
		key      string // of the header
		want     string // in the resource
		without  string
	}{
		"a slash":       {endpoint: "/", path: "/v1/traces", want: "pagila-api"},
		"a path":        {endpoint: "/otlp/", path: "/otlp/v1/traces", dotEnv: "OTEL_SERVICE_NAME=rentals\nOTEL_EXPORTER_OTLP_HEADERS=key=k1\n", key: "k1", want: "rentals", without: "pagila-api"},
		"a query":       {endpoint: "/a/b?x=y", path: "/a/b/v1/traces", dotEnv: "OTEL_RESOURCE_ATTRIBUTES=\"service.name=shop,zone=west\"\n", want: "west", without: "pagila-api"},
		"of the signal": {endpoint: "/unused", path: "/own", dotEnv: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=COLLECTOR/own\n", want: "pagila-api"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requests := make(chan received, 100)
			collector := newCollector(t, func(r *http.Request, body string) {
				if strings.Contains(body, "chat offline") {
					requests <- received{r.URL.Path, r.Header.Get("key"), body}
				}
			})
			env := environment(t, "DATABASE_URL="+pgtest.New(t), "OTEL_EXPORTER_OTLP_ENDPOINT="+collector+test.endpoint)
			s := serveIn(t, env, strings.ReplaceAll(test.dotEnv, "COLLECTOR", collector))
			if status, _ := s.do(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`); status != 200 {
				t.Fatalf("status %d", status)
			}
			if err := s.stop(t, os.Interrupt); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-requests:
				resource, _, _ := strings.Cut(got.body, "example.com/pagila-api")
				if got.path != test.path || got.key != test.key || !strings.Contains(resource, test.want) || test.without != "" && strings.Contains(resource, test.without) {
					t.Errorf("got %+q, want %+v", got, test)
				}
			default:
				t.Errorf("no spans: %s", s.stderr)
			}
		})
	}
	// The specification's own variable switches telemetry off.
	env := environment(t, "DATABASE_URL="+pgtest.New(t), "OTEL_EXPORTER_OTLP_ENDPOINT="+newCollector(t, func(r *http.Request, _ string) { t.Errorf("a request to %s", r.URL) }))
	s := serveIn(t, env, "OTEL_SDK_DISABLED=true\n")
	if status, _ := s.do(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`); status != 200 {
		t.Errorf("status %d", status)
	}
	if err := s.stop(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
}

// newCollector starts a collector of spans and metrics and returns its address.
func newCollector(t *testing.T, receive func(r *http.Request, body string)) string {
	t.Helper()
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		receive(r, string(body))
	}))
	t.Cleanup(collector.Close)
	return collector.URL
}

// If the upstream does not have the model, the log says so and names the remedy, and everything else works.
// The model's timeouts are those of the environment.
func TestStartWithMissingModel(t *testing.T) {
	t.Parallel()
	asked, silent := make(chan struct{}, 1), make(chan struct{})
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/tags" {
			fmt.Fprint(w, `{"models":[{"name":"llama3.2:latest"}]}`)
			asked <- struct{}{}
			return
		}
		body, err := io.ReadAll(r.Body)
		if err == nil && !strings.Contains(string(body), `"stream":true`) { // a summary
			fmt.Fprint(w, `{"choices":`)
			w.(http.Flusher).Flush()
		}
		select { // and sends nothing more
		case <-silent:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(model.Close)
	t.Cleanup(func() { close(silent) })
	s := serveProgram(t, environment(t, "DATABASE_URL="+pgtest.New(t), "LLM_PROVIDER=ollama", "LLM_MODEL=lama", "OLLAMA_HOST="+model.URL,
		"LLM_FIRST_BYTE_TIMEOUT=1100ms", "LLM_IDLE_TIMEOUT=1200ms"))
	<-asked
	const problem = `may not have the model "lama"`
	for said := ""; !strings.Contains(said, problem); { // until the check has finished
		status, ready := s.get(t, "/readyz")
		if said = fmt.Sprint(ready); status != 200 {
			t.Fatalf("/readyz: %d %s", status, said)
		}
	}
	log := s.stderr.String()
	for _, want := range []string{"level=WARN", "lama", "llama3.2:latest", "ollama pull lama", "OLLAMA_CONTEXT_LENGTH"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not have %q: %s", want, log)
		}
	}
	if status, problem := s.get(t, "/ai/ask?question=Why%3F"); status != http.StatusGatewayTimeout {
		t.Errorf("a model without a first byte: status %d, %v", status, problem)
	}
	if status, problem := s.do(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`); status != http.StatusGatewayTimeout {
		t.Errorf("a model that falls silent: status %d, %v", status, problem)
	}
	for _, want := range []string{"no content for 1.1s", "no data for 1.2s"} {
		for !strings.Contains(s.stderr.String(), want) { // the line is still in the pipe
			s.get(t, "/healthz")
		}
	}
}
