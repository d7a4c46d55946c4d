//go:build linux

package clustertest

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"example.com/pagila-api/server/internal/testlog"
)

// postgresBin is where Debian has the programs of PostgreSQL 15.
const postgresBin = "/usr/lib/postgresql/15/bin"

// stopTimeout is how long a process may take to end gracefully.
const stopTimeout = 30 * time.Second

// cluster is everything that runs.
type cluster struct {
	t        *testing.T // of the whole test: a process outlives the part that starts it
	dir      string
	password string // of PostgreSQL's superuser and of the replicas
	account  *syscall.Credential
	db       *sql.DB // of the primary
	etcd     int     // the port of its clients
	proxy    struct{ primary, front int }
	nodes    []*node
	programs []*program
}

// newCluster starts etcd, Patroni and HAProxy, and waits for a leader and its replicas.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "pagila-api-patroni-") //nolint:usetesting // another user has to enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ports := freePorts(t, 4+2*nodes+instances)
	c := &cluster{t: t, dir: dir, password: rand.Text(), account: unprivileged(t), etcd: ports[0]}
	c.own(t, dir)
	c.start(t, "etcd", c.account, "etcd", "--name=etcd", "--data-dir="+filepath.Join(dir, "etcd"),
		"--listen-client-urls="+loopback(c.etcd), "--advertise-client-urls="+loopback(c.etcd), "--listen-peer-urls="+loopback(ports[1]),
		"--initial-advertise-peer-urls="+loopback(ports[1]), "--initial-cluster=etcd="+loopback(ports[1]), "--log-level=error")
	c.proxy.primary, c.proxy.front = ports[2], ports[3]
	for i := range nodes {
		c.nodes = append(c.nodes, &node{cluster: c, name: fmt.Sprintf("node%d", i+1), port: ports[4+2*i], rest: ports[5+2*i]})
	}
	for i := range instances {
		c.programs = append(c.programs, &program{cluster: c, name: fmt.Sprintf("program%d", i+1), port: ports[4+2*nodes+i]})
	}
	for _, n := range c.nodes {
		n.configure(t)
		n.start(t)
	}
	c.startProxy(t)
	if c.db, err = sql.Open("pgx", c.primaryURL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.db.Close() })
	c.waitFor(t, 1, nodes-1)
	return c
}

func loopback(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }

func (c *cluster) primaryURL() string { return c.databaseURL(c.proxy.primary) }

func (c *cluster) databaseURL(port int) string {
	return fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=disable", c.password, port)
}

// frontURL is the URL of the instances behind HAProxy.
func (c *cluster) frontURL() string { return loopback(c.proxy.front) }

