package localpg_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/pgtest"
)

// deadline bounds a test. A start takes about a second, or up to ten under the race detector on a busy
// machine.
const deadline = 2 * time.Minute

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// newDir returns a directory for a server, which does not exist yet. It is in memory if possible, because
// initdb syncs its files to disk.
func newDir(t *testing.T) string {
	t.Helper()
	place := "/dev/shm"
	if info, err := os.Stat(place); err != nil || !info.IsDir() {
		return filepath.Join(t.TempDir(), "pg")
	}
	dir, err := os.MkdirTemp(place, "localpg-test-") //nolint:usetesting // t.TempDir is not in memory
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "pg")
}

// ownerOf returns the user and the group that own a file.
func ownerOf(t *testing.T, path string) *syscall.Credential {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}
}

func start(t *testing.T, o localpg.Options) *localpg.Server {
	t.Helper()
	server, err := localpg.Start(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, server) })
	return server
}

func stop(t *testing.T, server *localpg.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		t.Error(err)
	}
	select {
	case <-server.Done():
	default:
		t.Error("the server was stopped, but Done is not closed")
	}
}

// remember writes a row, and remembered checks that a restart has kept it.
func remember(t *testing.T, server *localpg.Server) {
	t.Helper()
	pgtest.Exec(t, pgtest.Connect(t, server.URL("postgres")).Exec, "CREATE TABLE memory AS SELECT 'kept' AS word")
}

func remembered(t *testing.T, server *localpg.Server) {
	t.Helper()
	if got := pgtest.ValueAt[string](t, server.URL("postgres"), "SELECT word FROM memory"); got != "kept" {
		t.Errorf("the table holds %q", got)
	}
}

func TestRestartKeepsData(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	var steps []string
	progress := func(step string) { steps = append(steps, step) }

	first := start(t, localpg.Options{Dir: dir, Progress: progress})
	remember(t, first)
	stop(t, first)
	stop(t, first) // a second call is allowed
	if len(steps) != 2 || !strings.Contains(steps[0], "creating") || !strings.Contains(steps[1], "starting") {
		t.Errorf("steps of the first start: %q", steps)
	}

	steps = nil
	second := start(t, localpg.Options{Dir: dir, Progress: progress})
	remembered(t, second)
	if len(steps) != 1 {
		t.Errorf("steps of the second start: %q", steps)
	}
	if _, err := os.Stat(filepath.Join(second.BinDir(), "postgres")); err != nil {
		t.Error(err)
	}
	for setting, want := range map[string]string{
		"listen_addresses": "", "server_encoding": "UTF8", "lc_collate": "C", "TimeZone": "UTC", "fsync": "on",
	} {
		if got := pgtest.ValueAt[string](t, second.URL("postgres"), "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
}

func TestDisposable(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	server := start(t, localpg.Options{Dir: dir, Disposable: true})
	if got := pgtest.ValueAt[string](t, server.URL("postgres"), "SELECT current_setting('fsync')"); got != "off" {
		t.Errorf("fsync is %s", got)
	}
	stop(t, server)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of a disposable server still exists: %v", err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	if _, ok := localpg.Running(dir); ok {
		t.Error("it runs before it was started")
	}
	server := start(t, localpg.Options{Dir: dir})
	if _, err := localpg.Start(testContext(t), localpg.Options{Dir: dir}); !errors.Is(err, localpg.ErrLocked) {
		t.Errorf("second start: %v", err)
	}
	if err := localpg.Remove(testContext(t), dir); !errors.Is(err, localpg.ErrLocked) {
		t.Errorf("removing a server in use: %v", err)
	}
	url, ok := localpg.Running(dir)
	if !ok {
		t.Fatal("it does not run")
	}
	if url("postgres") != server.URL("postgres") {
		t.Errorf("Running returns %s, want %s", url("postgres"), server.URL("postgres"))
	}
	pgtest.ValueAt[string](t, url("postgres"), "SELECT 'answers'")
	stop(t, server)
	if _, ok := localpg.Running(dir); ok {
		t.Error("it runs after it was stopped")
	}
}

// A server starts in a directory whose path does not suit a socket, or that its user cannot access.
func TestDirectories(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		base string
		mode os.FileMode // of the parent directory
	}{
		{"short", "pg", 0o711},
		{"inaccessible to other users", "pg", 0o700},
		{"too long for a socket", strings.Repeat("long", 30), 0o711},
		{"with a space and a quote", "it's here", 0o711},
		{"with a comma", "here,there", 0o711},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := newDir(t)
			if err := os.Chmod(filepath.Dir(dir), test.mode); err != nil {
				t.Fatal(err)
			}
			dir = filepath.Join(filepath.Dir(dir), test.base)
			server := start(t, localpg.Options{Dir: dir})
			remember(t, server)
			if _, ok := localpg.Running(dir); !ok {
				t.Error("it does not run")
			}
			stop(t, server)
			remembered(t, start(t, localpg.Options{Dir: dir}))
		})
	}
}

