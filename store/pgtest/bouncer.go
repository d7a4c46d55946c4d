package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
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
	// bouncerTimeout bounds the start of PgBouncer and its end, which take some 20 ms.
	bouncerTimeout = 20 * time.Second
	// bouncerInterval is how often a starting PgBouncer is tried.
	bouncerInterval = 10 * time.Millisecond
	// bouncerPort is only a part of the socket's name.
	bouncerPort = 6432
	// nobody is the user who runs PgBouncer in front of a server that is reached over TCP.
	nobody = 65534
)

// bouncerSettings are the strict ones: one connection to the server for everybody, and every
// startup parameter that PgBouncer does not track is refused, as is its default.
var bouncerSettings = []string{
	"pool_mode = transaction",
	"default_pool_size = 1",
	"max_client_conn = 2000",
}

// Bouncer starts PgBouncer in front of the database at the URL, which may be reached over a unix
// socket or TCP, and returns the URL of the same database through it. Its pool mode is transaction,
// and its pool has one connection. Settings such as "default_pool_size = 8" come after the default
// ones, and win. PgBouncer connects with the user and the password of the URL, whoever the client is.
//
// The test is skipped where there is no PgBouncer. Under CI it fails.
func Bouncer(tb testing.TB, databaseURL string, settings ...string) string {
	tb.Helper()
	program, err := bouncerProgram()
	if err != nil {
		missing(tb, "this needs PgBouncer: %v", err)
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
	//nolint:gosec // the user who runs PgBouncer reads it, and nobody else can enter the directory
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
	through := bouncerURL(databaseURL, config, dir)
	if err := waitForBouncer(tb.Context(), through); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log")) //nolint:gosec // our own directory
		tb.Fatalf("start PgBouncer: %v\n%s", err, log)
	}
	return through
}

// missing skips a test for want of something on the machine. Under CI nothing may be wanting.
func missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatalf(format, args...)
	}
	tb.Skipf(format, args...)
}

// bouncerProgram finds PgBouncer, which Debian installs where an ordinary user's PATH does not lead.
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

// bouncerOwner is the user to run PgBouncer as, or nil for the user of this process. PgBouncer
// refuses to run as root. The owner of the server's socket is one who can reach it.
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
		return nil, fmt.Errorf("it refuses to run as root, who owns %s", host)
	}
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}, nil
}

// makeBouncerDir makes a directory for PgBouncer, closed to other users. It is in /tmp because
// TMPDIR may be closed to the owner, or too long for a socket.
func makeBouncerDir(owner *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("/tmp", "pagila-api-bouncer-")
	if err != nil {
		return "", fmt.Errorf("make a directory for PgBouncer: %w", err)
	}
	if owner != nil {
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// bouncerINI is the configuration file.
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

// bouncerURL is databaseURL by way of the socket in dir. What else it says, as on how to run
// queries, stays.
func bouncerURL(databaseURL string, config *pgx.ConnConfig, dir string) string {
	query := url.Values{}
	if u, err := url.Parse(databaseURL); err == nil && u.Scheme != "" {
		query = u.Query()
	}
	query.Set("host", dir)
	query.Set("port", strconv.Itoa(bouncerPort))
	query.Set("sslmode", "disable")
	u := url.URL{Scheme: "postgres", User: url.User(config.User), Path: "/" + config.Database}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // libpq and pgx take a plus for a plus
	return u.String()
}

// bouncerGuard runs PgBouncer until its own standard input ends, and cleans up. The other end is
// held by this process alone, so PgBouncer ends however this process does, kill -9 included.
const bouncerGuard = `"$0" "$1" </dev/null & read -r _; kill -s TERM $!; wait; rm -rf -- "$2"`

// startBouncer starts PgBouncer and returns what ends it.
func startBouncer(program, ini, dir string, owner *syscall.Credential) (stop func() error, err error) {
	log, err := os.Create(filepath.Join(dir, "log")) //nolint:gosec // our own directory
	if err != nil {
		return nil, fmt.Errorf("open PgBouncer's log: %w", err)
	}
	defer log.Close()
	cmd := osexec.CommandContext(context.Background(), "/bin/sh", "-c", bouncerGuard, program, ini, dir) //nolint:gosec // our own paths
	cmd.Dir = "/"                                                                                        // ours may be closed to the owner
	cmd.Stdout, cmd.Stderr = log, log
	// In a group of its own it gets no Ctrl-C.
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

// endBouncer ends the guard with PgBouncer, by force if it takes too long.
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

// ping connects and has a query answered. A new PgBouncer takes connections before it knows whether
// its server does.
func ping(ctx context.Context, through string) error {
	conn, err := pgx.Connect(ctx, through)
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(context.WithoutCancel(ctx)))
}
