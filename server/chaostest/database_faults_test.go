package chaostest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/pagila-api/store/pgtest"
	"example.com/pagila-api/store/roles"
)

// repeats is how often a short fault happens.
const repeats = 3

func restartInOrder(tr *trial) {
	interrupt(tr, func() { tr.cluster.stop(tr.T) })
}

func restartAtOnce(tr *trial) {
	interrupt(tr, func() { tr.cluster.signal(tr.T, syscall.SIGQUIT) })
}

func killPostgres(tr *trial) {
	interrupt(tr, func() { tr.cluster.signal(tr.T, syscall.SIGKILL) })
}

// interrupt ends PostgreSQL under traffic, and starts it again.
func interrupt(tr *trial, end func()) {
	tr.serve(tr.cluster.url())
	stop := tr.traffic(clients, pace)
	defer stop()
	alive := tr.probe("/healthz")
	for range repeats {
		tr.waitProgress()
		end()
		tr.cluster.start(tr.T)
		tr.waitProgress()
	}
	stop()
	tr.wantReady("/healthz", alive())
	tr.measureOutage(http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable)
}

// terminate ends all sessions of the server, and returns their number.
func terminate(tr *trial, conn *pgx.Conn) int {
	return pgtest.Value[int](tr, conn.QueryRow,
		"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", serverName)
}

func terminateSessions(tr *trial) {
	tr.serve(tr.cluster.url())
	conn := pgtest.Connect(tr, tr.cluster.url())
	stop := tr.traffic(clients, pace)
	defer stop()
	sessions := 0
	for range 10 {
		tr.waitProgress()
		sessions += terminate(tr, conn)
	}
	tr.waitProgress()
	stop()
	tr.measureOutage(http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable)
	tr.measured = fmt.Sprintf("%d sessions terminated: %s", sessions, tr.measured)
}

// takeSlots connects until PostgreSQL refuses, and ends the server's sessions, until the server has none.
func takeSlots(tr *trial) {
	tr.serve(tr.cluster.url())
	administrator := pgtest.Connect(tr, tr.cluster.url())
	stop := tr.traffic(clients, pace)
	defer stop()
	tr.waitProgress()
	var taken []*pgx.Conn
	release := func() {
		for _, conn := range taken {
			conn.Close(context.Background())
		}
	}
	defer func() { release() }()
	alive := tr.probe("/healthz")
	tr.waitUntil("the server to have no session", func() bool {
		for {
			conn, err := tr.cluster.server.Connect(tr.Context(), "postgres")
			if refused := new(pgconn.PgError); errors.As(err, &refused) {
				break
			} else if err != nil {
				tr.Fatal(err)
			}
			taken = append(taken, conn)
		}
		return terminate(tr, administrator) == 0
	})
	tr.waitUntil("the server to be not ready", func() bool {
		status, _ := tr.get("/readyz")
		return status == http.StatusServiceUnavailable
	})
	slots := len(taken)
	release()
	taken = nil
	tr.waitProgress()
	stop()
	tr.wantReady("/healthz", alive())
	tr.measureOutage(http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable)
	tr.measured = fmt.Sprintf("%d slots taken: %s", slots, tr.measured)
}

func delayPackets(tr *trial) {
	proxy := pgtest.NewProxy(tr, tr.cluster.url())
	proxy.SetDelay(50 * time.Millisecond)
	tr.serve(proxy.URL())
	stop := tr.traffic(clients, pace)
	defer stop()
	for range 3 {
		tr.waitProgress()
	}
	stop()
	slowest := tr.ledger.slowest()
	tr.measureOutage(http.StatusOK, http.StatusCreated)
	tr.measured = fmt.Sprintf("the slowest took %s; %s", seconds(slowest), tr.measured)
}

