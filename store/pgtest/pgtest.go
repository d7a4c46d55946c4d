// Package pgtest gives tests a PostgreSQL server of their own with Pagila in it.
//
// The first test of a process that asks for a database starts a server, in memory where there is
// room. A database is a copy of a template, made in some 20 ms, so each test has its own and may
// run in parallel. The dataset is the one of PAGILA_DIR or else the built-in sample. The network is
// used only to fetch PostgreSQL for PristineOnNewest.
//
// A package that uses it has in one of its test files:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/pagila"
)

const (
	// prepareTimeout bounds the start of a server with its templates, which takes some 3 s.
	prepareTimeout = 3 * time.Minute
	// databaseTimeout bounds making and dropping a database.
	databaseTimeout = time.Minute
)

// Main runs the tests of a package, stops the server they have used, and ends the process. m is the
// *testing.M, or what a package wraps it in to do something after its tests.
func Main(m interface{ Run() int }) {
	localpg.UnsetLibpq() // the tests connect to the URLs of their own databases
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// New returns the URL of a database with Pagila and our migrations, for the test alone.
func New(tb testing.TB) string { tb.Helper(); return clone(tb, migrated) }

// Pristine returns the URL of a database with Pagila as it was restored, for the test alone.
func Pristine(tb testing.TB) string { tb.Helper(); return clone(tb, pristine) }

// Empty returns the URL of a database with nothing in it, for the test alone.
func Empty(tb testing.TB) string { tb.Helper(); return clone(tb, "template0") }

// Database returns the URL of a database with Pagila and our migrations, for the test alone, that
// CREATE DATABASE makes with these options: "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'".
// It takes a second, as nothing is copied.
func Database(tb testing.TB, options string) string {
	tb.Helper()
	source, err := dataset(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return filled(tb, source, options)
}

// Sample is Database with the built-in sample, whatever PAGILA_DIR says. It goes into a database of any
// encoding, which Pagila itself does not.
func Sample(tb testing.TB, options string) string {
	tb.Helper()
	return filled(tb, pagila.Sample(nil), options)
}

func filled(tb testing.TB, source pagila.Source, options string) string {
	tb.Helper()
	return fresh(tb, func(ctx context.Context, server *localpg.Server, name string) error {
		if err := exec(ctx, server, "CREATE DATABASE "+name+" "+options); err != nil {
			return err
		}
		if err := source.Restore(ctx, server.URL(name)); err != nil {
			return err
		}
		return migrate(ctx, server.Config(name))
	})
}

// Server returns a server that is the test's own, so that the test may stop it. Its database
// "pagila" has Pagila and our migrations.
func Server(tb testing.TB) *localpg.Server {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), prepareTimeout)
	defer cancel()
	server, err := start(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	if err := open(ctx, server, migrated); err != nil {
		tb.Fatal(err)
	}
	return server
}

// RealPagila skips the test unless its dataset is Pagila 3.1.0 itself.
func RealPagila(tb testing.TB) {
	tb.Helper()
	source, err := dataset(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	if !source.Real() {
		tb.Skipf("this needs Pagila itself, and the dataset is %s: set PAGILA_DIR to a folder with its dump", source)
	}
}

// dataset is the one of PAGILA_DIR, or the sample.
func dataset(ctx context.Context) (pagila.Source, error) {
	return pagila.Find(ctx, pagila.Options{Dir: os.Getenv("PAGILA_DIR")})
}

// shared is the server of this process, started by the first test that needs it.
var shared struct {
	start  sync.Once
	server *localpg.Server
	err    error
}

func sharedServer(ctx context.Context) (*localpg.Server, error) {
	shared.start.Do(func() {
		// The other tests want it too, whatever becomes of this one.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), prepareTimeout)
		defer cancel()
		shared.server, shared.err = start(ctx)
	})
	return shared.server, shared.err
}

func stopShared() error {
	ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
	defer cancel()
	var errs []error
	for _, server := range []*localpg.Server{shared.server, newest.server} {
		if server != nil {
			errs = append(errs, server.Stop(ctx))
		}
	}
	return errors.Join(errs...)
}

// cloneCount numbers the databases of this process.
var cloneCount atomic.Int64

// clone copies a template and drops the copy after the test.
func clone(tb testing.TB, template string) string {
	tb.Helper()
	return fresh(tb, func(ctx context.Context, server *localpg.Server, name string) error {
		return create(ctx, server, name, template)
	})
}

// fresh has a database made and drops it after the test.
func fresh(tb testing.TB, create func(ctx context.Context, server *localpg.Server, name string) error) string {
	tb.Helper()
	server, err := sharedServer(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return freshOn(tb, server, create)
}

// freshOn is fresh on another server than the usual one.
func freshOn(tb testing.TB, server *localpg.Server, create func(ctx context.Context, server *localpg.Server, name string) error) string {
	tb.Helper()
	name := fmt.Sprintf("test_%d", cloneCount.Add(1))
	ctx, cancel := context.WithTimeout(tb.Context(), databaseTimeout)
	defer cancel()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
		defer cancel()
		// FORCE: a test that has failed may have left connections. It may have been made in part.
		if err := exec(ctx, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			tb.Error(err)
		}
	})
	if err := create(ctx, server, name); err != nil {
		tb.Fatal(err)
	}
	return server.URL(name)
}

// exec runs statements on the server's database postgres, one after the other.
func exec(ctx context.Context, server *localpg.Server, statements ...string) (err error) {
	conn, err := server.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}
