package pgtest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/pagila-api/store/pgtest"
)

func TestBouncer(t *testing.T) {
	t.Parallel()
	url := pgtest.Bouncer(t, pgtest.New(t))
	if n := pgtest.ValueAt[int](t, url, films); n != 1000 {
		t.Errorf("%d films", n)
	}
	// Two clients share one connection to the server. Each uses it for a transaction.
	url += "&default_query_exec_mode=simple_protocol"
	if a, b := pgtest.ValueAt[int](t, url, "SELECT pg_backend_pid()"), pgtest.ValueAt[int](t, url, "SELECT pg_backend_pid()"); a != b {
		t.Errorf("two server connections: %d and %d", a, b)
	}
}

// The test's settings override the defaults.
func TestBouncerSettings(t *testing.T) {
	t.Parallel()
	url := pgtest.Bouncer(t, pgtest.New(t), "default_pool_size = 2")
	var pids [2]int
	for i := range pids {
		ctx, conn := t.Context(), pgtest.Connect(t, url)
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(ctx)
		if err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pids[i]); err != nil {
			t.Fatal(err)
		}
	}
	if pids[0] == pids[1] {
		t.Error("two concurrent transactions share a connection to the server")
	}
}

// PgBouncer refuses a startup parameter that it does not track. Tests with PgBouncer rely on that.
func TestBouncerRefusesParameters(t *testing.T) {
	t.Parallel()
	url := pgtest.Bouncer(t, pgtest.New(t))
	for _, parameter := range []string{"search_path", "lock_timeout"} {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		config.RuntimeParams[parameter] = "1"
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err == nil {
			conn.Close(t.Context())
			t.Errorf("%s is accepted", parameter)
			continue
		}
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || !strings.Contains(refused.Message, parameter) {
			t.Errorf("%s: %v", parameter, err)
		}
	}
}

//nolint:tparallel // the parent continues after the subtest
func TestBouncerEnds(t *testing.T) {
	t.Parallel()
	var dir string
	t.Run("test", func(t *testing.T) {
		config, err := pgx.ParseConfig(pgtest.Bouncer(t, pgtest.New(t)))
		if err != nil {
			t.Fatal(err)
		}
		dir = config.Host
	})
	if dir == "" {
		t.Skip("PgBouncer did not run")
	}
	if listens(dir) {
		t.Error("PgBouncer still listens after the test")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of PgBouncer still exists: %v", err)
	}
}

func listens(dir string) bool {
	conn, err := net.Dial("unix", dir+"/.s.PGSQL.6432")
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// holdBouncer is the environment variable that makes TestHoldBouncer start PgBouncer in front of a database
// and wait to be killed.
const holdBouncer = "PGTEST_HOLD_BOUNCER"

func TestHoldBouncer(t *testing.T) {
	t.Parallel()
	url := os.Getenv(holdBouncer)
	if url == "" {
		t.Skip("TestKilledProcessLeavesNoBouncer runs this in another process")
	}
	fmt.Println("through", pgtest.Bouncer(t, url))
	io.Copy(io.Discard, os.Stdin)
}

func TestKilledProcessLeavesNoBouncer(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(startHeldBouncer(t))
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		_, err := os.Stat(config.Host)
		if errors.Is(err, os.ErrNotExist) && !listens(config.Host) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("PgBouncer or its directory still exists: %v", err)
		}
	}
}

// startHeldBouncer makes another process start PgBouncer, checks that PgBouncer works, and kills the process.
// It returns PgBouncer's URL.
func startHeldBouncer(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestHoldBouncer$", "-test.v")
	cmd.Env = append(os.Environ(), holdBouncer+"="+pgtest.New(t))
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var said []string
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "through "); ok {
			if n := pgtest.ValueAt[int](t, url, films); n != 1000 {
				t.Errorf("%d films", n)
			}
			return url
		}
		said = append(said, lines.Text())
	}
	t.Skipf("the other process has no PgBouncer: %q", said)
	return ""
}

func TestDatabaseWithOptions(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t, "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'")
	if n := pgtest.ValueAt[int](t, url, films); n != 1000 {
		t.Errorf("%d films", n)
	}
	if n := pgtest.ValueAt[int](t, url, subscriptions); n != 1 {
		t.Error("the database is not migrated")
	}
	if n := pgtest.ValueAt[int](t, url, "SELECT (lower('I') <> 'i')::int"); n != 1 {
		t.Error("the locale is not Turkish")
	}
}
