package chaostest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/pagila-api/server/internal/testprogram"
	"example.com/pagila-api/store/localpg/binaries"
	"example.com/pagila-api/store/pgtest"
)

// killServer kills the server in the middle of rentals, and starts another one on the same database.
func killServer(tr *trial) {
	p := tr.serve(tr.cluster.url())
	stop := tr.traffic(clients, pace)
	defer stop()
	for range repeats {
		tr.waitProgress()
		p.Kill()
		p = tr.serve(tr.cluster.url())
		tr.waitProgress()
	}
	stop()
	tr.measureOutage(0, http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable)
}

// drain stops a server whose clients have kept their connections.
func drain(tr *trial) {
	const connections = 16
	p := tr.serve(tr.cluster.url(), "DRAIN_DELAY=2s")
	address := strings.TrimPrefix(p.URL, "http://")
	ready := tr.probe("/readyz")
	var wg sync.WaitGroup
	var lost atomic.Int64
	for range connections {
		wg.Go(func() { lost.Add(tr.keepConnections(address)) })
	}
	tr.waitProgress()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		tr.Errorf("it ended with %v", err)
	}
	wg.Wait()
	probes := ready()
	if lost.Load() > 0 {
		tr.Errorf("%d requests got no response", lost.Load())
	}
	if probes[http.StatusServiceUnavailable] == 0 {
		tr.Errorf("/readyz while it drained: %s", summary(probes))
	}
	log := strings.Count(p.Stderr.String(), "level=ERROR")
	if log > 0 {
		tr.Errorf("errors are logged: %s", p.Stderr)
	}
	delete(probes, 0) // after the end
	tr.ledger.wantOnly(tr.T, http.StatusOK, http.StatusCreated)
	tr.measure("%s; %d without a response; /readyz: %s; %d errors logged; %s",
		summary(tr.ledger.counts()), lost.Load(), summary(probes), log, tr.audit())
}

// keepConnections sends requests on kept connections until the server stops listening. It returns the number of
// requests on an open connection that got no response.
func (tr *trial) keepConnections(address string) (lost int64) {
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return lost
		}
		in := bufio.NewReader(conn)
		for fresh, open := true, true; open; fresh = false {
			r := tr.mix.next()
			status, body, last, err := exchange(conn, in, r)
			switch {
			case err == nil:
				r.done(status, body)
			case !fresh: // a new connection may wait for a server that has just stopped accepting
				lost++
			}
			open = err == nil && !last
		}
		conn.Close()
	}
}

// exchange sends a request on a connection, and reports whether the response is the last one there.
func exchange(conn net.Conn, in *bufio.Reader, r request) (status int, body []byte, last bool, err error) {
	if _, err := conn.Write(wire(r, conn.RemoteAddr().String())); err != nil {
		return 0, nil, true, err
	}
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0, nil, true, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, response.Close, err
}

// overload has more clients than the server can serve at once.
func overload(tr *trial, n int) {
	const length = 8 * time.Second
	tr.serve(tr.cluster.url())
	ready := tr.probe("/readyz")
	tr.ledger.restart()
	begin := time.Now()
	stop := tr.traffic(n, 0)
	defer stop()
	asking := newLedger()
	ctx, cancel := context.WithTimeout(tr.Context(), length)
	defer cancel()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				status, body := tr.get("/ai/ask?question=Which+comedies+are+rated+PG%3F")
				asking.response(ask, status, body)
			}
		})
	}
	wg.Wait()
	stop()
	took := time.Since(begin)
	probes := ready()
	tr.wantReady("/readyz", probes)
	asking.wantOnly(tr.T, http.StatusOK, http.StatusServiceUnavailable)
	slowest := tr.ledger.slowest()
	tr.measureOutage(http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable)
	tr.measured = fmt.Sprintf("%.0f requests/s, the slowest took %s: %s; questions: %s; /readyz: %s",
		float64(tr.ledger.successes())/took.Seconds(), seconds(slowest), tr.measured, summary(asking.counts()), summary(probes))
}

