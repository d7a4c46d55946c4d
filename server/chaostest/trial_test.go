package chaostest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/pagila-api/server/internal/testprogram"
	"example.com/pagila-api/store/pgtest"
)

const (
	// clientTimeout is longer than every timeout of the server.
	clientTimeout = 60 * time.Second
	// clients is the usual number of clients, and pace the time between two requests of each.
	clients = 16
	pace    = 20 * time.Millisecond
	// cycle is the number of requests of which one rents.
	cycle = 5
	// probePace is the time between two probes of a load balancer.
	probePace = 50 * time.Millisecond
	// recovery bounds how long it takes until requests succeed again, even on a busy machine.
	recovery = time.Minute
	// progress is how many requests have to succeed before a fault and after it.
	progress = 100
	// serverName is the server's application_name in the database.
	serverName = "chaos"
)

// lab is what all faults have in common.
type lab struct {
	cluster *cluster
	binary  string
}

// trial is one fault, and what its clients notice.
type trial struct {
	*testing.T
	lab
	ledger   *ledger
	mix      *mix
	since    int32 // the last rental before it
	client   *http.Client
	url      atomic.Pointer[string] // of the server; it may change
	measured string
}

// newTrial prepares a fault on the cluster of the lab.
func newTrial(t *testing.T, l lab) *trial {
	t.Helper()
	tr := &trial{T: t, lab: l, ledger: newLedger(), client: &http.Client{
		Timeout: clientTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 2000},
	}}
	l.cluster.ensure(t) // the fault before may have left it
	db := l.cluster.open(t)
	tr.since = lastRental(t, db)
	tr.mix = newMix(t, db, tr.ledger, cycle)
	t.Cleanup(tr.client.CloseIdleConnections)
	return tr
}

// command returns the command of a server on a database, with more variables for its environment.
func (tr *trial) command(databaseURL string, extra ...string) *exec.Cmd {
	tr.Helper()
	databaseURL = pgtest.WithParameters(tr, databaseURL, "application_name="+serverName)
	return testprogram.Command(tr, tr.binary,
		append([]string{"DATABASE_URL=" + databaseURL, "LOG_LEVEL=warn", "LLM_RATE_LIMIT=0"}, extra...)...)
}

// serve starts a server on a database.
func (tr *trial) serve(databaseURL string, extra ...string) *testprogram.Program {
	tr.Helper()
	return tr.start(tr.command(databaseURL, extra...))
}

// start starts a server, which the clients use from then on.
func (tr *trial) start(cmd *exec.Cmd) *testprogram.Program {
	tr.Helper()
	p := testprogram.Start(tr, cmd)
	if tr.url.Swap(&p.URL) == nil {
		tr.ledger.restart()
	}
	return p
}

// traffic lets n clients use the server until stop is called, which waits for the requests that have begun.
func (tr *trial) traffic(n int, pace time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(tr.Context()))
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				tr.send(tr.mix.next())
				wait(ctx, pace)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// wait waits for a pause of a client, or until ctx is done.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// send sends a request and has its response recorded.
func (tr *trial) send(r request) {
	begin := time.Now()
	status, body := tr.do(r)
	tr.ledger.took(time.Since(begin))
	r.done(status, body)
}

// do sends a request. The status is 0 if the response is not whole.
func (tr *trial) do(r request) (status int, body []byte) {
	out, err := http.NewRequestWithContext(context.Background(), r.method, *tr.url.Load()+r.path, strings.NewReader(r.body))
	if err != nil {
		return 0, []byte(err.Error())
	}
	out.Header.Set("Authorization", "Bearer "+token)
	if r.accept != "" {
		out.Header.Set("Accept", r.accept)
	}
	if r.body != "" {
		out.Header.Set("Content-Type", "application/json")
	}
	response, err := tr.client.Do(out)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		return 0, fmt.Appendf(body, ": %v", err)
	}
	return response.StatusCode, body
}

// get sends a request to read a path, which is not recorded.
func (tr *trial) get(path string) (status int, body []byte) {
	return tr.do(request{method: http.MethodGet, path: path})
}

// probe asks for a path again and again until stop is called, which returns the number of each status.
func (tr *trial) probe(path string) (stop func() map[int]int) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(tr.Context()))
	counts := map[int]int{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			status, _ := tr.get(path)
			counts[status]++
			wait(ctx, probePace)
		}
	}()
	return func() map[int]int {
		cancel()
		<-ended
		return counts
	}
}

// wantReady checks the probes of a server that has to be ready all the time.
func (tr *trial) wantReady(path string, counts map[int]int) {
	tr.Helper()
	if len(counts) != 1 || counts[http.StatusOK] == 0 {
		tr.Errorf("%s: %s", path, summary(counts))
	}
}

// waitProgress waits until some more requests have succeeded.
func (tr *trial) waitProgress() {
	tr.Helper()
	target := tr.ledger.successes() + progress
	tr.waitUntil("requests to succeed", func() bool { return tr.ledger.successes() >= target })
}

// waitUntil waits until a condition holds.
func (tr *trial) waitUntil(what string, so func() bool) {
	tr.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(recovery); !so(); <-tick.C {
		if time.Now().After(deadline) {
			tr.Fatalf("waited more than %s for %s: %s", recovery, what, summary(tr.ledger.counts()))
		}
	}
}

// settle waits until the database has ended what a server had begun. A transaction whose connection was reset may
// still commit.
func (tr *trial) settle(db *sql.DB) {
	tr.Helper()
	pgtest.WaitUntil(tr, db.QueryRowContext, `SELECT NOT EXISTS (
		SELECT FROM pg_stat_activity WHERE application_name = '`+serverName+`' AND state <> 'idle')`)
}

// audit compares the rows with what the clients were told, and returns the result. Then it returns all copies, for
// the next trial.
func (tr *trial) audit() balance {
	tr.Helper()
	db := tr.cluster.open(tr.T)
	tr.settle(db)
	b := tr.ledger.audit(tr.T, db, tr.since)
	b.wantNothingWrong(tr.T)
	pgtest.Exec(tr, db.ExecContext, "UPDATE rental SET return_date = now() WHERE return_date IS NULL AND rental_id > $1", tr.since)
	return b
}

// measure says what was measured.
func (tr *trial) measure(format string, args ...any) { tr.measured = fmt.Sprintf(format, args...) }

// measureOutage audits the rentals and says what the clients noticed. Only these statuses are permitted.
func (tr *trial) measureOutage(statuses ...int) {
	tr.Helper()
	tr.ledger.wantOnly(tr.T, statuses...)
	tr.measure("%s; at most %s without a success; %s",
		summary(tr.ledger.counts()), seconds(tr.ledger.outage), tr.audit())
}

// seconds formats a duration.
func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// wantProblem checks that a response is a problem document.
func (tr *trial) wantProblem(status int, body []byte, statuses ...int) {
	tr.Helper()
	for _, want := range statuses {
		if status == want && bytes.Contains(body, []byte(`"code"`)) {
			return
		}
	}
	tr.Errorf("got %d %s, want a problem with one of %v", status, body, statuses)
}
