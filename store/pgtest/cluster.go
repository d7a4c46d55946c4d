package pgtest

import (
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/pagila"
)

// Cluster is a primary with streaming replicas, each a server of its own. A commit waits until a replica has it on
// disk, so it survives the end of the primary.
type Cluster struct {
	Primary  *Node
	Replicas []*Node
}

// Node is a server of a Cluster.
type Node struct {
	*localpg.Server
	URL string // of the database with Pagila
	dir string
}

// NewCluster starts a cluster with the built-in sample and our migrations. Only this test uses it.
func NewCluster(tb testing.TB, replicas int) *Cluster {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), prepareTimeout)
	defer cancel()
	first := newNode(tb)
	first.start(ctx, tb)
	if err := prepareCluster(ctx, first); err != nil {
		tb.Fatal(err)
	}
	cluster := &Cluster{Primary: first}
	for range replicas {
		replica := newNode(tb)
		first.copyTo(ctx, tb, replica)
		cluster.Replicas = append(cluster.Replicas, replica)
	}
	first.start(ctx, tb)
	for _, replica := range cluster.Replicas {
		replica.follow(tb, first)
		replica.start(ctx, tb)
	}
	return cluster
}

// prepareCluster restores the sample, sets what the servers of a cluster need, and stops the server.
func prepareCluster(ctx context.Context, n *Node) error {
	if err := pagila.Sample(nil).Restore(ctx, n.URL); err != nil {
		return err
	}
	if err := migrate(ctx, n.Config("postgres")); err != nil {
		return err
	}
	err := exec(ctx, n.Server,
		"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'",
		"ALTER SYSTEM SET wal_retrieve_retry_interval = '100ms'") // the default of 5 s would make the tests slow
	if err != nil {
		return err
	}
	return n.Stop(ctx)
}

func newNode(tb testing.TB) *Node {
	tb.Helper()
	dir, err := makeDir()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return &Node{dir: dir}
}

func (n *Node) start(ctx context.Context, tb testing.TB) {
	tb.Helper()
	server, err := localpg.Start(ctx, localpg.Options{Dir: n.dir})
	if err != nil {
		tb.Fatal(err)
	}
	n.Server, n.URL = server, server.URL("postgres")
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
		defer cancel()
		_ = server.Stop(ctx) // the test may have killed it
	})
}

// copyTo copies the cluster of a server that does not run.
func (n *Node) copyTo(ctx context.Context, tb testing.TB, to *Node) {
	tb.Helper()
	shell(ctx, tb, `cp -a "$0/data" "$1/data"`, n.dir, to.dir)
}

// follow makes a server that does not run a replica of a running one.
func (n *Node) follow(tb testing.TB, primary *Node) {
	tb.Helper()
	// The owner of the new file has to be that of the cluster.
	shell(tb.Context(), tb, `cp -p "$0/data/PG_VERSION" "$0/data/standby.signal" &&
		echo "primary_conninfo = '$1'" >>"$0/data/postgresql.auto.conf"`, n.dir, primary.conninfo())
}

func (n *Node) conninfo() string {
	config := n.Config("postgres")
	return fmt.Sprintf("host=%s port=%d user=%s application_name=%s", config.Host, config.Port, config.User, filepath.Base(n.dir))
}

func shell(ctx context.Context, tb testing.TB, script string, args ...string) {
	tb.Helper()
	cmd := osexec.CommandContext(ctx, "sh", append([]string{"-c", script}, args...)...) //nolint:gosec // our own paths
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v: %s", script, err, out)
	}
}

// Kill ends the server with SIGKILL, as a machine that fails does.
func (n *Node) Kill(tb testing.TB) {
	tb.Helper()
	content, err := os.ReadFile(filepath.Join(n.dir, "data", "postmaster.pid"))
	if err != nil {
		tb.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		tb.Fatal(err)
	}
	<-n.Done()
}

// Restart starts a server that was killed.
func (n *Node) Restart(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), prepareTimeout)
	defer cancel()
	_ = n.Stop(ctx) // releases its directory
	n.start(ctx, tb)
}

// Promote makes a replica the primary, which the other replicas follow from then on. It is the one that has received
// the most.
func (c *Cluster) Promote(tb testing.TB) *Node {
	tb.Helper()
	best, rest := c.Replicas[0], c.Replicas[1:]
	for i, n := range rest {
		if n.received(tb) > best.received(tb) {
			best, rest[i] = n, best
		}
	}
	must(tb, best, "SELECT pg_promote()")
	for _, n := range rest {
		must(tb, n, "ALTER SYSTEM SET primary_conninfo = '"+best.conninfo()+"'", "SELECT pg_reload_conf()")
	}
	c.Primary, c.Replicas = best, rest
	return best
}

func (n *Node) received(tb testing.TB) int64 {
	tb.Helper()
	return ValueAt[int64](tb, n.URL, "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint")
}

// must executes statements on a server.
func must(tb testing.TB, n *Node, statements ...string) {
	tb.Helper()
	if err := exec(tb.Context(), n.Server, statements...); err != nil {
		tb.Fatal(err)
	}
}

// PrimaryURL returns a URL that leads to the server which is the primary when a connection is made.
func (c *Cluster) PrimaryURL(tb testing.TB) string {
	tb.Helper()
	var hosts, ports []string
	for _, n := range append([]*Node{c.Primary}, c.Replicas...) {
		config := n.Config("postgres")
		hosts = append(hosts, config.Host)
		ports = append(ports, strconv.Itoa(int(config.Port)))
	}
	return WithParameters(tb, c.Primary.URL, "host="+strings.Join(hosts, ",")+"&port="+strings.Join(ports, ",")+"&target_session_attrs=read-write")
}