func dropPackets(tr *trial) {
	const silence = 12 * time.Second
	proxy := pgtest.NewProxy(tr, tr.cluster.url())
	tr.serve(proxy.URL())
	stop := tr.traffic(clients, pace)
	defer stop()
	alive := tr.probe("/healthz")
	tr.waitProgress()
	proxy.Stop()
	wait(tr.Context(), silence)
	proxy.Resume()
	tr.waitProgress()
	stop()
	tr.wantReady("/healthz", alive())
	slowest := tr.ledger.slowest()
	if slowest > 2*silence {
		tr.Errorf("a request took %s", slowest)
	}
	tr.measureOutage(http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable)
	tr.measured = fmt.Sprintf("the slowest took %s; %s", seconds(slowest), tr.measured)
}

func resetConnections(tr *trial) {
	const length, every = 5 * time.Second, 20 * time.Millisecond
	proxy := pgtest.NewProxy(tr, tr.cluster.url())
	tr.serve(proxy.URL())
	stop := tr.traffic(clients, pace)
	defer stop()
	resets := 0
	for begin := time.Now(); time.Since(begin) < length; wait(tr.Context(), every) {
		if proxy.ResetOne() {
			resets++
		}
	}
	tr.waitProgress()
	stop()
	tr.measureOutage(http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable)
	tr.measured = fmt.Sprintf("%d resets: %s", resets, tr.measured)
}

// forgetConnections leaves the server with idle connections that are dead, and sends reads for all of them at once.
func forgetConnections(tr *trial) {
	const idle = 1500 * time.Millisecond // firewalls do not forget connections in use, so the server trusts those
	proxy := pgtest.NewProxy(tr, tr.cluster.url())
	tr.serve(proxy.URL())
	stop := tr.traffic(clients, 0)
	tr.waitProgress()
	stop()
	connections := proxy.Len()
	proxy.Freeze()
	wait(tr.Context(), idle)
	tr.ledger.restart()
	var reads sync.WaitGroup
	for range clients {
		reads.Go(func() { tr.send(tr.mix.read(film, "/films/1")) })
	}
	reads.Wait()
	tr.ledger.wantOnly(tr.T, http.StatusOK, http.StatusCreated)
	tr.measure("%d connections forgotten, then %d reads at once: all 200, the slowest after %s",
		connections, clients, seconds(tr.ledger.slowest()))
	tr.audit()
}

// failOver kills the primary, and promotes its standby, which has confirmed each commit.
func failOver(tr *trial) {
	primary, standby := tr.cluster.pair(tr.T)
	hosts := url.Values{
		"host": {primary.host(tr.T) + "," + standby.host(tr.T)}, "port": {"5432,5432"},
		"target_session_attrs": {"read-write"}, "sslmode": {"disable"},
	}
	tr.serve("postgres://postgres@/" + database + "?" + hosts.Encode())
	stop := tr.traffic(clients, pace)
	defer stop()
	alive := tr.probe("/healthz")
	tr.waitUntil("rentals", func() bool { return tr.ledger.rentals() >= progress/cycle })
	primary.crash(tr.T)
	db := standby.open(tr.T)
	if !pgtest.Value[bool](tr, db.QueryRowContext, "SELECT pg_promote()") {
		tr.Fatal("the standby was not promoted")
	}
	tr.waitProgress()
	stop()
	tr.wantReady("/healthz", alive())
	tr.cluster = standby
	tr.measureOutage(http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable)
}

