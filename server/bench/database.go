package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/pagila"
)

// stopTimeout is how long the private PostgreSQL server may take to shut down.
const stopTimeout = 20 * time.Second

// database is a private database with Pagila.
type database struct {
	server  *localpg.Server
	url     string
	conn    *pgx.Conn // for the benchmark itself
	dataset string    // for the report
	version string    // of PostgreSQL
}

// openDatabase starts a private PostgreSQL server and restores Pagila. It finds the dataset as the program does.
func openDatabase(ctx context.Context, progress func(string)) (*database, error) {
	const prefix = "pagila-api-bench-"
	if err := localpg.RemoveStale(ctx, filepath.Join(os.TempDir(), prefix+"*")); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	localpg.UnsetLibpq()
	server, err := localpg.Start(ctx, localpg.Options{
		Dir: dir, BinDir: os.Getenv("PG_BINDIR"), Disposable: true, Progress: progress,
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	d := &database{server: server, url: server.URL("pagila")}
	if err := d.fill(ctx, progress); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *database) fill(ctx context.Context, progress func(string)) error {
	options := pagila.Options{Dir: os.Getenv("PAGILA_DIR")}
	if cache, err := os.UserCacheDir(); err == nil {
		options.CacheDir = filepath.Join(cache, "pagila-api")
	}
	progress("restoring Pagila")
	source, err := pagila.Find(ctx, options)
	if err != nil {
		return err
	}
	d.dataset = source.String()
	postgres, err := d.server.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer postgres.Close(context.WithoutCancel(ctx))
	if _, err := postgres.Exec(ctx, "CREATE DATABASE pagila"); err != nil {
		return err
	}
	if err := source.Restore(ctx, d.url); err != nil {
		return fmt.Errorf("restore the dataset: %w", d.server.Explain(err))
	}
	if err := migrate(ctx, d.url); err != nil {
		return err
	}
	if d.conn, err = d.server.Connect(ctx, "pagila"); err != nil {
		return err
	}
	if err := d.conn.QueryRow(ctx, "SELECT current_setting('server_version')").Scan(&d.version); err != nil {
		return err
	}
	// Otherwise VACUUM could not yet mark the pages that the benchmark has just written as all-visible.
	if _, err := d.conn.Exec(ctx, "SET synchronous_commit = on"); err != nil {
		return err
	}
	_, err = d.conn.Exec(ctx, "VACUUM (ANALYZE)") // otherwise autovacuum does it during the first round
	return err
}

func migrate(ctx context.Context, url string) error {
	st, err := store.Open(url, store.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer st.Close()
	return migrations.Apply(ctx, st.DB())
}

func (d *database) close() error {
	// Not the caller's context, which is canceled by Ctrl-C.
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if d.conn != nil {
		_ = d.conn.Close(ctx) // the server ends
	}
	return d.server.Stop(ctx)
}

// cpu returns the CPU time of the processes of PostgreSQL so far. A process that ends is no longer counted, but
// those of the pools stay.
func (d *database) cpu(ctx context.Context) (time.Duration, error) {
	rows, err := d.conn.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
	if err != nil {
		return 0, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, pid := range pids {
		if t, ok := processTime(int(pid)); ok {
			total += t
		}
	}
	return total, nil
}