// freePorts returns ports that nobody listens on.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close() // not before all are known
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// unprivileged returns the account for PostgreSQL, which refuses to run as root, or nil if this process is not root.
func unprivileged(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	postgres, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(postgres.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(postgres.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// own gives a file to the account.
func (c *cluster) own(t *testing.T, path string) {
	t.Helper()
	if c.account == nil {
		return
	}
	if err := os.Chown(path, int(c.account.Uid), int(c.account.Gid)); err != nil {
		t.Fatal(err)
	}
}

// process is a process of the cluster.
type process struct {
	cmd    *exec.Cmd
	output *testlog.Buffer
	ended  chan struct{}
}

// start starts a process, which ends with the test at the latest.
func (c *cluster) start(t *testing.T, name string, account *syscall.Credential, program string, args ...string) *process {
	t.Helper()
	return c.startIn(t, name, account, nil, program, args...)
}

func (c *cluster) startIn(t *testing.T, name string, account *syscall.Credential, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), output: &testlog.Buffer{}, ended: make(chan struct{})}
	p.cmd.Dir = c.dir
	p.cmd.Env = append([]string{"HOME=" + c.dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	// If the test is killed, Patroni still stops PostgreSQL.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.ended) }()
	c.t.Cleanup(func() {
		p.stop()
		if c.t.Failed() {
			c.t.Logf("the end of the output of %s:\n%s", name, tail(p.output.String()))
		}
	})
	return p
}

// stop ends the process gracefully, or after stopTimeout with SIGKILL.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		p.cmd.Process.Kill()
		<-p.ended
	}
}

// tail returns the last lines of a text.
func tail(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

// node is a PostgreSQL server under Patroni.
type node struct {
	cluster    *cluster
	name       string
	port, rest int // of PostgreSQL, and of Patroni's REST API
	patroni    *process
}

func (n *node) restURL() string { return loopback(n.rest) }

func (n *node) dataDir() string { return filepath.Join(n.cluster.dir, n.name) }

func (n *node) configFile() string { return n.dataDir() + ".yml" }

// nodeConfig is the configuration of Patroni. The times are as short as they can be, so that a failover takes 20 s, not
// 30 s as with the defaults.
const nodeConfig = `
scope: pagila
name: %[1]s
restapi: {listen: "127.0.0.1:%[2]d", connect_address: "127.0.0.1:%[2]d"}
etcd3: {host: "127.0.0.1:%[3]d"}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 5
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {max_connections: 200, wal_log_hints: "on"}
  initdb: [{encoding: UTF8}, {locale: C}]
postgresql:
  listen: "127.0.0.1:%[4]d"
  connect_address: "127.0.0.1:%[4]d"
  data_dir: %[5]s
  bin_dir: %[6]s
  pgpass: %[5]s.pgpass
  authentication:
    superuser: {username: postgres, password: %[7]s}
    replication: {username: replicator, password: %[7]s}
  parameters: {unix_socket_directories: %[8]s}
  pg_hba:
    - host all all 127.0.0.1/32 scram-sha-256
    - host replication replicator 127.0.0.1/32 scram-sha-256
`

func (n *node) configure(t *testing.T) {
	t.Helper()
	c := n.cluster
	text := fmt.Sprintf(nodeConfig, n.name, n.rest, c.etcd, n.port, n.dataDir(), postgresBin, c.password, c.dir)
	if err := os.WriteFile(n.configFile(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.own(t, n.configFile())
}

func (n *node) start(t *testing.T) {
	t.Helper()
	n.patroni = n.cluster.start(t, n.name, n.cluster.account, "patroni", n.configFile())
}

// kill ends PostgreSQL and Patroni with SIGKILL, as the failure of a machine would.
func (n *node) kill(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(n.dataDir(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	n.patroni.cmd.Process.Kill() // it would restart PostgreSQL
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-n.patroni.ended
}

// proxyConfig is the configuration of HAProxy. Patroni's REST API says which server is the primary, and /readyz which
// instances of the program are ready. While the primary is away, none is ready, but all of them can read from the
// replicas. A request whose connection failed goes to another instance.
const proxyConfig = `
global
  maxconn 2000
defaults
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout check 2s
listen primary
  mode tcp
  bind 127.0.0.1:%[1]d
  option httpchk GET /primary
  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
%[2]sfrontend front
  mode http
  bind 127.0.0.1:%[3]d
  use_backend all if { nbsrv(ready) eq 0 }
  default_backend ready
backend ready
  mode http
  option httpchk GET /readyz
  option redispatch
  retries 3
  retry-on conn-failure
  default-server inter 300ms fall 1 rise 1 check
%[4]sbackend all
  mode http
  option redispatch
  retries 3
  retry-on conn-failure
%[4]s`

func (c *cluster) startProxy(t *testing.T) {
	t.Helper()
	var primaries, fronts strings.Builder
	for _, n := range c.nodes {
		fmt.Fprintf(&primaries, "  server %s 127.0.0.1:%d check port %d\n", n.name, n.port, n.rest)
	}
	for _, p := range c.programs {
		fmt.Fprintf(&fronts, "  server %s 127.0.0.1:%d\n", p.name, p.port)
	}
	file := filepath.Join(c.dir, "haproxy.cfg")
	text := fmt.Sprintf(proxyConfig, c.proxy.primary, primaries.String(), c.proxy.front, fronts.String())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.own(t, file)
	c.start(t, "haproxy", c.account, "haproxy", "-db", "-f", file)
}

// program is an instance of the program.
type program struct {
	cluster *cluster
	name    string
	port    int
	*process
}

// startPrograms starts the instances of the program.
func (c *cluster) startPrograms(t *testing.T) {
	t.Helper()
	for _, p := range c.programs {
		p.start(t)
	}
	for _, p := range c.programs {
		p.waitReady(t)
	}
}

// start starts the instance. Its replicas are all nodes: the leader serves reads, too.
func (p *program) start(t *testing.T) {
	t.Helper()
	var replicas []string
	for _, n := range p.cluster.nodes {
		replicas = append(replicas, p.cluster.databaseURL(n.port))
	}
	p.process = p.cluster.startIn(t, p.name, nil, []string{
		"HTTP_ADDR=127.0.0.1:" + strconv.Itoa(p.port),
		"DATABASE_URL=" + p.cluster.primaryURL(),
		"DATABASE_REPLICA_URLS=" + strings.Join(replicas, ","),
		"DRAIN_DELAY=1s", // HAProxy notices it within 300 ms
		"LOG_LEVEL=warn",
	}, os.Getenv(programName))
}

func (p *program) waitReady(t *testing.T) {
	t.Helper()
	eventually(t, func() bool {
		got, err := newClient(nil).send(t.Context(), "GET", loopback(p.port)+"/readyz", "")
		return err == nil && got.status == 200
	}, func() string { return p.name + " is not ready:\n" + tail(p.output.String()) })
}

// terminate ends the instance gracefully.
func (p *program) terminate(t *testing.T) {
	t.Helper()
	p.stop()
	if !p.cmd.ProcessState.Success() {
		t.Errorf("%s: %v", p.name, p.cmd.ProcessState)
	}
}
