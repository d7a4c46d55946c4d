package pgtest_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store/pgtest"
)

func TestProxyForwards(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.New(t))
	if n := pgtest.ValueAt[int](t, proxy.URL(), films); n != 1000 {
		t.Errorf("%d films", n)
	}
	proxy.SetDelay(10 * time.Millisecond)
	if n := pgtest.ValueAt[int](t, proxy.URL(), films); n != 1000 {
		t.Errorf("%d films with a delay", n)
	}
}

func TestProxyResets(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.New(t))
	if proxy.ResetOne() {
		t.Error("there was a connection to reset")
	}
	ctx, conn := t.Context(), pgtest.Connect(t, proxy.URL())
	if !proxy.ResetOne() {
		t.Error("there was no connection to reset")
	}
	if err := conn.Ping(ctx); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a reset connection: %v", err)
	}
	pgtest.Connect(t, proxy.URL())
	pgtest.Connect(t, proxy.URL())
	if n := proxy.ResetAll(); n < 2 { // the first connection may not have ended yet
		t.Errorf("%d connections were reset, want at least 2", n)
	}
	if n := pgtest.ValueAt[int](t, proxy.URL(), films); n != 1000 {
		t.Errorf("%d films over a new connection", n)
	}
}

func TestProxyStops(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.New(t))
	ctx, conn := t.Context(), pgtest.Connect(t, proxy.URL())
	proxy.Stop()
	proxy.Stop() // a second call changes nothing
	raw, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port(t, proxy)))
	if err != nil {
		t.Fatalf("it does not accept connections: %v", err)
	}
	defer raw.Close()
	answered := make(chan error, 1)
	go func() { answered <- conn.Ping(ctx) }()
	ended, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if conn, err := pgx.Connect(ended, proxy.URL()); err == nil {
		conn.Close(ctx)
		t.Error("a new connection works")
	}
	select {
	case err := <-answered:
		t.Errorf("the old connection works: %v", err)
	default:
	}
	proxy.Resume()
	proxy.Resume()
	if err := <-answered; err != nil {
		t.Errorf("after Resume: %v", err)
	}
}

// The test ends while connections are stopped.
func TestProxyEndsWhileStopped(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.New(t))
	pgtest.Connect(t, proxy.URL())
	proxy.Stop()
}

func TestProxyTargets(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.New(t))
	other := pgtest.Server(t)
	here, there := pgtest.ValueAt[int](t, proxy.URL(), postmasterStart), pgtest.ValueAt[int](t, other.URL("pagila"), postmasterStart)
	if err := proxy.SetTarget(other.URL("pagila")); err != nil {
		t.Fatal(err)
	}
	through, err := pgx.ParseConfig(proxy.URL())
	if err != nil {
		t.Fatal(err)
	}
	through.Database = "pagila"
	conn, err := pgx.ConnectConfig(t.Context(), through)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var got int
	if err := conn.QueryRow(t.Context(), postmasterStart).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != there || got == here {
		t.Errorf("connected to server %d, want %d and not %d", got, there, here)
	}
}

// postmasterStart distinguishes servers.
const postmasterStart = "SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint"

// Many clients at once use PgBouncer, which reaches the server over TCP.
func TestProxyBehindBouncer(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.New(t))
	url := pgtest.Bouncer(t, proxy.URL(), "default_pool_size = 4", "server_login_retry = 0.1")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			conn, err := pgx.Connect(t.Context(), url+"&default_query_exec_mode=exec")
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close(context.WithoutCancel(t.Context()))
			for range 20 {
				var n int
				if err := conn.QueryRow(t.Context(), films).Scan(&n); err != nil || n != 1000 {
					t.Errorf("%d films, %v", n, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if proxy.Len() == 0 {
		t.Error("PgBouncer does not use the proxy")
	}
	if proxy.ResetAll() == 0 {
		t.Error("no connection was reset")
	}
}

func port(t *testing.T, proxy *pgtest.Proxy) string {
	t.Helper()
	config, err := pgx.ParseConfig(proxy.URL())
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(config.Port))
}
