package migrations_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"ariga.io/atlas/sql/migrate"
	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store/pgtest"
)

func TestApply(t *testing.T) {
	t.Parallel()
	// Prepared statements can fail after DDL. Without them, the types of arguments can be wrong.
	for _, mode := range []string{"cache_statement", "cache_describe", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			ctx, db := setup(t, pgtest.WithParameters(t, pgtest.Pristine(t), "default_query_exec_mode="+mode))
			db.SetMaxOpenConns(1)
			wantStatus(ctx, t, db, "", addFilmStreamingAvailable, createStreamingSubscription)
			for range 2 { // the second time has nothing to do
				if err := migrations.Apply(ctx, db); err != nil {
					t.Fatal(err)
				}
				wantStatus(ctx, t, db, createStreamingSubscription)
			}
			if !pgtest.Value[bool](t, db.QueryRowContext, `SELECT bool_and(streaming_available IS FALSE) FROM film`) {
				t.Error("a film's streaming_available is not false")
			}
			if n := pgtest.Value[int](t, db.QueryRowContext, `SELECT count(*) FROM streaming_subscription`); n != 0 {
				t.Errorf("%d subscriptions, want none", n)
			}
			wantUnlocked(t, db)
		})
	}
}

func TestApplyWithAnotherSearchPath(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, pgtest.WithParameters(t, pgtest.Pristine(t), "search_path=pg_catalog"))
	if err := migrations.Apply(ctx, db); err != nil {
		t.Fatal(err)
	}
	if !exists(t, db, "public.streaming_subscription") {
		t.Error("streaming_subscription is not in schema public")
	}
	if path := pgtest.Value[string](t, db.QueryRowContext, `SHOW search_path`); path != "pg_catalog" {
		t.Errorf("the connection returns to the pool with search_path %q", path)
	}
}

func TestApplyConcurrently(t *testing.T) {
	t.Parallel()
	for name, pools := range map[string]int{
		"one pool with two connections": 1, // there are more callers than connections
		"a pool each":                   8, // as in several processes
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := pgtest.Pristine(t)
			ctx, db := setup(t, address)
			db.SetMaxOpenConns(2)
			each := []*sql.DB{db}
			for len(each) < pools {
				each = append(each, open(t, address))
			}
			for _, db := range each { // connecting takes longer than applying
				if err := db.PingContext(ctx); err != nil {
					t.Fatal(err)
				}
			}
			const callers = 8
			errs := make(chan error, callers)
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() {
					<-start
					errs <- migrations.Apply(ctx, each[i%pools])
				})
			}
			close(start)
			wg.Wait()
			close(errs)
			for err := range errs { // a file that ran twice would fail, because its table exists
				if err != nil {
					t.Error(err)
				}
			}
			wantStatus(ctx, t, db, createStreamingSubscription)
			if n := pgtest.Value[int](t, db.QueryRowContext, `SELECT count(*) FROM atlas_schema_revisions`); n != 3 {
				t.Errorf("%d revisions, want the baseline and two migrations", n)
			}
			wantUnlocked(t, db)
		})
	}
}

// atlasLock is the key of the Atlas command's advisory lock: FNV-1 of atlas_migrate_execute.
const atlasLock = 2686470616

func TestApplyWaitsForTheAtlasCommand(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, pgtest.Pristine(t))
	other, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, atlasLock); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := migrations.Apply(short, db); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while the lock is held: %v, want %v", err, context.DeadlineExceeded)
	}
	if exists(t, db, "atlas_schema_revisions") {
		t.Error("Apply worked without the lock")
	}
	if _, err := other.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, atlasLock); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Apply(ctx, db); err != nil {
		t.Error(err)
	}
	wantStatus(ctx, t, db, createStreamingSubscription)
}

func TestApplyCutShort(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, pgtest.Pristine(t))
	reader := holdFilm(ctx, t, db)
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if err := migrations.Apply(short, db); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while film is in use: %v, want %v", err, context.DeadlineExceeded)
	}
	// Apply has released the lock. If it has not, ctx ends the wait.
	if _, err := reader.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, atlasLock); err != nil {
		t.Fatal(err)
	}
	if err := reader.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Apply(ctx, db); err != nil {
		t.Error(err)
	}
	wantStatus(ctx, t, db, createStreamingSubscription)
}