// slowClients has three kinds of clients, which occupy the server for as long as it permits.
func slowClients(tr *trial) {
	const each = 100
	p := tr.serve(tr.cluster.url())
	address := strings.TrimPrefix(p.URL, "http://")
	stop := tr.traffic(clients, pace)
	defer stop()
	ready := tr.probe("/readyz")
	var wg sync.WaitGroup
	var headers, bodies longest
	for range each {
		wg.Go(func() { headers.add(tr.drip(address, "GET /films HTTP/1.1\r\nHost: x\r\nX-Slow: ")) })
		wg.Go(func() {
			bodies.add(tr.drip(address, "POST /customers/1/rentals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+
				"\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"))
		})
		conn := tr.dial(address)
		for range 50 { // responses that nobody reads, until the connection is full
			fmt.Fprintf(conn, "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
		}
	}
	wg.Wait()
	stop()
	probes := ready()
	tr.wantReady("/readyz", probes)
	slowest := tr.ledger.slowest()
	tr.measureOutage(http.StatusOK, http.StatusCreated)
	tr.measured = fmt.Sprintf("headers: disconnected after at most %s; bodies: after %s; all others: %s; the slowest took %s; /readyz: %s",
		seconds(headers.value()), seconds(bodies.value()), tr.measured, seconds(slowest), summary(probes))
}

// longest is a maximum for concurrent use.
type longest struct {
	mu sync.Mutex
	d  time.Duration
}

func (l *longest) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.d = max(l.d, d)
}

func (l *longest) value() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.d
}

// dial connects to the server until the test ends.
func (tr *trial) dial(address string) net.Conn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		tr.Fatal(err)
	}
	tr.Cleanup(func() { conn.Close() })
	return conn
}

// drip sends the beginning of a request, and then a byte now and then. It returns how long the server permitted that.
func (tr *trial) drip(address, beginning string) time.Duration {
	const every, limit = 200 * time.Millisecond, time.Minute
	begin := time.Now()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		tr.Error(err)
		return 0
	}
	defer conn.Close()
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = io.Copy(io.Discard, conn) }()
	_, err = io.WriteString(conn, beginning)
	for ; err == nil && time.Since(begin) < limit; _, err = conn.Write([]byte("x")) {
		select {
		case <-ended:
			return time.Since(begin)
		case <-time.After(every):
		}
	}
	if err == nil {
		tr.Errorf("the server let a client send for %s: %s", limit, beginning)
	}
	return time.Since(begin)
}

// fewDescriptors has more connections than the server may have open files.
func fewDescriptors(tr *trial) {
	const files, connections = 64, 200
	needProc(tr.T)
	cmd := tr.command(tr.cluster.url())
	cmd.Args = []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0"`, files), cmd.Path}
	cmd.Path = "/bin/sh"
	p := tr.start(cmd)
	address := strings.TrimPrefix(p.URL, "http://")
	conns := make([]net.Conn, connections)
	for i := range conns {
		conns[i] = tr.dial(address)
	}
	tr.waitUntil("the server to run out of files", func() bool {
		return descriptors(tr.T, p.Cmd.Process.Pid) >= files
	})
	for _, conn := range conns {
		conn.Close()
	}
	begin := time.Now()
	stop := tr.traffic(clients, pace)
	defer stop()
	tr.waitProgress()
	took := time.Since(begin)
	stop()
	tr.measureOutage(http.StatusOK, http.StatusCreated)
	tr.measured = fmt.Sprintf("%d requests within %s after the connections were closed: %s", progress, seconds(took), tr.measured)
	if err := p.Stop(); err != nil {
		tr.Errorf("it ended with %v", err)
	}
}

// blockLog leaves the server's log unread, and then closes its reader.
func blockLog(tr *trial) {
	reader, writer, err := os.Pipe()
	if err != nil {
		tr.Fatal(err)
	}
	defer reader.Close()
	cmd := tr.command(tr.cluster.url(), "LOG_LEVEL=info")
	cmd.Stderr = writer
	p := tr.start(cmd)
	writer.Close()
	stop := tr.traffic(clients, 0)
	defer stop()
	const lines = 300 // more than a pipe keeps; the server keeps the others, up to a megabyte
	tr.waitUntil("the pipe to be full", func() bool { return tr.ledger.successes() > lines })
	reader.Close()
	tr.waitProgress()
	stop()
	tr.measureOutage(http.StatusOK, http.StatusCreated)
	begin := time.Now()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		tr.Errorf("it ended with %v", err)
	}
	tr.measured += "; it ended gracefully after " + seconds(time.Since(begin))
}

