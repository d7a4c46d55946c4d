package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// bouncerTimeout bounds the start and the end of PgBouncer, which take some 20 ms.
	bouncerTimeout = 20 * time.Second
	// bouncerInterval is the time between two attempts to connect to a PgBouncer that is starting.
	bouncerInterval = 10 * time.Millisecond
	// bouncerPort is only a part of the socket's name.
	bouncerPort = 6432
	// nobody is the user id that runs PgBouncer in front of a server that is reached over TCP.
	nobody = 65534
)

// bouncerSettings are the strictest settings: all clients share one connection to the server. By default,
// PgBouncer also refuses every startup parameter that it does not track.
var bouncerSettings = []string{
	"pool_mode = transaction",
	"default_pool_size = 1",
	"max_client_conn = 2000",
}

// Bouncer starts PgBouncer in front of the database at the URL, which may use a Unix socket or TCP. It
// returns the URL of the same database through PgBouncer. The pool mode is transaction, and the pool has one
// connection. Settings such as "default_pool_size = 8" override the defaults. PgBouncer connects with the
// user and the password of the URL, whoever the client is.
//
// If the machine has no PgBouncer, the test is skipped. Under CI it fails.
func Bouncer(tb testing.TB, databaseURL string, settings ...string) string {
	tb.Helper()
	program, err := bouncerProgram()
	if err != nil {
		missing(tb, "this test needs PgBouncer: %v", err)
	}
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	owner, err := bouncerOwner(config.Host)
	if err != nil {
		missing(tb, "PgBouncer cannot run here: %v", err)
	}
	dir, err := makeBouncerDir(owner)
	if err != nil {
		tb.Fatal(err)
	}
	ini := filepath.Join(dir, "pgbouncer.ini")
	//nolint:gosec // only the user who runs PgBouncer can enter the directory
	if err := os.WriteFile(ini, []byte(bouncerINI(dir, config, settings)), 0o644); err != nil {
		tb.Fatal(err)
	}
	stop, err := startBouncer(program, ini, dir, owner)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := stop(); err != nil {
			tb.Error(err)
		}
	})
	through := detour(databaseURL, config, dir, bouncerPort)
	if err := waitForBouncer(tb.Context(), through); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log")) //nolint:gosec // our own directory
		tb.Fatalf("start PgBouncer: %v\n%s", err, log)
	}
	return through
}

// missing skips the test, because the machine lacks something. Under CI the test fails.
func missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatalf(format, args...)
	}
	tb.Skipf(format, args...)
}

// bouncerProgram finds PgBouncer. Debian installs it outside the PATH of an ordinary user.
func bouncerProgram() (string, error) {
	program, err := osexec.LookPath("pgbouncer")
	if err == nil {
		return program, nil
	}
	if program, sbinErr := osexec.LookPath("/usr/sbin/pgbouncer"); sbinErr == nil {
		return program, nil
	}
	return "", err
}

// bouncerOwner returns the user to run PgBouncer as, or nil for the user of this process. PgBouncer refuses
// to run as root. The owner of the server's socket has access to it.
func bouncerOwner(host string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if !filepath.IsAbs(host) {
		return &syscall.Credential{Uid: nobody, Gid: nobody}, nil
	}
	info, err := os.Stat(host)
	if err != nil {
		return nil, fmt.Errorf("find the server's socket: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return nil, fmt.Errorf("it refuses to run as root, which owns %s", host)
	}
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}, nil
}

// makeBouncerDir creates a directory for PgBouncer, which other users cannot enter. It is in /tmp, because
// TMPDIR may be inaccessible to the owner, or too long for a socket.
func makeBouncerDir(owner *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("/tmp", "pagila-api-bouncer-")
	if err != nil {
		return "", fmt.Errorf("create a directory for PgBouncer: %w", err)
	}
	if owner != nil {
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// bouncerINI returns the content of the configuration file.
func bouncerINI(dir string, config *pgx.ConnConfig, settings []string) string {
	database := map[string]string{
		"host": config.Host, "port": strconv.Itoa(int(config.Port)), "dbname": config.Database, "user": config.User,
	}
	if config.Password != "" {
		database["password"] = config.Password
	}
	var b strings.Builder
	b.WriteString("[databases]\n* =")
	for _, name := range []string{"host", "port", "dbname", "user", "password"} {
		if value, ok := database[name]; ok {
			fmt.Fprintf(&b, " %s='%s'", name, strings.ReplaceAll(value, "'", "''"))
		}
	}
	fmt.Fprintf(&b, "\n[pgbouncer]\nauth_type = any\nlisten_port = %d\nunix_socket_dir = %s\n", bouncerPort, dir)
	for _, setting := range append(bouncerSettings[:len(bouncerSettings):len(bouncerSettings)], settings...) {
		b.WriteString(setting + "\n")
	}
	return b.String()
}

// bouncerGuard runs PgBouncer until its own standard input ends, and cleans up. Only this process holds the
// other end, so PgBouncer ends whenever this process ends, even by kill -9.
const bouncerGuard = `"$0" "$1" </dev/null & read -r _; kill -s TERM $!; wait; rm -rf -- "$2"`

// startBouncer starts PgBouncer, and returns a function that ends it.
func startBouncer(program, ini, dir string, owner *syscall.Credential) (stop func() error, err error) {
	log, err := os.Create(filepath.Join(dir, "log")) //nolint:gosec // our own directory
	if err != nil {
		return nil, fmt.Errorf("open PgBouncer's log: %w", err)
	}
	defer log.Close()
	cmd := osexec.CommandContext(context.Background(), "/bin/sh", "-c", bouncerGuard, program, ini, dir) //nolint:gosec // our own paths
	cmd.Dir = "/"                                                                                        // ours may be inaccessible to the owner
	cmd.Stdout, cmd.Stderr = log, log
	// In a process group of its own, it does not receive Ctrl-C.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: owner}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start PgBouncer: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start PgBouncer: %w", err)
	}
	return func() error { return endBouncer(cmd, stdin, dir) }, nil
}

// endBouncer ends the guard and PgBouncer. It kills them if that takes too long.
func endBouncer(cmd *osexec.Cmd, stdin io.Closer, dir string) error {
	kill := time.AfterFunc(bouncerTimeout, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer kill.Stop()
	err := errors.Join(stdin.Close(), cmd.Wait(), os.RemoveAll(dir))
	if err != nil {
		return fmt.Errorf("stop PgBouncer: %w", err)
	}
	return nil
}

// waitForBouncer returns once a connection through PgBouncer works.
func waitForBouncer(ctx context.Context, through string) error {
	ctx, cancel := context.WithTimeout(ctx, bouncerTimeout)
	defer cancel()
	tick := time.NewTicker(bouncerInterval)
	defer tick.Stop()
	for {
		err := ping(ctx, through)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// ping connects and executes an empty query. A new PgBouncer accepts connections before it knows whether its
// server does.
func ping(ctx context.Context, through string) error {
	conn, err := pgx.Connect(ctx, through)
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(context.WithoutCancel(ctx)))
}
