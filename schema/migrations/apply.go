package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/postgres"
)

// operator is how the revisions table names this program. The Atlas command writes its own name and version.
const operator = "pagila-api"

// ErrNoPagila is the error of Apply, Down and Locate for a database that does not contain Pagila.
var ErrNoPagila = errors.New("the database does not contain Pagila (the tables film, inventory, rental and customer): restore Pagila first")

// Apply applies all pending migrations to a restored Pagila, in the schema that Locate finds. Several
// processes may call it at once, even beside the Atlas command. One applies the migrations, and the others
// wait.
//
// Each file runs in a transaction of its own, whatever the settings of the role, the database and the URL
// are. If a file fails, Apply rolls it back and stops. The files before it stay applied, and the next call
// continues with the file that failed. Apply also applies a file that is missing although a newer one is
// applied. The Atlas command does not.
//
// The error is ErrNoPagila, or migrate.ErrChecksumMismatch if a file differs from atlas.sum, or
// schema.ErrLocked if another process has been applying migrations for a minute, or the context's error. Any
// other error is the database's, and names the file and the statement. db must be a pool of pgx. One
// connection is enough, and it may lead through a pooler in transaction mode.
func Apply(ctx context.Context, db *sql.DB) error {
	return apply(ctx, db, Files)
}

// ApplyEach is Apply, but calls applied with the name of each file once the file is applied.
func ApplyEach(ctx context.Context, db *sql.DB, applied func(file string)) error {
	return applyEach(ctx, db, Files, applied)
}

func apply(ctx context.Context, db *sql.DB, files fs.FS) error {
	return applyEach(ctx, db, files, func(string) {})
}

func applyEach(ctx context.Context, db *sql.DB, files fs.FS, applied func(file string)) error {
	dir, err := directory(files)
	if err != nil {
		return err
	}
	return connected(ctx, db, func(s *session) error {
		for {
			var file migrate.File
			err := s.transaction(ctx, func(q querier) (err error) {
				file, err = applyNext(ctx, q, dir)
				return err
			})
			if err != nil || file == nil {
				return err
			}
			applied(file.Name())
		}
	})
}

// directory converts files to a directory of Atlas's library, and verifies them against atlas.sum.
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

// applyNext applies the oldest pending file and returns it. It returns nil if no file is pending.
func applyNext(ctx context.Context, q querier, dir migrate.Dir) (migrate.File, error) {
	r, err := lock(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := r.create(ctx); err != nil {
		return nil, err
	}
	file, err := nextFile(ctx, r, dir)
	if err != nil || file == nil {
		return nil, err
	}
	if err := execute(ctx, r, dir, file); err != nil {
		return nil, fmt.Errorf("apply %s: %w", file.Name(), explain(err, r.table))
	}
	return file, nil
}

// nextFile returns the oldest file that is not applied, or nil. It records the baseline if the revisions
// table is empty.
func nextFile(ctx context.Context, r revisions, dir migrate.Dir) (migrate.File, error) {
	all, err := r.ReadRevisions(ctx)
	if err != nil {
		return nil, err
	}
	files, err := dir.Files() // sorted by version
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	h := historyOf(all)
	for _, file := range files {
		if len(all) == 0 && file.Version() == Baseline {
			if err := r.writeBaseline(ctx, file); err != nil {
				return nil, err
			}
		}
		if file.Version() > Baseline && !h.applied(file.Version()) {
			return file, continuable(all, file)
		}
	}
	return nil, nil
}

// continuable returns an error for a file that stopped halfway without a record of the statements that ran.
// Atlas's library would panic.
func continuable(all []*migrate.Revision, file migrate.File) error {
	for _, rev := range all {
		if rev.Version == file.Version() && rev.Applied > len(rev.PartialHashes) {
			return fmt.Errorf("%s stopped after %d of %d statements, and there is no record of which ones: run the rest by hand, and record the migration with `atlas migrate set`",
				file.Name(), rev.Applied, rev.Total)
		}
	}
	return nil
}

// execute executes a file and records it, as the Atlas command does.
func execute(ctx context.Context, r revisions, dir migrate.Dir, file migrate.File) error {
	drv, err := postgres.Open(r.db)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	executor, err := migrate.NewExecutor(drv, dir, r, migrate.WithOperatorVersion(operator))
	if err != nil {
		return fmt.Errorf("set up Atlas: %w", err)
	}
	err = executor.Execute(ctx, file)
	// The failed statement aborts the transaction, so Atlas cannot record the failure and returns a second
	// error for that. Only the first error matters.
	var failed *migrate.StmtExecError
	if errors.As(err, &failed) {
		return failed
	}
	return err
}

// explain adds to an error of the database what its message lacks.
func explain(err error, revisionsTable string) error {
	switch sqlState(err) {
	case duplicateColumn, duplicateTable, duplicateObject:
		return fmt.Errorf("%w: what the migration adds already exists, but %s does not record the migration: "+
			"remove it, or record the migration with `atlas migrate set`", err, revisionsTable)
	case dependentObjectsStillExist:
		return fmt.Errorf("%w: %s", err, detail(err))
	default:
		return err
	}
}