func TestOtherMajorVersion(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(dir, "data", "PG_VERSION")
	if err := os.WriteFile(version, []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := localpg.Start(testContext(t), localpg.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 9") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(version); err != nil {
		t.Errorf("the data of the other version: %v", err)
	}
}

func TestErrorShowsLog(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	stop(t, start(t, localpg.Options{Dir: dir}))
	conf := filepath.Join(dir, "data", "postgresql.conf")
	if err := os.WriteFile(conf, []byte("no_such_setting = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := localpg.Start(testContext(t), localpg.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v", err)
	}
	// Nothing locks the directory any more.
	if err := localpg.Remove(testContext(t), dir); err != nil {
		t.Error(err)
	}
}

func TestUnfinishedClusterIsRemoved(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	unfinished := filepath.Join(dir, "new-123", "base")
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, localpg.Options{Dir: dir})
	if _, err := os.Stat(unfinished); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the files of a killed initdb still exist: %v", err)
	}
}

// A data directory may exist if it is empty, because some tools create it beforehand. One that contains other
// files belongs to the user and is left alone.
func TestDataDirectoryExists(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	stop(t, start(t, localpg.Options{Dir: dir}))

	dir = newDir(t)
	photo := filepath.Join(dir, "data", "photo.jpg")
	if err := os.MkdirAll(filepath.Dir(photo), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(photo, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := localpg.Start(testContext(t), localpg.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "DATA_DIR") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(photo); err != nil {
		t.Error(err)
	}
}

func TestRemoveStale(t *testing.T) {
	t.Parallel()
	root := filepath.Dir(newDir(t))
	old := time.Now().Add(-time.Hour)
	mkdir := func(name string) string {
		dir := filepath.Join(root, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	abandoned, fresh, other := mkdir("stale-abandoned"), mkdir("stale-new"), mkdir("other")
	used := filepath.Join(root, "stale-used")
	start(t, localpg.Options{Dir: used, Disposable: true})
	for _, dir := range []string{abandoned, used, other} {
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := localpg.RemoveStale(testContext(t), filepath.Join(root, "stale-*")); err != nil {
		t.Fatal(err)
	}
	for dir, kept := range map[string]bool{abandoned: false, fresh: true, other: true, used: true} {
		if _, err := os.Stat(dir); (err == nil) != kept {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// startStranger starts a process that has nothing to do with PostgreSQL.
func startStranger(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("cat")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// writePIDFile writes a postmaster.pid as PostgreSQL writes it, or an empty one if there is no process.
func writePIDFile(t *testing.T, dir string, process *os.Process) {
	t.Helper()
	data := filepath.Join(dir, "data")
	var content string
	if process != nil {
		content = fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n\n  5432001         0\nready\n", process.Pid, data, filepath.Join(dir, "socket"))
	}
	name := filepath.Join(data, "postmaster.pid")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	owner := ownerOf(t, data)
	if err := os.Chown(name, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
}

// A server starts although a left-over postmaster.pid names a process that is not a server of the directory.
func TestLeftOverPIDFile(t *testing.T) {
	t.Parallel()
	for name, process := range map[string]func(*testing.T) *os.Process{
		"of a stranger": func(t *testing.T) *os.Process {
			t.Helper()
			return startStranger(t).Process
		},
		"of a process killed and not waited for": func(t *testing.T) *os.Process {
			t.Helper()
			cmd := startStranger(t)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			return cmd.Process
		},
		"of a process that is gone": func(t *testing.T) *os.Process {
			t.Helper()
			cmd := startStranger(t)
			cmd.Process.Kill()
			cmd.Wait()
			return cmd.Process
		},
		"empty": func(*testing.T) *os.Process { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newDir(t)
			first := start(t, localpg.Options{Dir: dir})
			remember(t, first)
			stop(t, first)
			writePIDFile(t, dir, process(t))
			remembered(t, start(t, localpg.Options{Dir: dir}))
		})
	}
}

// A signal from the terminal goes to our process group, so the server must be in another one.
func TestCtrlCDoesNotReachServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	start(t, localpg.Options{Dir: dir})
	group, err := syscall.Getpgid(postmaster(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if group == syscall.Getpgrp() {
		t.Error("the server is in our process group")
	}
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	if err := os.WriteFile(log, make([]byte, 11<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, localpg.Options{Dir: dir})
	info, err := os.Stat(log)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() == 0 || info.Size() > 1<<20 {
		t.Errorf("the log has %d bytes", info.Size())
	}
}
