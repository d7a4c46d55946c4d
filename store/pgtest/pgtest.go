// Package pgtest gives each test a PostgreSQL database of its own with Pagila in it.
//
// The first test of a process that asks for a database starts a server, in memory if there is enough space. A
// database is a copy of a template. A copy takes some 20 ms, so each test gets its own and may run in
// parallel with others. The dataset is the one in PAGILA_DIR, or else the built-in sample. Only
// PristineOnNewest and NewOnNewest use the network, to fetch PostgreSQL.
//
// The package also has what tests need to query a database (Connect, Value, Exec), to fill it with more films
// (Grow), to put PgBouncer in front of it (Bouncer), and to break its connections (Proxy).
//
// The URLs are those of a superuser, who prepares and checks. The code under test connects with AsServer, as the role
// that roles.sql creates, and so has no more privileges than in production.
//
// A package that uses it contains in one of its test files:
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
	// prepareTimeout bounds the start of a server and the creation of its templates, which take some 3 s.
	prepareTimeout = 3 * time.Minute
	// databaseTimeout bounds the creation and the removal of a database.
	databaseTimeout = time.Minute
)

// Main runs the tests of a package, stops the servers that they have used, and ends the process. m is the
// *testing.M, or a wrapper that does something after the tests.
func Main(m interface{ Run() int }) {
	localpg.UnsetLibpq() // the tests connect only to their own databases
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// New returns the URL of a database with Pagila and our migrations. Only this test uses it.
func New(tb testing.TB) string { tb.Helper(); return clone(tb, migrated) }

// Pristine returns the URL of a database with Pagila as restored, without our migrations. Only this test uses
// it.
func Pristine(tb testing.TB) string { tb.Helper(); return clone(tb, pristine) }

// Empty returns the URL of an empty database. Only this test uses it.
func Empty(tb testing.TB) string { tb.Helper(); return clone(tb, "template0") }

// Database is New for a database that is created with options of CREATE DATABASE, such as "TEMPLATE template0
// LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'". It takes a second, because it restores the dataset.
func Database(tb testing.TB, options string) string {
	tb.Helper()
	source, err := dataset(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return filled(tb, source, options)
}

// Sample is Database with the built-in sample, whatever PAGILA_DIR says. The database may have any encoding,
// unlike with Pagila itself.
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
		if err := migrate(ctx, server.Config(name)); err != nil {
			return err
		}
		return grant(ctx, server, name)
	})
}

// Server returns a server that only this test uses and may stop. Its database "pagila" has Pagila and our
// migrations.
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

// RealPagila skips the test unless the dataset is the pinned release of Pagila.
func RealPagila(tb testing.TB) {
	tb.Helper()
	source, err := dataset(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	if !source.Pinned() {
		tb.Skip("this test needs the pinned release of Pagila: set PAGILA_DIR to a directory with its dump")
	}
}

// dataset returns the dataset in PAGILA_DIR, or the sample if the variable is not set.
func dataset(ctx context.Context) (pagila.Source, error) {
	return pagila.Find(ctx, pagila.Options{Dir: os.Getenv("PAGILA_DIR")})
}

// shared is the server of this process. The first test that needs it starts it.
var shared struct {
	start  sync.Once
	server *localpg.Server
	err    error
}

func sharedServer(ctx context.Context) (*localpg.Server, error) {
	shared.start.Do(func() {
		// The other tests need the server too, even if this one ends.
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

// cloneCount is the number of databases that this process has created.
var cloneCount atomic.Int64

// clone copies a template, and drops the copy after the test.
func clone(tb testing.TB, template string) string {
	tb.Helper()
	return fresh(tb, func(ctx context.Context, server *localpg.Server, name string) error {
		return create(ctx, server, name, template)
	})
}

// fresh creates a database with create, and drops it after the test.
func fresh(tb testing.TB, create func(ctx context.Context, server *localpg.Server, name string) error) string {
	tb.Helper()
	server, err := sharedServer(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return freshOn(tb, server, create)
}

// freshOn is fresh on a given server.
func freshOn(tb testing.TB, server *localpg.Server, create func(ctx context.Context, server *localpg.Server, name string) error) string {
	tb.Helper()
	name := fmt.Sprintf("test_%d", cloneCount.Add(1))
	ctx, cancel := context.WithTimeout(tb.Context(), databaseTimeout)
	defer cancel()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
		defer cancel()
		// A test that failed may have left connections, so FORCE. create may have failed, so IF EXISTS.
		if err := exec(ctx, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			tb.Error(err)
		}
	})
	if err := create(ctx, server, name); err != nil {
		tb.Fatal(err)
	}
	return server.URL(name)
}

// exec executes statements one by one in the server's database postgres.
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
