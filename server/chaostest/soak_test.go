package chaostest

import (
	"cmp"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/pagila-api/server/bench/load"
	"example.com/pagila-api/server/internal/testprogram"
)

// The variables with the duration of a soak, and with the time from one restart of PostgreSQL to the next.
const (
	soakDurationName  = "SOAK_DURATION"
	restartsEveryName = "SOAK_RESTARTS_EVERY"
)

const (
	// peakClients find the peak in a closed loop, which warms up first.
	peakClients  = 16
	warmUp       = 10 * time.Second
	peakDuration = 30 * time.Second
	// partOfPeak is the load of a soak.
	partOfPeak = 0.7
	// soakClients is the number of connections, so many that requests hardly ever wait for one.
	soakClients = 64
	// periods is the number of parts of a soak. Unless a variable says otherwise, PostgreSQL is restarted after each but
	// the last.
	periods = 6
	// soakCycle is the number of requests of which one rents.
	soakCycle = 20
	// poolSize is the default size of the server's pool.
	poolSize = 16
	// stretch is how long the load generator runs at a time, because it keeps each latency.
	stretch = 10 * time.Second
	// sampleEvery is the time between two looks at the server's memory, and samplesOfMean how many of them make a mean.
	sampleEvery   = 2 * time.Second
	samplesOfMean = 15
	// maxErrors is how many errors of the server's log are shown.
	maxErrors = 20
	// settleTimeout bounds the wait until the server has closed what belonged to the clients.
	settleTimeout = 30 * time.Second

	// The promises.
	maxFailed = 0.001
	maxGrowth = 0.10
	// maxMore is how many more file descriptors and goroutines there may be after a soak than after the peak, because the
	// number of connections in the pool varies.
	maxMore = 8
)

// TestSoak runs the server for a long time at a load that it can sustain, while PostgreSQL is restarted now and then.
func TestSoak(t *testing.T) {
	length := duration(t, soakDurationName)
	if length == 0 {
		t.Skip("it takes long: run make soak")
	}
	needProc(t)
	every := cmp.Or(duration(t, restartsEveryName), length/periods)
	s := &soak{t: t, length: length, every: every, cluster: newCluster(t), binary: testprogram.Build(t, nil)}
	s.db = s.cluster.open(t)
	s.measurePeak()
	s.run()
	writeReport(t, soakTitle, s.report())
}

// duration returns the duration in a variable, or 0 if there is none.
func duration(t *testing.T, name string) time.Duration {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s is %q, want a duration", name, text)
	}
	return d
}

// soak is one run.
type soak struct {
	t       *testing.T
	length  time.Duration
	every   time.Duration // from one restart to the next
	cluster *cluster
	db      *sql.DB
	binary  string

	peak         float64 // requests per second
	loadAtPeak   string
	ledger       *ledger
	balance      balance
	sent         int
	p99, slowest []time.Duration // of each stretch
	samples      []float64       // of the memory, in MB
	warm, end    float64
	most         float64
	before       rest
	after        rest
	restarts     int
}

// rest is what a server holds when its clients have left.
type rest struct{ descriptors, goroutines int }

// watched is a server with its log in a file, because it is long.
type watched struct {
	*testprogram.Program
	log  string
	idle int // the file descriptors before the first client came
}

func (s *soak) start() watched {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "log")
	log, err := os.Create(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := testprogram.Command(s.t, s.binary, "DATABASE_URL="+s.cluster.url())
	cmd.Stderr = log
	p := testprogram.Start(s.t, cmd)
	return watched{p, path, descriptors(s.t, cmd.Process.Pid)}
}

// source returns the requests of a mix for the load generator.
func source(m *mix, p *testprogram.Program) load.Source {
	address := strings.TrimPrefix(p.URL, "http://")
	return func() (load.Request, bool) {
		r := m.next()
		return load.Request{Bytes: wire(r, address), Read: func(status int, body []byte) error {
			r.done(status, body)
			return nil
		}}, true
	}
}

