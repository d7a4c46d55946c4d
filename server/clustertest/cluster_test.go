//go:build linux

// Package clustertest runs the program on a real cluster: PostgreSQL under Patroni with etcd, and HAProxy in front of
// the primary and of several instances of the program. All of it listens on loopback.
//
// "make cluster-test" runs it. It needs the Debian packages etcd-server, patroni, haproxy and postgresql-15, and takes
// about two minutes.
package clustertest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/pagila"
)

// programName is the variable with the program to test. Without it, the test is skipped: otherwise the tests of all
// packages would need etcd and Patroni.
const programName = "CLUSTER_TEST_PROGRAM"

const (
	// nodes is the number of PostgreSQL servers.
	nodes = 3
	// instances is the number of instances of the program.
	instances = 4
	// patience bounds each wait for the cluster. On an idle machine such a wait takes seconds.
	patience = 5 * time.Minute
	// clients is the number of clients that write at the same time. One instance can serve all of them at once: it has
	// connections for as many writes.
	clients = 8
	// readers is the number of clients beside them that only read.
	readers = 4
)

func TestMain(m *testing.M) {
	localpg.UnsetLibpq()
	os.Exit(m.Run())
}

func TestCluster(t *testing.T) {
	if os.Getenv(programName) == "" {
		t.Skipf("this test needs a cluster: run make cluster-test, which sets %s", programName)
	}
	wantPackages(t)
	c := newCluster(t)
	c.restore(t)
	c.startPrograms(t)
	t.Run("failover", func(t *testing.T) { testFailover(t, c) })
	t.Run("rolling restart", func(t *testing.T) { testRollingRestart(t, c) })
	t.Run("throughput", func(t *testing.T) { testThroughput(t, c) })
}

// wantPackages fails if a program is missing, and names the package of each.
func wantPackages(t *testing.T) {
	t.Helper()
	var missing []string
	for program, debian := range map[string]string{"etcd": "etcd-server", "patroni": "patroni", "haproxy": "haproxy", postgresBin + "/pg_rewind": "postgresql"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, debian)
		}
	}
	slices.Sort(missing)
	if missing != nil {
		t.Fatalf("these Debian packages are missing: apt-get install %s", strings.Join(missing, " "))
	}
}

// restore restores the dataset and applies the migrations.
func (c *cluster) restore(t *testing.T) {
	t.Helper()
	source, err := pagila.Find(t.Context(), pagila.Options{Dir: os.Getenv("PAGILA_DIR")})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(source.Restore(t.Context(), c.primaryURL()), migrations.Apply(t.Context(), c.db)); err != nil {
		t.Fatal(err)
	}
}

// testFailover kills the leader under load. Nothing that was confirmed may be lost, and no client may read a state
// before its own writes.
func testFailover(t *testing.T, c *cluster) {
	t.Helper()
	load := startLoad(t, c, clients)
	load.wantProgress(t)
	leader := c.leader(t)
	killed := time.Now()
	leader.kill(t)
	load.wantProgress(t)
	pause := load.longestPause(killed)
	leader.start(t)
	c.waitFor(t, 1, nodes-1)
	load.wantProgress(t)
	load.finish(t)
	if len(load.unread) > 0 {
		t.Errorf("%d reads failed although replicas were there: %s", len(load.unread), load.unread[0])
	}
	t.Logf("after the leader was killed, no rental was confirmed for %s; %s", pause.Round(100*time.Millisecond), load.summary())
	load.verify(t, c)
}

// testRollingRestart restarts each instance in turn under load. No request may fail.
func testRollingRestart(t *testing.T, c *cluster) {
	t.Helper()
	load := startLoad(t, c, clients)
	for _, p := range c.programs {
		load.wantProgress(t)
		p.terminate(t)
		load.wantProgress(t)
		p.start(t)
		p.waitReady(t)
	}
	load.wantProgress(t)
	load.finish(t)
	if n := load.failed(); n > 0 {
		t.Errorf("%d requests failed: %s", n, load.examples())
	}
	t.Logf("%d restarts; %s", len(c.programs), load.summary())
	load.verify(t, c)
}

// testThroughput measures pages of films as instances are added. It checks nothing: on one machine, the clients, the
// instances, HAProxy and PostgreSQL share its cores.
func testThroughput(t *testing.T, c *cluster) {
	t.Helper()
	for _, n := range []int{1, 2, 4} {
		for _, p := range c.programs[n:] {
			p.terminate(t)
		}
		const period = 5 * time.Second
		served := c.measure(t, period)
		t.Logf("%d instances: %.0f requests a second for a page of 20 films, with %d clients", n, float64(served)/period.Seconds(), clients)
		for _, p := range c.programs[n:] {
			p.start(t)
			p.waitReady(t)
		}
	}
}

// measure counts the pages that clients get in a period.
func (c *cluster) measure(t *testing.T, period time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), period)
	defer cancel()
	counts := make(chan int64)
	for range clients {
		go func() {
			n := int64(0)
			for client := newClient(nil); ctx.Err() == nil; {
				if got, err := client.send(ctx, http.MethodGet, c.frontURL()+"/films?page_size=20", ""); err == nil && got.status == http.StatusOK {
					n++
				}
			}
			counts <- n
		}()
	}
	var total int64
	for range clients {
		total += <-counts
	}
	return total
}

// member is a member of the cluster, as Patroni describes it.
type member struct{ Name, Role, State string }

// members asks Patroni for the members.
func (c *cluster) members(ctx context.Context) ([]member, error) {
	var err error
	for _, n := range c.nodes {
		var got reply
		if got, err = newClient(nil).send(ctx, http.MethodGet, n.restURL()+"/cluster", ""); err != nil {
			continue
		}
		var all struct{ Members []member }
		if err = json.Unmarshal(got.body, &all); err == nil {
			return all.Members, nil
		}
	}
	return nil, cmp.Or(err, errors.New("no node responds"))
}

// waitFor waits until the cluster has these numbers of leaders and of streaming replicas. In synchronous mode, one of
// the replicas is synchronous, so that a failover loses nothing.
func (c *cluster) waitFor(t *testing.T, leaders, replicas int) {
	t.Helper()
	var last string
	eventually(t, func() bool {
		members, err := c.members(t.Context())
		count := map[string]int{}
		for _, m := range members {
			if m.State == "running" || m.State == "streaming" {
				count[m.Role]++
			}
		}
		last = fmt.Sprintf("%+v, %v", members, err)
		return count["leader"] == leaders && count["sync_standby"] > 0 && count["sync_standby"]+count["replica"] == replicas
	}, func() string { return "the members are " + last })
}

// leader returns the node that is the leader.
func (c *cluster) leader(t *testing.T) *node {
	t.Helper()
	members, err := c.members(t.Context())
	for _, m := range members {
		if m.Role == "leader" {
			return c.nodes[slices.IndexFunc(c.nodes, func(n *node) bool { return n.name == m.Name })]
		}
	}
	t.Fatalf("no leader among %+v, %v", members, err)
	return nil
}

// eventually waits until a condition holds.
func eventually(t *testing.T, holds func() bool, otherwise func() string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not after %s: %s", patience, otherwise())
		}
	}
}

// number reads a number from the primary.
func (c *cluster) number(t *testing.T, query string, args ...any) int {
	t.Helper()
	var n int
	if err := c.db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
