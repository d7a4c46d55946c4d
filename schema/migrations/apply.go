package migrations

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/postgres"
)

const (
	// lockName is what the Atlas command locks while it applies: neither starts while the other runs.
	lockName = "atlas_migrate_execute"
	// lockTimeout is time enough for another process to bring the same migrations.
	lockTimeout = time.Minute
	// operator is what the revisions table names as having applied a migration. The Atlas command
	// writes its own name and version there.
	operator = "pagila-api"
)

// ErrNoPagila is the error of Apply and Locate on a database that Pagila has not been restored into.
var ErrNoPagila = errors.New("the database has no Pagila in it (the tables film, inventory, rental and customer): restore Pagila first")

// Apply brings a restored Pagila up to date; where nothing is pending it changes nothing. It may be
// called from several processes at once, the Atlas command among them: one applies, the others wait.
//
// Each file runs in a transaction of its own. A file that fails leaves no trace, and Apply stops
// there; the files before it stay applied, and the next call goes on with the one that failed.
//
// Errors are ErrNoPagila; migrate.ErrChecksumMismatch, when a file is not the one that atlas.sum
// names; schema.ErrLocked, when another process has been applying for a minute; the context's, once
// it has ended; and whatever the database answers, with the file and the statement. db may be a pool of
// a single connection.
func Apply(ctx context.Context, db *sql.DB) error {
	return apply(ctx, db, Files)
}

func apply(ctx context.Context, db *sql.DB, files fs.FS) (err error) {
	defer func() {
		// A connection that ctx has ended under a statement fails the next one as a bad connection.
		if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}()
	dir, err := directory(files)
	if err != nil {
		return err
	}
	// One connection for the lock and for the work: callers that wait for the lock each hold a
	// connection, and together could leave the one that has it without a second.
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	drv, err := postgres.Open(conn)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	unlock, err := drv.Lock(ctx, lockName, lockTimeout)
	if err != nil {
		return fmt.Errorf("lock the migrations: %w", err)
	}
	defer func() {
		if unlock() != nil { // ctx is over, for one
			// The lock ends with its session. Back in the pool, the session might keep it for ever.
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
	}()
	return applyPending(ctx, conn, drv, dir)
}

// directory reads files into what Atlas takes, and checks them against atlas.sum.
func directory(files fs.FS) (migrate.Dir, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	dir := new(migrate.MemDir)
	for _, name := range append(names, migrate.HashFileName) {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read the migrations: %w", err)
		}
		if err := dir.WriteFile(name, text); err != nil {
			return nil, fmt.Errorf("read the migrations: %w", err)
		}
	}
	if err := migrate.Validate(dir); err != nil {
		return nil, fmt.Errorf("check the migrations against %s: %w", migrate.HashFileName, err)
	}
	return dir, nil
}

func applyPending(ctx context.Context, conn *sql.Conn, drv migrate.Driver, dir migrate.Dir) error {
	// Without this the first migration would fail as well, but only after the baseline is recorded.
	var restored bool
	err := conn.QueryRowContext(ctx, `SELECT to_regclass('public.film') IS NOT NULL`).Scan(&restored)
	if err != nil {
		return fmt.Errorf("look for Pagila: %w", err)
	}
	if !restored {
		return ErrNoPagila
	}
	if err := createRevisions(ctx, conn); err != nil {
		return err
	}
	executor, err := newExecutor(drv, dir, revisions{conn})
	if err != nil {
		return err
	}
	pending, err := executor.Pending(ctx) // records the baseline, the first time
	if errors.Is(err, migrate.ErrNoPendingFiles) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for pending migrations: %w", err)
	}
	for _, file := range pending {
		if err := applyFile(ctx, conn, dir, file); err != nil {
			return fmt.Errorf("apply %s: %w", file.Name(), err)
		}
	}
	return nil
}

// applyFile runs one file, and records it, in one transaction.
func applyFile(ctx context.Context, conn *sql.Conn, dir migrate.Dir, file migrate.File) error {
	// The statements end with ctx, and the defer rolls back. With ctx here as well, database/sql would
	// roll back and close conn beside us, and a conn that closes while it is used can panic.
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit there is nothing left to roll back
	// The files name no schema. The Atlas command puts public into its URL for them.
	if _, err := tx.ExecContext(ctx, `SET LOCAL search_path TO public`); err != nil {
		return fmt.Errorf("set the search path: %w", err)
	}
	drv, err := postgres.Open(tx)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	executor, err := newExecutor(drv, dir, revisions{tx})
	if err != nil {
		return err
	}
	if err := executor.Execute(ctx, file); err != nil {
		// The transaction is lost with the statement, so Atlas could not record the failure in it
		// and says so too. The first of the two errors is the one to report.
		var failed *migrate.StmtExecError
		if errors.As(err, &failed) {
			return failed
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func newExecutor(drv migrate.Driver, dir migrate.Dir, r revisions) (*migrate.Executor, error) {
	executor, err := migrate.NewExecutor(drv, dir, r,
		migrate.WithBaselineVersion(Baseline), migrate.WithOperatorVersion(operator))
	if err != nil {
		return nil, fmt.Errorf("set up Atlas: %w", err)
	}
	return executor, nil
}
