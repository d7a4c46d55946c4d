package localpg_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/pgtest"
)

// holdDir is the environment variable that makes the test program run a server in a directory until its
// standard input ends.
const holdDir = "LOCALPG_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdDir); dir != "" {
		if err := hold(dir); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	localpg.UnsetLibpq() // the tests connect to the URLs of their own servers
	os.Exit(m.Run())
}

func hold(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	server, err := localpg.Start(ctx, localpg.Options{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println("ready", server.URL("postgres"))
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return server.Stop(ctx)
}

// holder is another process that runs a server.
type holder struct {
	cmd   *exec.Cmd
	stdin io.Closer
	url   string
}

// startHolder starts another process of the test program, with attr, that runs a server in dir.
func startHolder(t *testing.T, dir string, attr *syscall.SysProcAttr) *holder {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		program = "/proc/self/exe" // other users cannot enter the directory of the test program
	}
	h := &holder{cmd: exec.CommandContext(testContext(t), program)}
	h.cmd.Env = append(os.Environ(), holdDir+"="+dir)
	h.cmd.Dir = "/"
	h.cmd.SysProcAttr = attr
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.cmd.Process.Kill(); h.cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ok bool
	if h.url, ok = strings.CutPrefix(strings.TrimSpace(line), "ready "); !ok {
		rest, _ := io.ReadAll(stdout)
		t.Fatalf("the other process: %s%s", line, rest)
	}
	return h
}

func (h *holder) kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	h.cmd.Wait()
}

// postmaster returns the process id of the server in dir.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
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

// waitFor waits until done returns true.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx := testContext(t)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("timed out: %s", what)
		case <-tick.C:
		}
	}
}

func TestKilledProcessLeavesNoServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	h := startHolder(t, dir, nil)
	pgtest.ValueAt[string](t, h.url, "SELECT 'answers'")
	h.kill(t)
	waitFor(t, "the server shuts down properly", func() bool {
		_, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid"))
		return os.IsNotExist(err)
	})
	start(t, localpg.Options{Dir: dir})
}

// An orphan is a server whose parent process was killed together with the watchdog.
func TestStartStopsOrphan(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	first := start(t, localpg.Options{Dir: dir})
	remember(t, first)
	stop(t, first)

	orphan := exec.CommandContext(testContext(t), filepath.Join(first.BinDir(), "postgres"),
		"-D", filepath.Join(dir, "data"), "-k", "/tmp", "-p", "64321", "-c", "listen_addresses=")
	orphan.Dir = "/"
	if os.Geteuid() == 0 {
		if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
			t.Fatal(err)
		}
		orphan.SysProcAttr = &syscall.SysProcAttr{Credential: ownerOf(t, filepath.Join(dir, "data"))}
	}
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	waitFor(t, "the orphan runs", func() bool {
		_, ok := localpg.Running(dir)
		return ok
	})

	var steps []string
	second := start(t, localpg.Options{Dir: dir, Progress: func(step string) { steps = append(steps, step) }})
	if err := <-ended; err != nil {
		t.Errorf("the orphan did not shut down properly: %v", err)
	}
	if len(steps) == 0 || !strings.Contains(steps[0], "earlier run") {
		t.Errorf("steps: %q", steps)
	}
	remembered(t, second)
}

func TestKilledServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	server := start(t, localpg.Options{Dir: dir})
	remember(t, server)
	if err := syscall.Kill(postmaster(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.Done():
	case <-testContext(t).Done():
		t.Fatal("the server was killed, but Done is not closed")
	}
	stop(t, server)
	remembered(t, start(t, localpg.Options{Dir: dir}))
}

// A session of a server that was killed can outlive it, and the next server waits for the end of the session.
func TestKilledServerWithBusySession(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	server := start(t, localpg.Options{Dir: dir})
	remember(t, server)
	session := pgtest.Value[int](t, pgtest.Connect(t, server.URL("postgres")).QueryRow, `SELECT pg_backend_pid()`)
	if err := syscall.Kill(session, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(postmaster(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
	stop(t, server)
	met := make(chan bool, 1)
	go func() {
		met <- logs(testContext(t), filepath.Join(dir, "log"), "is still in use")
		syscall.Kill(session, syscall.SIGCONT)
	}()
	remembered(t, start(t, localpg.Options{Dir: dir}))
	if !<-met {
		t.Error("the next server did not meet the session")
	}
}

// logs waits until a file contains a text. It returns false if ctx ends first.
func logs(ctx context.Context, path, want string) bool {
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), want) {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

func TestRemoveAfterKill(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	h := startHolder(t, dir, nil)
	u, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	h.kill(t)
	if err := localpg.Remove(testContext(t), dir); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, u.Query().Get("host")} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s still exists: %v", path, err)
		}
	}
}