func (s *soak) dial(p *testprogram.Program, n int) *load.Clients {
	s.t.Helper()
	clients, err := load.Dial(s.t.Context(), strings.TrimPrefix(p.URL, "http://"), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return clients
}

// measurePeak finds the peak of a server, and what it holds afterwards.
func (s *soak) measurePeak() {
	p := s.start()
	clients := s.dial(p.Program, peakClients)
	l := newLedger()
	next := source(newMix(s.t, s.db, l, soakCycle), p.Program)
	if _, err := clients.Closed(warmUp, next); err != nil {
		s.t.Fatal(err)
	}
	result, err := clients.Closed(peakDuration, next)
	if err != nil {
		s.t.Fatal(err)
	}
	clients.Close()
	l.wantOnly(s.t, http.StatusOK, http.StatusCreated)
	s.peak, s.loadAtPeak = result.Rate(), loadAverage(s.t)
	s.before = s.rest(p)
	s.t.Logf("peak: %.0f requests/s, then %+v", s.peak, s.before)
}

// rest waits until a server has closed its clients' connections, and ends it with the signal that makes it write its
// goroutines to the log.
func (s *soak) rest(p watched) rest {
	s.t.Helper()
	pid := p.Cmd.Process.Pid
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(settleTimeout)
	for descriptors(s.t, pid) > p.idle+poolSize && time.Now().Before(deadline) {
		<-tick.C
	}
	found := rest{descriptors: descriptors(s.t, pid)}
	_ = p.Signal(syscall.SIGQUIT) // it ends with an error
	log := readLog(s.t, p.log)
	found.goroutines = log.goroutines
	for _, line := range log.errors[:min(len(log.errors), maxErrors)] {
		s.t.Log(line)
	}
	return found
}

// run sends requests at the rate of the soak while PostgreSQL is restarted.
func (s *soak) run() {
	p := s.start()
	since := lastRental(s.t, s.db)
	s.ledger = newLedger()
	clients := s.dial(p.Program, soakClients)
	next := source(newMix(s.t, s.db, s.ledger, soakCycle), p.Program)
	begin := time.Now()
	var beside sync.WaitGroup
	beside.Go(func() { s.sample(p.Cmd, begin) })
	beside.Go(func() { s.restart(begin) })
	for time.Since(begin) < s.length {
		result, err := clients.Open(partOfPeak*s.peak, min(stretch, s.length-time.Since(begin)), next)
		if err != nil {
			s.t.Errorf("a client got no response: %v", err)
			break
		}
		s.sent += len(result.Latencies)
		s.p99, s.slowest = append(s.p99, result.Quantile(0.99)), append(s.slowest, result.Quantile(1))
	}
	clients.Close()
	beside.Wait()
	s.compareMemory()
	s.after = s.rest(p)
	s.balance = s.ledger.audit(s.t, s.db, since)
	s.ledger.wantOnly(s.t, http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable)
}

// restart restarts PostgreSQL now and then. As administrators do, it has PostgreSQL write its pages to the disk first, so
// that this does not have to happen while it is down.
func (s *soak) restart(begin time.Time) {
	for next := s.every; next <= s.length-s.every; next += s.every {
		<-time.After(time.Until(begin.Add(next)))
		if _, err := s.db.ExecContext(s.t.Context(), "CHECKPOINT"); err != nil {
			s.t.Error(err)
		}
		s.cluster.stop(s.t)
		s.cluster.start(s.t)
		s.restarts++
	}
}

// sample looks at the server's memory every few seconds.
func (s *soak) sample(cmd *exec.Cmd, begin time.Time) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for time.Since(begin) < s.length {
		<-tick.C
		s.samples = append(s.samples, memory(s.t, cmd.Process.Pid))
	}
}

// compareMemory compares the end with the end of the first period, when the server was warm.
func (s *soak) compareMemory() {
	if len(s.samples) == 0 {
		s.t.Fatalf("the soak is shorter than %s", sampleEvery)
	}
	first := s.samples[:max(1, len(s.samples)/periods)]
	s.warm, s.end, s.most = lastMean(first), lastMean(s.samples), slices.Max(s.samples)
}