// fillDisk runs PostgreSQL on a small disk, fills the disk up, and makes room again. If PostgreSQL has ended, it is
// started again.
func fillDisk(tr *trial) {
	disk := tr.smallDisk()
	small := tr.cluster.copies(tr.T, filepath.Join(disk, "cluster"))[0]
	small.start(tr.T)
	tr.Cleanup(func() { small.stop(tr.T) })
	tr.cluster = small
	tr.serve(small.url())
	stop := tr.traffic(clients, pace)
	defer stop()
	tr.waitProgress()
	ballast := filepath.Join(disk, "ballast")
	fill(tr.T, ballast)
	db := small.open(tr.T)
	tr.waitUntil("PostgreSQL to have no room for its log", func() bool {
		_, err := db.ExecContext(tr.Context(), "SELECT pg_logical_emit_message(false, 'chaos', repeat('x', 1000000))")
		return err != nil
	})
	tr.waitUntil("a request to fail", func() bool { return tr.ledger.counts()[http.StatusServiceUnavailable] > 0 })
	if err := os.Remove(ballast); err != nil {
		tr.Fatal(err)
	}
	starts, target := 0, tr.ledger.successes()+progress
	tr.waitUntil("requests to succeed", func() bool {
		if small.ensure(tr.T) {
			starts++
		}
		return tr.ledger.successes() >= target
	})
	stop()
	tr.measureOutage(http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable)
	tr.measured = fmt.Sprintf("starts of PostgreSQL by hand: %d; %s", starts, tr.measured)
}

// fill writes to a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// smallDisk mounts a file system of 400 MB, or skips the fault if that is not permitted.
func (tr *trial) smallDisk() string {
	tr.Helper()
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		tr.Fatal(err)
	}
	tr.Cleanup(func() { os.Remove(dir) })
	cmd := exec.CommandContext(tr.Context(), "mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "tmpfs", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		tr.measure("mounting a small file system is not permitted here")
		tr.Skipf("%v: %s", err, out)
	}
	tr.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), "umount", dir).CombinedOutput(); err != nil {
			tr.Errorf("%v: %s", err, out)
		}
	})
	return dir
}

func lockCopy(tr *trial) {
	const customers, length = 30, 6 * time.Second
	tr.serve(tr.cluster.url())
	db := tr.cluster.open(tr.T)
	tx, err := db.BeginTx(tr.Context(), nil)
	if err != nil {
		tr.Fatal(err)
	}
	defer tx.Rollback()
	wanted := <-tr.mix.free
	pgtest.Exec(tr, tx.ExecContext, "SELECT FROM inventory WHERE inventory_id = $1 FOR UPDATE", wanted.copyID)

	ready := tr.probe("/readyz")
	stop := tr.traffic(clients, pace)
	defer stop()
	waiting := newLedger()
	ctx, cancel := context.WithTimeout(tr.Context(), length)
	defer cancel()
	var wg sync.WaitGroup
	for range customers {
		wg.Go(func() {
			for ctx.Err() == nil {
				status, body := tr.do(rentOf(wanted))
				waiting.response(rent, status, body)
			}
		})
	}
	wg.Wait()
	stop()
	probes := ready()
	tr.wantReady("/readyz", probes)
	waiting.wantOnly(tr.T, http.StatusServiceUnavailable)
	slowest := tr.ledger.slowest()
	tr.measureOutage(http.StatusOK, http.StatusCreated)
	tr.measured = fmt.Sprintf("those who want it: %s; all others: %s; the slowest took %s; /readyz: %s",
		summary(waiting.counts()), tr.measured, seconds(slowest), summary(probes))
}

func leastPrivilege(tr *trial) {
	db := tr.cluster.open(tr.T)
	pgtest.Exec(tr, db.ExecContext, roles.SQL)
	tr.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), "DROP OWNED BY pagila_api; DROP ROLE pagila_api"); err != nil {
			tr.Error(err)
		}
	})
	u, err := url.Parse(tr.cluster.url())
	if err != nil {
		tr.Fatal(err)
	}
	u.User = url.User(roles.Server)
	p := tr.serve(u.String())
	ready := tr.probe("/readyz")
	stop := tr.traffic(clients, pace)
	defer stop()
	tr.waitProgress()
	stop()
	probes := ready()
	tr.wantReady("/readyz", probes)
	tr.measureOutage(http.StatusOK, http.StatusCreated)
	tr.measured = fmt.Sprintf("%s; /readyz: %s", tr.measured, summary(probes))
	if err := p.Stop(); err != nil { // its sessions hold the role
		tr.Error(err)
	}
}