// startInSilence starts the server with a database that accepts connections and sends nothing.
func startInSilence(tr *trial) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tr.Fatal(err)
	}
	tr.Cleanup(func() { listener.Close() }) // the kernel accepts connections
	address := freeAddress(tr)
	cmd := tr.command("postgres://u@"+listener.Addr().String()+"/pagila?sslmode=disable", "HTTP_ADDR="+address)
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		tr.Fatal(err)
	}
	tr.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	url := "http://" + address
	tr.url.Store(&url)
	tr.waitUntil("the server to be alive", func() bool {
		status, _ := tr.get("/healthz")
		return status == http.StatusOK
	})
	alive := time.Since(begin)
	for _, path := range []string{"/readyz", "/films"} {
		status, body := tr.get(path)
		tr.wantProblem(status, body, http.StatusServiceUnavailable)
	}
	tr.measure("/healthz was 200 %s after the start; /readyz and /films were 503", seconds(alive))
}

// freeAddress returns an address without a listener.
func freeAddress(tr *trial) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tr.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// startTwice starts two servers on a new directory of data at the same time.
func startTwice(tr *trial) {
	binDir, err := binaries.Find(tr.Context())
	if err != nil {
		tr.Fatal(err)
	}
	type result struct {
		address string
		log     *bytes.Buffer
		err     error
	}
	data := tr.TempDir() + "/data"
	ended := make(chan result, 2)
	addresses := []string{freeAddress(tr), freeAddress(tr)}
	for _, address := range addresses {
		cmd := testprogram.Command(tr, tr.binary, "DATA_DIR="+data, "PG_BINDIR="+binDir, "PAGILA_DIR="+os.Getenv("PAGILA_DIR"),
			"HTTP_ADDR="+address, "HTTPS_PROXY=http://127.0.0.1:1")
		var log bytes.Buffer
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			tr.Fatal(err)
		}
		done := make(chan struct{})
		go func() { err := cmd.Wait(); close(done); ended <- result{address, &log, err} }()
		tr.Cleanup(func() { cmd.Process.Signal(os.Interrupt); <-done })
	}
	begin := time.Now()
	first := <-ended
	if first.err == nil || !strings.Contains(first.log.String(), "DATA_DIR") {
		tr.Errorf("one of them ended with %v: %s", first.err, first.log)
	}
	other := "http://" + addresses[0]
	if first.address == addresses[0] {
		other = "http://" + addresses[1]
	}
	tr.url.Store(&other)
	tr.waitUntil("the other one to be ready", func() bool {
		status, _ := tr.get("/readyz")
		return status == http.StatusOK
	})
	tr.measure("one ended with %v and names DATA_DIR; the other was ready after %s", first.err, seconds(time.Since(begin)))
}

// migrateTwice runs the command that migrates a database twice at the same time.
func migrateTwice(tr *trial) {
	databaseURL := pgtest.Pristine(tr)
	errs := make(chan error, 2)
	for range cap(errs) {
		cmd := testprogram.Command(tr, tr.binary, "DATABASE_URL="+databaseURL)
		cmd.Args = append(cmd.Args, "migrate")
		go func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			errs <- err
		}()
	}
	if err := errors.Join(<-errs, <-errs); err != nil {
		tr.Error(err)
	}
	applied := pgtest.ValueAt[int](tr, databaseURL, "SELECT count(*) FROM atlas_schema_revisions")
	tr.serve(databaseURL)
	status, _ := tr.get("/readyz")
	if status != http.StatusOK {
		tr.Errorf("/readyz: %d", status)
	}
	tr.measure("both ended with success; %d migrations are recorded; /readyz: %d", applied, status)
}
