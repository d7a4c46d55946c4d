package main

import (
	"context"
	"flag"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"example.com/pagila-api/server/bench/wire"
	"example.com/pagila-api/store/pgtest"
)

var update = flag.Bool("update", false, "rewrite testdata/cost.tsv")

const (
	// costWarmUp is the number of requests after which the pools, the caches and the prepared statements are filled.
	costWarmUp = 30
	// costRequests is the number of requests that are counted.
	costRequests = 100
)

// TestCost compares what requests cost with testdata/cost.tsv. It runs the program's service in this process, on the
// built-in sample, whatever PAGILA_DIR says.
func TestCost(t *testing.T) { //nolint:paralleltest // it counts what the whole process allocates
	if underRaceDetector() {
		t.Skip("the race detector allocates: make bench-check runs this test without it")
	}
	path := filepath.Join("testdata", "cost.tsv")
	committed, err := readCosts(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	measured := costs{goVersion: goVersion(), rows: map[string]cost{}}
	countRoundTrips(t, measured)
	countProcess(t, measured)
	if !*update {
		compareCosts(t, committed, measured)
		return
	}
	if err := measured.write(path, committed); err != nil {
		t.Fatal(err)
	}
}

// countRoundTrips counts what the service sends to PostgreSQL.
func countRoundTrips(t *testing.T, into costs) {
	t.Helper()
	url := pgtest.Sample(t, "")
	tap, err := wire.Listen(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	shop := openShop(t, url, tap.URL())
	for _, o := range operations {
		shop.send(t, o, shop.prepare(t, o, costWarmUp)...)
		requests := shop.prepare(t, o, costRequests)
		tap.Take()
		shop.send(t, o, requests...)
		trips := tap.Take()
		statements := 0
		for _, trip := range trips {
			statements += len(trip.Statements)
			if len(trip.Prepared) > 0 {
				t.Errorf("%s: a statement is prepared again: %s", o.name, trip.Prepared)
			}
		}
		if len(trips)%costRequests != 0 || statements%costRequests != 0 {
			t.Errorf("%s: %d round trips and %d statements of %d equal requests", o.name, len(trips), statements, costRequests)
		}
		into.rows[o.name] = cost{roundTrips: len(trips) / costRequests, statements: statements / costRequests}
	}
	shop.close(t)
}

// countProcess counts what happens in this process.
func countProcess(t *testing.T, into costs) {
	t.Helper()
	url := pgtest.Sample(t, "")
	shop := openShop(t, url, url)
	// On one processor there is one set of pools, and goroutines take turns in the same order each time.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	counter, err := newInstructionCounter()
	if err != nil {
		t.Logf("instructions are not counted: %v", err)
	}
	defer counter.close()
	for _, o := range operations {
		row := into.rows[o.name]
		row.allocations, row.instructions = shop.count(t, o, counter)
		into.rows[o.name] = row
	}
	shop.close(t)
}

// count returns the objects that a request allocates, and the instructions that it executes. Both vary by chance: when
// a query is over, database/sql chooses at random between two reasons, and one of them is allocated. Other goroutines
// add to them, too. So the number is the lowest decile: what nearly all requests cost at least. There is no collection
// of garbage meanwhile, because it empties the pools.
func (s *shop) count(t *testing.T, o operation, counter *instructionCounter) (allocations, instructions int) {
	t.Helper()
	requests := s.prepare(t, o, costWarmUp+costRequests)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	s.send(t, o, requests[:costWarmUp]...)
	allocated, executed := make([]int, costRequests), make([]int, costRequests)
	var before, after runtime.MemStats
	for i, request := range requests[costWarmUp:] {
		runtime.ReadMemStats(&before)
		began := counter.read()
		s.send(t, o, request)
		for range 50 { // the server has something left to do after the response
			runtime.Gosched()
		}
		executed[i] = counter.read() - began
		runtime.ReadMemStats(&after)
		allocated[i] = int(after.Mallocs - before.Mallocs)
	}
	return lowestDecile(allocated), lowestDecile(executed)
}

func lowestDecile(counts []int) int {
	slices.Sort(counts)
	return counts[len(counts)/10]
}

// shop is the program's service, and a client with one connection to it.
type shop struct {
	databaseURL string
	conn        net.Conn
	buffer      []byte
	stop        context.CancelFunc
	stopped     chan error
}

const costToken, costPassword = "cost-token-for-production", "cost-password"

// openShop starts the service with the settings of production, as users run it.
func openShop(t *testing.T, databaseURL, throughURL string) *shop {
	t.Helper()
	config, err := loadConfig([]string{
		"HOME=" + t.TempDir(), "APP_ENV=production", "API_TOKEN=" + costToken, "API_PASSWORD=" + costPassword, "TOKEN_RATE_LIMIT=0", "DRAIN_DELAY=0s",
		"DATABASE_URL=" + throughURL, "OPS_ADDR=127.0.0.1:0",
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &shop{databaseURL: databaseURL, buffer: make([]byte, 1<<20), stop: cancel, stopped: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		s.stopped <- serveOn(ctx, config, listener, io.Discard, newNonblockingWriter(io.Discard), func() { close(ready) })
	}()
	select {
	case <-ready:
	case err := <-s.stopped:
		t.Fatal(err)
	}
	if s.conn, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shop) close(t *testing.T) {
	t.Helper()
	s.conn.Close()
	s.stop()
	if err := <-s.stopped; err != nil {
		t.Error(err)
	}
}

// prepare returns the bytes of n requests.
func (s *shop) prepare(t *testing.T, o operation, n int) [][]byte {
	t.Helper()
	values := make([]string, n)
	if o.values != nil {
		values = o.values(t, s, n)
	}
	requests := make([][]byte, n)
	for i, value := range values {
		requests[i] = o.request(value)
	}
	return requests
}

// send sends requests one by one. It allocates nothing.
func (s *shop) send(t *testing.T, o operation, requests ...[]byte) {
	t.Helper()
	for _, request := range requests {
		response, err := s.exchange(request)
		if err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		if string(response[len("HTTP/1.1 "):][:3]) != o.status {
			t.Fatalf("%s: %.600s", o.name, response)
		}
	}
}

func underRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