func TestApplyRollsABrokenFileBack(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, pgtest.Pristine(t))
	const half = `CREATE TABLE half (id integer);`
	broken := directory(t, createStreamingSubscription, half+"\n"+`ALTER TABLE nowhere ADD COLUMN id integer;`)
	for range 2 { // a failure does not affect the next attempt
		err := migrations.ApplyFiles(ctx, db, broken)
		var failed *migrate.StmtExecError
		if !errors.As(err, &failed) || failed.Version != extraVersion {
			t.Fatalf("error %v, want one of a statement of version %s", err, extraVersion)
		}
		for _, want := range []string{extraVersion + "_extra.sql", "ALTER TABLE nowhere", `relation "nowhere" does not exist`} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not contain %q", err, want)
			}
		}
		if strings.Contains(err.Error(), "aborted") {
			t.Errorf("error %q mentions the consequence of the failure", err)
		}
		if exists(t, db, "half") {
			t.Error("a part of the file was applied")
		}
		wantStatus(ctx, t, db, createStreamingSubscription) // the files before it stay
		if n := pgtest.Value[int](t, db.QueryRowContext, `SELECT count(*) FROM atlas_schema_revisions WHERE version = $1`, extraVersion); n != 0 {
			t.Error("the broken file has a revision")
		}
		wantUnlocked(t, db)
	}
	if err := migrations.ApplyFiles(ctx, db, directory(t, createStreamingSubscription, half)); err != nil {
		t.Fatalf("after the file was corrected: %v", err)
	}
	wantStatus(ctx, t, db, extraVersion)
	// A version of a newer release does not disturb this one.
	if err := migrations.Apply(ctx, db); err != nil {
		t.Errorf("with an older release: %v", err)
	}
}

func TestApplyRefusesATamperedDirectory(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tamper func(fstest.MapFS)
		want   error
	}{
		"edited": {
			func(dir fstest.MapFS) {
				dir[migrations.Baseline+"_pagila.sql"] = &fstest.MapFile{Data: []byte("SELECT 1;")}
			},
			migrate.ErrChecksumMismatch,
		},
		"added": {
			func(dir fstest.MapFS) {
				dir[extraVersion+"_extra.sql"] = &fstest.MapFile{Data: []byte("SELECT 1;")}
			},
			migrate.ErrChecksumMismatch,
		},
		"removed": {
			func(dir fstest.MapFS) { delete(dir, migrations.Baseline+"_pagila.sql") },
			migrate.ErrChecksumMismatch,
		},
		"no atlas.sum": {
			func(dir fstest.MapFS) { delete(dir, migrate.HashFileName) },
			fs.ErrNotExist,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, db := setup(t, pgtest.Pristine(t))
			dir := directory(t, createStreamingSubscription, "")
			test.tamper(dir)
			if err := migrations.ApplyFiles(ctx, db, dir); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if exists(t, db, "atlas_schema_revisions") {
				t.Error("the database was touched")
			}
		})
	}
}

func TestApplyBeforePagilaIsRestored(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, pgtest.Empty(t))
	if err := migrations.Apply(ctx, db); !errors.Is(err, migrations.ErrNoPagila) {
		t.Fatalf("error %v, want %v", err, migrations.ErrNoPagila)
	}
	if exists(t, db, "atlas_schema_revisions") {
		t.Error("the database was touched")
	}
	wantStatus(ctx, t, db, "", addFilmStreamingAvailable, createStreamingSubscription)
	if _, err := db.ExecContext(ctx, migrations.BaselineSQL(), pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Apply(ctx, db); err != nil {
		t.Fatalf("after Pagila was restored: %v", err)
	}
	wantStatus(ctx, t, db, createStreamingSubscription)
}

func TestApplyWithoutADatabase(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, "postgres:///?host="+t.TempDir())
	if err := migrations.Apply(ctx, db); err == nil || !strings.HasPrefix(err.Error(), "connect: ") {
		t.Errorf("error %v, want one about the connection", err)
	}
}

// holdFilm returns a transaction that reads film, so that no other session can change the table until it
// ends.
func holdFilm(ctx context.Context, t *testing.T, db *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	pgtest.Exec(t, tx.ExecContext, `LOCK TABLE film IN ACCESS SHARE MODE`)
	return tx
}

// wantUnlocked checks that no session of the database holds an advisory lock.
func wantUnlocked(t *testing.T, db *sql.DB) {
	t.Helper()
	if n := pgtest.Value[int](t, db.QueryRowContext, `
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
 WHERE locktype = 'advisory' AND datname = current_database()`); n != 0 {
		t.Errorf("%d advisory locks are still held", n)
	}
}
