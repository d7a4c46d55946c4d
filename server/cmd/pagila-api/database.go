package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/localpg/binaries"
	"example.com/pagila-api/store/pagila"
)

// stopTimeout is how long a private PostgreSQL server may take to shut down before it is killed.
const stopTimeout = 20 * time.Second

// databaseName is the name of the database on a private server.
const databaseName = "pagila"

// database is the database in use.
type database struct {
	url    string
	label  string          // for the banner
	server *localpg.Server // the private server, or nil
}

// openDatabase opens the database of DATABASE_URL. If that is not set, it starts a private PostgreSQL server in
// DATA_DIR and restores the dataset. The error is localpg.ErrLocked if another process already runs it.
func openDatabase(ctx context.Context, c config, progress func(string)) (*database, error) {
	return openInPhases(ctx, c, progress, func(string) {})
}

// openInPhases is like openDatabase, and also reports to clients of the server what it is doing.
func openInPhases(ctx context.Context, c config, progress, phase func(string)) (*database, error) {
	if c.DatabaseURL != "" {
		return &database{url: c.DatabaseURL, label: "DATABASE_URL"}, nil
	}
	phase("starting PostgreSQL")
	localpg.UnsetLibpq() // PG* variables describe another database
	server, err := localpg.Start(ctx, localpg.Options{Dir: c.DataDir, BinDir: c.PostgresBinDir, Progress: progress})
	if err != nil {
		return nil, err
	}
	db := &database{url: server.URL(databaseName), label: "private, in " + c.DataDir, server: server}
	phase("restoring Pagila")
	if err := ensureRestored(ctx, c, server, progress); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

// databaseInUse is like openDatabase, but uses a private database that another process runs already.
func databaseInUse(ctx context.Context, c config, progress func(string)) (*database, error) {
	db, err := openDatabase(ctx, c, progress)
	if url, running := localpg.Running(c.DataDir); errors.Is(err, localpg.ErrLocked) && running {
		return &database{url: url(databaseName)}, nil
	}
	return db, err
}

// ended returns a channel that is closed when a private server ends. It is nil for any other database.
func (d *database) ended() <-chan struct{} {
	if d.server == nil {
		return nil
	}
	return d.server.Done()
}

func (d *database) close() error {
	if d.server == nil {
		return nil
	}
	// Not the caller's context, which is canceled when the program is told to stop.
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := d.server.Stop(ctx); err != nil {
		return fmt.Errorf("stop Postgres: %w", err)
	}
	return nil
}

// ensureRestored restores the dataset unless it exists. It restores into a database of another name and
// renames that at the end, so that a start that is killed leaves nothing that looks complete.
func ensureRestored(ctx context.Context, c config, server *localpg.Server, progress func(string)) error {
	const partial = databaseName + "_restoring"
	conn, err := server.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", databaseName).Scan(&exists); err != nil {
		return fmt.Errorf("look for the database: %w", err)
	}
	if exists {
		return nil
	}
	source, err := pagila.Find(ctx, pagila.Options{Dir: c.PagilaDir, CacheDir: c.cacheDir, Progress: progress})
	if err != nil {
		return err
	}
	for _, sql := range []string{
		"DROP DATABASE IF EXISTS " + partial + " WITH (FORCE)",
		"CREATE DATABASE " + partial,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("prepare the database: %w", err)
		}
	}
	if err := source.Restore(ctx, server.URL(partial)); err != nil {
		return fmt.Errorf("restore the dataset: %w", server.Explain(err))
	}
	if _, err := conn.Exec(ctx, "ALTER DATABASE "+partial+" RENAME TO "+databaseName); err != nil {
		return fmt.Errorf("name the database: %w", err)
	}
	return nil
}

// throwaway is a PostgreSQL server that runs for one command. It has an unmigrated Pagila and an empty database.
type throwaway struct {
	server            *localpg.Server
	pristine, scratch string // URLs
}

func startThrowaway(ctx context.Context, c config, withPagila bool, progress func(string)) (*throwaway, error) {
	const prefix = "pagila-api-throwaway-"
	if err := localpg.RemoveStale(ctx, filepath.Join(os.TempDir(), prefix+"*")); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	// The server removes the directory when it stops.
	server, err := localpg.Start(ctx, localpg.Options{Dir: dir, BinDir: c.PostgresBinDir, Disposable: true, Progress: progress})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	t := &throwaway{server: server, pristine: server.URL(databaseName), scratch: server.URL("scratch")}
	if withPagila { // PG* variables describe another database
		localpg.UnsetLibpq()
	}
	if err := t.create(ctx, c, withPagila, progress); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *throwaway) create(ctx context.Context, c config, withPagila bool, progress func(string)) error {
	conn, err := t.server.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(ctx, "CREATE DATABASE scratch"); err != nil {
		return fmt.Errorf("create the scratch database: %w", err)
	}
	if withPagila {
		return ensureRestored(ctx, c, t.server, progress)
	}
	return nil
}

func (t *throwaway) close() error { return (&database{server: t.server}).close() }

// fetchPostgres downloads PostgreSQL 15 server binaries if the machine has none. With -if-needed, any version
// is sufficient, and none is needed with DATABASE_URL.
func fetchPostgres(ctx context.Context, c config, args []string, w io.Writer) error {
	flags := flag.NewFlagSet("fetch-postgres", flag.ContinueOnError)
	flags.SetOutput(w)
	ifNeeded := flags.Bool("if-needed", false, "only if `serve` needs them")
	if err := parse(flags, args); err != nil {
		return err
	}
	if c.PostgresBinDir != "" || *ifNeeded && c.DatabaseURL != "" {
		return nil
	}
	dir, missing := binaries.Find(ctx)
	if missing == nil {
		if major, err := binaries.MajorVersion(ctx, dir); *ifNeeded || err == nil && major == binaries.SupportedMajor {
			return nil
		}
	}
	_, err := binaries.Fetch(ctx, binaries.SupportedMajor, progressTo(w))
	if err != nil && missing == nil {
		fmt.Fprintf(w, "  PostgreSQL %d cannot be downloaded, so the version in %s is used: %v\n", binaries.SupportedMajor, dir, err)
		return nil
	}
	return err
}

// progressTo prints each step.
func progressTo(w io.Writer) func(string) {
	return func(step string) { fmt.Fprintln(w, "  "+step) }
}