// lastMean returns the mean of the last samples, because a single one depends on when garbage was collected.
func lastMean(samples []float64) float64 {
	last := samples[max(0, len(samples)-samplesOfMean):]
	var sum float64
	for _, v := range last {
		sum += v
	}
	return sum / float64(len(last))
}

// failed returns the part of the requests that failed.
func (s *soak) failed() float64 {
	all, failed := 0, 0
	for status, n := range s.ledger.counts() {
		all += n
		if status < http.StatusOK || status >= http.StatusBadRequest {
			failed += n
		}
	}
	return float64(failed) / float64(max(all, 1))
}

// promise is one of the promises of a soak, and whether it was kept.
type promise struct {
	text     string
	kept     bool
	measured string
}

// promises are all of them.
func (s *soak) promises() []promise {
	counts := s.ledger.counts()
	other := s.sent - counts[http.StatusOK] - counts[http.StatusCreated] - counts[http.StatusServiceUnavailable]
	return []promise{
		{
			fmt.Sprintf("at most %.1f %% of the requests fail, all with 503", 100*maxFailed),
			s.failed() <= maxFailed && other == 0,
			fmt.Sprintf("%s; %.3f %% failed", summary(counts), 100*s.failed()),
		},
		{
			"no rental is lost or made twice", s.balance == balance{rented: s.balance.rented}, s.balance.String(),
		},
		{
			fmt.Sprintf("the memory grows by at most %.0f %%", 100*maxGrowth), s.end <= s.warm*(1+maxGrowth),
			fmt.Sprintf("%.0f MB after the first %s, %.0f MB at the end, %.0f MB at most", s.warm, short(s.length/periods), s.end, s.most),
		},
		{
			"what the clients used is released",
			s.after.descriptors <= s.before.descriptors+maxMore && s.after.goroutines <= s.before.goroutines+maxMore,
			fmt.Sprintf("%d file descriptors and %d goroutines; %d and %d after the peak",
				s.after.descriptors, s.after.goroutines, s.before.descriptors, s.before.goroutines),
		},
	}
}

// report checks the promises, and returns the section of the report.
func (s *soak) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, `* Machine: %s
* Dataset: %s
* Load average: %s at the peak, and %s at the end
* Peak: %.0f requests/s with %d clients, just before the soak

The soak took %s at %.0f requests/s, %.0f %% of the peak, with whatever else the machine did. %.0f requests/s were
answered. Six of ten requests read a page of films, three of ten a film, one of twenty rents a copy, one of twenty
returns one, and a question is asked every %s. PostgreSQL was restarted %d times, every %s, each time after a
CHECKPOINT. At most %s passed without a success.

| promise | kept | measured |
|---|---|---|
`,
		describe(s.t, s.db), s.cluster.dataset, s.loadAtPeak, loadAverage(s.t), s.peak, peakClients,
		short(s.length), partOfPeak*s.peak, 100*partOfPeak, float64(s.sent)/s.length.Seconds(), askEvery,
		s.restarts, short(s.every), seconds(s.ledger.outage))
	for _, p := range s.promises() {
		if !p.kept {
			s.t.Errorf("%s: %s", p.text, p.measured)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.text, yes(p.kept), p.measured)
	}
	fmt.Fprintf(&b, `
A latency counts from the time at which the request was due. Half of the stretches of %s had a p99 of at most %.1f ms.
The slowest request took %s.
`, stretch, 1000*median(s.p99).Seconds(), seconds(slices.Max(s.slowest)))
	return b.String()
}

// short formats a duration without zeros at its end.
func short(d time.Duration) string { return strings.Replace(d.String(), "m0s", "m", 1) }

func median(all []time.Duration) time.Duration { return slices.Sorted(slices.Values(all))[len(all)/2] }
