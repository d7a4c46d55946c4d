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

// operator is what the revisions table names as having applied a migration. The Atlas command
// writes its own name and version there.
const operator = "pagila-api"

// ErrNoPagila is the error of Apply, Down and Locate on a database that Pagila has not been restored
// into.
var ErrNoPagila = errors.New("the database does not contain Pagila (the tables film, inventory, rental and customer): restore Pagila first")

// Apply brings a restored Pagila up to date; where nothing is pending it changes nothing. It works in
// the schema that Locate finds. It may be called from several processes at once, the Atlas command
// among them: one applies, the others wait.
//
// Each file runs in a transaction of its own, whatever the settings of the role, the database and
// the URL are. A file that fails leaves no trace, and Apply stops there; the files before it stay
// applied, and the next call goes on with the one that failed. A file that is missing although a
// newer one is applied is applied too, which the Atlas command does not do.
//
// Errors are ErrNoPagila; migrate.ErrChecksumMismatch, when a file is not the one that atlas.sum
// names; schema.ErrLocked, when another process has been applying for a minute; the context's, once
// it has ended; and the database's, with the file and the statement. db has to be a pool of pgx's.
// One connection is enough, and it may lead through a pooler that works by transaction.
func Apply(ctx context.Context, db *sql.DB) error {
	return apply(ctx, db, Files)
}

// ApplyEach is Apply, and calls applied with the name of each file once it is applied.
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

// applyNext applies the oldest pending file, and returns it. It returns nil if none is pending.
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

// nextFile records the baseline in an empty revisions table, and returns the oldest file that is not
// applied, or nil.
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

// continuable fails for a file that has stopped half-way without a record of the statements that ran.
// Atlas panics there.
func continuable(all []*migrate.Revision, file migrate.File) error {
	for _, rev := range all {
		if rev.Version == file.Version() && rev.Applied > len(rev.PartialHashes) {
			return fmt.Errorf("%s stopped after %d of %d statements, and nothing tells which: run the rest by hand, and record it with `atlas migrate set`",
				file.Name(), rev.Applied, rev.Total)
		}
	}
	return nil
}

// execute runs one file and records it, as the Atlas command does.
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
	// The transaction is lost with the statement, so Atlas could not record the failure in it and
	// says so too. The first of the two errors is the one to report.
	var failed *migrate.StmtExecError
	if errors.As(err, &failed) {
		return failed
	}
	return err
}

// explain adds to an error of the database what its text does not say.
func explain(err error, revisionsTable string) error {
	switch sqlState(err) {
	case duplicateColumn, duplicateTable, duplicateObject:
		return fmt.Errorf("%w: what the migration brings is there already, but %s does not say that the migration was applied: "+
			"remove it, or record the migration with `atlas migrate set`", err, revisionsTable)
	case dependentObjectsStillExist:
		return fmt.Errorf("%w: %s", err, detail(err))
	default:
		return err
	}
}
