package chaostest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/pagila"
	"example.com/pagila-api/store/pgtest"
)

const (
	// prefix is the beginning of the names of clusters' directories.
	prefix = "pagila-api-chaos-"
	// database is the one with Pagila and our migrations.
	database = "pagila"
	// clusterTimeout limits how long it takes to make a cluster, to start it and to stop it.
	clusterTimeout = 3 * time.Minute
	// startPace is the time between two attempts to start a server.
	startPace = 100 * time.Millisecond
)

// cluster is a PostgreSQL server with Pagila that a test may stop, kill and start again. It writes to the disk like one
// in production.
type cluster struct {
	dir     string
	server  *localpg.Server
	dataset string
}

// newCluster makes a cluster, which runs until the test ends.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clusterTimeout)
	defer cancel()
	if err := localpg.RemoveStale(ctx, filepath.Join(os.TempDir(), prefix+"*")); err != nil {
		t.Fatal(err)
	}
	c := &cluster{dir: newDir(t)}
	c.start(t)
	t.Cleanup(func() { c.stop(t) })
	c.restore(ctx, t)
	return c
}

// newDir makes a directory that every user can enter, because root runs PostgreSQL as another user.
func newDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", prefix) //nolint:usetesting // others cannot enter the test's directory
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (c *cluster) restore(ctx context.Context, t *testing.T) {
	t.Helper()
	source, err := pagila.Find(ctx, pagila.Options{Dir: os.Getenv("PAGILA_DIR")})
	if err != nil {
		t.Fatal(err)
	}
	c.dataset = source.String()
	conn, err := c.server.Connect(ctx, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+database); err != nil {
		t.Fatal(err)
	}
	if err := source.Restore(ctx, c.url()); err != nil {
		t.Fatal(err)
	}
	db := c.open(t)
	if err := migrations.Apply(ctx, db); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, "VACUUM (ANALYZE)"); err != nil {
		t.Fatal(err)
	}
}

// url returns the URL of the database.
func (c *cluster) url() string { return c.server.URL(database) }

// open returns a pool of connections to the database, as the superuser. It is closed with the test.
func (c *cluster) open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", c.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// start starts the server. It tries again for a while, because sessions of a server that was killed may not have ended.
func (c *cluster) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), clusterTimeout)
	defer cancel()
	tick := time.NewTicker(startPace)
	defer tick.Stop()
	var err error
	for deadline := time.Now().Add(recovery); time.Now().Before(deadline); <-tick.C {
		if c.server, err = localpg.Start(ctx, localpg.Options{Dir: c.dir}); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// ensure starts the server if it does not run, and reports whether it had to.
func (c *cluster) ensure(t *testing.T) bool {
	t.Helper()
	if c.server != nil {
		select {
		case <-c.server.Done():
		default:
			return false
		}
	}
	c.stop(t)
	c.start(t)
	return true
}

// stop ends the server with a fast shutdown: its sessions are terminated.
func (c *cluster) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), clusterTimeout)
	defer cancel()
	if c.server == nil {
		return // it did not start
	}
	if err := c.server.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// signal sends a signal to the postmaster and waits until it has ended.
func (c *cluster) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(c.postmaster(t), s); err != nil {
		t.Fatal(err)
	}
	<-c.server.Done()
	c.stop(t) // it only releases what belonged to the server
}

// crash kills all processes of the server, as the loss of its machine does. Otherwise some sessions would outlive the
// postmaster for a moment, and could still be used after the standby was promoted.
func (c *cluster) crash(t *testing.T) {
	t.Helper()
	conn := pgtest.Connect(t, c.url())
	if err := syscall.Kill(c.postmaster(t), syscall.SIGSTOP); err != nil { // it starts no more processes
		t.Fatal(err)
	}
	pids := pgtest.Value[[]int32](t, conn.QueryRow, "SELECT array_agg(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
	for _, pid := range pids {
		_ = syscall.Kill(int(pid), syscall.SIGKILL) // it may have ended
	}
	c.signal(t, syscall.SIGKILL)
}

// postmaster returns the process ID of the server.
func (c *cluster) postmaster(t *testing.T) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// copies makes copies of the cluster in directories, which do not run yet. The cluster is stopped meanwhile, so that
// the copies are equal.
func (c *cluster) copies(t *testing.T, dirs ...string) []*cluster {
	t.Helper()
	c.stop(t)
	defer c.start(t)
	made := make([]*cluster, len(dirs))
	for i, dir := range dirs {
		script := `mkdir -p -m 755 "$1" && cp -a "$0/data" "$1"`
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", script, c.dir, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		made[i] = &cluster{dir: dir, dataset: c.dataset}
	}
	return made
}

// pair starts two copies of the cluster. The second is a standby of the first, which waits for it with each commit.
func (c *cluster) pair(t *testing.T) (primary, standby *cluster) {
	t.Helper()
	both := c.copies(t, newDir(t), newDir(t))
	primary, standby = both[0], both[1]
	primary.configure(t, "synchronous_standby_names = '*'")
	primary.start(t)
	t.Cleanup(func() { primary.stop(t) })
	standby.configure(t, fmt.Sprintf("primary_conninfo = 'user=postgres host=%s'", primary.host(t)))
	standby.beStandby(t)
	standby.start(t)
	t.Cleanup(func() { standby.stop(t) })
	db := primary.open(t)
	pgtest.WaitUntil(t, db.QueryRowContext, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
	return primary, standby
}

// configure adds a setting to a server that does not run.
func (c *cluster) configure(t *testing.T, setting string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(c.dir, "data", "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, setting); err != nil {
		t.Fatal(err)
	}
}

// beStandby makes a standby of a server that does not run. The file has to belong to the user that runs PostgreSQL.
func (c *cluster) beStandby(t *testing.T) {
	t.Helper()
	data := filepath.Join(c.dir, "data")
	cmd := exec.CommandContext(t.Context(), "cp", "-p", filepath.Join(data, "PG_VERSION"), filepath.Join(data, "standby.signal"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// host returns the directory of the server's socket.
func (c *cluster) host(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(c.url())
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("host")
}
