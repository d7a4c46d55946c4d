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

// stopTimeout is how long a Postgres of ours may take to shut down before it is made to.
const stopTimeout = 20 * time.Second

// databaseName is the database's name on a Postgres of ours.
const databaseName = "pagila"

// database is the database in use.
type database struct {
	url    string
	label  string          // for people
	server *localpg.Server // ours, or nil
}

// openDatabase is the database of DATABASE_URL or, where that is not set, a Postgres of our own in
// DATA_DIR with the dataset restored. If another process runs that one already, the error is
// localpg.ErrLocked.
func openDatabase(ctx context.Context, c config, progress func(string)) (*database, error) {
	return openInPhases(ctx, c, progress, func(string) {})
}

// openInPhases is openDatabase that says what it is doing to clients of the server too, in phase.
func openInPhases(ctx context.Context, c config, progress, phase func(string)) (*database, error) {
	if c.DatabaseURL != "" {
		return &database{url: c.DatabaseURL, label: "DATABASE_URL"}, nil
	}
	phase("starting PostgreSQL")
	localpg.UnsetLibpq() // they are about a database of the user's own
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

// databaseInUse is openDatabase or, if another process runs the private database, that one.
func databaseInUse(ctx context.Context, c config, progress func(string)) (*database, error) {
	db, err := openDatabase(ctx, c, progress)
	if url, running := localpg.Running(c.DataDir); errors.Is(err, localpg.ErrLocked) && running {
		return &database{url: url(databaseName)}, nil
	}
	return db, err
}

func (d *database) close() error {
	if d.server == nil {
		return nil
	}
	// Not the caller's context: that one is over when the program is told to stop.
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := d.server.Stop(ctx); err != nil {
		return fmt.Errorf("stop Postgres: %w", err)
	}
	return nil
}

// ensureRestored restores the dataset unless it is there. It is restored under another name and
// renamed at the end, so a start that is killed in between leaves nothing that looks complete.
func ensureRestored(ctx context.Context, c config, server *localpg.Server, progress func(string)) error {
	const half = databaseName + "_restoring"
	conn, err := server.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	var there bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", databaseName).Scan(&there); err != nil {
		return fmt.Errorf("look for the database: %w", err)
	}
	if there {
		return nil
	}
	source, err := pagila.Find(ctx, pagila.Options{Dir: c.PagilaDir, CacheDir: c.cacheDir, Progress: progress})
	if err != nil {
		return err
	}
	for _, sql := range []string{
		"DROP DATABASE IF EXISTS " + half + " WITH (FORCE)",
		"CREATE DATABASE " + half,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("prepare the database: %w", err)
		}
	}
	if err := source.Restore(ctx, server.URL(half)); err != nil {
		return fmt.Errorf("restore the dataset: %w", server.Explain(err))
	}
	if _, err := conn.Exec(ctx, "ALTER DATABASE "+half+" RENAME TO "+databaseName); err != nil {
		return fmt.Errorf("name the database: %w", err)
	}
	return nil
}

// throwaway is a Postgres that lasts as long as one command: pristine Pagila, and an empty
// scratch database.
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
	// The folder goes with the server when that stops.
	server, err := localpg.Start(ctx, localpg.Options{Dir: dir, BinDir: c.PostgresBinDir, Disposable: true, Progress: progress})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	t := &throwaway{server: server, pristine: server.URL(databaseName), scratch: server.URL("scratch")}
	if withPagila { // and so no database of the user's own
		localpg.UnsetLibpq()
	}
	create := func() error {
		conn, err := server.Connect(ctx, "postgres")
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(ctx, "CREATE DATABASE scratch"); err != nil {
			return fmt.Errorf("create the scratch database: %w", err)
		}
		if withPagila {
			return ensureRestored(ctx, c, server, progress)
		}
		return nil
	}
	if err := create(); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *throwaway) close() error { return (&database{server: t.server}).close() }

// fetchPostgres obtains PostgreSQL 15 server binaries where the machine has none. With -if-needed,
// any version will do, and none is needed with DATABASE_URL.
func fetchPostgres(ctx context.Context, c config, args []string, w io.Writer) error {
	flags := flag.NewFlagSet("fetch-postgres", flag.ContinueOnError)
	flags.SetOutput(w)
	ifNeeded := flags.Bool("if-needed", false, "only where `serve` could not do without")
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

// progressTo shows a person what is being done.
func progressTo(w io.Writer) func(string) {
	return func(step string) { fmt.Fprintln(w, "  "+step) }
}
