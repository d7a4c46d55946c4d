package migrations_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store/pgtest"
)

// Apply and Down work whatever the default settings of the database are.
func TestApplyAndDownWhateverTheSettings(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{
		`statement_timeout = '2ms'`,
		`lock_timeout = '1ms'`,
		`idle_in_transaction_session_timeout = '1ms'`,
		`default_transaction_isolation = 'serializable'`,
		`default_transaction_isolation = 'repeatable read'`,
		`default_transaction_read_only = on`,
		`default_transaction_deferrable = on`,
		`search_path = nowhere`,
		`search_path = pg_catalog, information_schema`,
		`DateStyle = 'SQL, DMY'`,
		`DateStyle = 'German'`,
		`standard_conforming_strings = off`,
		`TimeZone = 'Asia/Kathmandu'`,
		`client_encoding = 'LATIN1'`,
		`quote_all_identifiers = on`,
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			address := pgtest.Pristine(t)
			_, admin := setup(t, address)
			pgtest.SetDefault(t, admin.ExecContext, setting)
			ctx, db := setup(t, address)
			db.SetMaxOpenConns(1)
			for range 2 {
				if err := migrations.Apply(ctx, db); err != nil {
					t.Fatal(err)
				}
				wantStatus(ctx, t, admin, createStreamingSubscription)
				if err := migrations.Apply(ctx, db); err != nil {
					t.Fatalf("with nothing pending: %v", err)
				}
				if files, err := migrations.Down(ctx, db); err != nil || len(files) != 2 {
					t.Fatalf("down: %q, %v", files, err)
				}
				wantStatus(ctx, t, admin, "", addFilmStreamingAvailable, createStreamingSubscription)
			}
			wantUnlocked(t, admin)
		})
	}
}

// A connection returns to the pool with unchanged settings.
func TestApplyRestoresTheSession(t *testing.T) {
	t.Parallel()
	address := pgtest.Pristine(t)
	_, admin := setup(t, address)
	for _, setting := range []string{`statement_timeout = '61s'`, `lock_timeout = '62s'`, `search_path = pg_catalog`, `DateStyle = 'German'`} {
		pgtest.SetDefault(t, admin.ExecContext, setting)
	}
	ctx, db := setup(t, address)
	db.SetMaxOpenConns(1)
	before := sessionOf(t, db)
	if err := migrations.Apply(ctx, db); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, sessionOf(t, db)); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
	if _, err := migrations.Down(ctx, db); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, sessionOf(t, db)); diff != "" {
		t.Errorf("down -before +after:\n%s", diff)
	}
}

func sessionOf(t *testing.T, db *sql.DB) string {
	t.Helper()
	return pgtest.Value[string](t, db.QueryRowContext, `SELECT pg_backend_pid() || string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE context = 'user'`)
}

// Pagila may be in a schema whose name must be quoted.
func TestAnotherSchema(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{"dvd", "Sales", "two words", `with "quotes"`, "it's", `back\slash`, "çà"} {
		for _, path := range []string{"", schema, "public"} {
			t.Run(schema+" by "+path, func(t *testing.T) {
				t.Parallel()
				address := pgtest.Pristine(t)
				_, admin := setup(t, address)
				pgtest.Exec(t, admin.ExecContext, `ALTER SCHEMA public RENAME TO `+quoted(schema))
				pgtest.Exec(t, admin.ExecContext, `CREATE SCHEMA public`)
				if path != "" {
					pgtest.SetDefault(t, admin.ExecContext, `search_path = `+quoted(path))
				}
				ctx, db := setup(t, address)
				wantStatus(ctx, t, db, "", addFilmStreamingAvailable, createStreamingSubscription)
				if err := migrations.Apply(ctx, db); err != nil {
					t.Fatal(err)
				}
				wantStatus(ctx, t, db, createStreamingSubscription)
				wantTablesIn(t, admin, schema)
				if files, err := migrations.Down(ctx, db); err != nil || len(files) != 2 {
					t.Fatalf("down: %q, %v", files, err)
				}
				wantStatus(ctx, t, db, "", addFilmStreamingAvailable, createStreamingSubscription)
			})
		}
	}
}

// wantTablesIn checks that the migrations' tables are in the schema, and not in public.
func wantTablesIn(t *testing.T, db *sql.DB, schema string) {
	t.Helper()
	for _, table := range []string{"atlas_schema_revisions", "streaming_subscription"} {
		if name := quoted(schema) + "." + table; !exists(t, db, name) {
			t.Errorf("there is no table %s", name)
		}
		if exists(t, db, "public."+table) {
			t.Errorf("there is a table public.%s", table)
		}
	}
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// A migration that is missing before a newer one is pending, and Apply applies it.
func TestApplyOutOfOrder(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, pgtest.New(t))
	pgtest.Exec(t, db.ExecContext, `DELETE FROM atlas_schema_revisions WHERE version = '`+addFilmStreamingAvailable+`'`)
	wantStatus(ctx, t, db, createStreamingSubscription, addFilmStreamingAvailable)

	// The column still exists, and may belong to somebody else.
	err := migrations.Apply(ctx, db)
	if err == nil || !strings.Contains(err.Error(), "already exists") || !strings.Contains(err.Error(), `"public"."atlas_schema_revisions"`) {
		t.Errorf("with the existing column: %v", err)
	}
	wantStatus(ctx, t, db, createStreamingSubscription, addFilmStreamingAvailable)

	pgtest.Exec(t, db.ExecContext, `ALTER TABLE film DROP COLUMN streaming_available`)
	var applied []string
	if err := migrations.ApplyEach(ctx, db, func(file string) { applied = append(applied, file) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{migrations.FileName(addFilmStreamingAvailable)}, applied); diff != "" {
		t.Errorf("applied -want +got:\n%s", diff)
	}
	wantStatus(ctx, t, db, createStreamingSubscription)
}

// A file that stopped halfway is continued only if its revision says which statements ran.
func TestApplyAfterHalfAFile(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, pgtest.New(t))
	pgtest.Exec(t, db.ExecContext, `UPDATE atlas_schema_revisions SET applied = 1 WHERE version = '`+createStreamingSubscription+`'`)
	err := migrations.Apply(ctx, db)
	if err == nil || !strings.Contains(err.Error(), "1 of 2 statements") {
		t.Errorf("error %v, want the number of statements in it", err)
	}
	wantStatus(ctx, t, db, addFilmStreamingAvailable, createStreamingSubscription)
	wantUnlocked(t, db)
}

// If a version was declared the baseline of a database, the older versions have no revisions.
func TestStatusAfterALaterBaseline(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, pgtest.New(t))
	pgtest.Exec(t, db.ExecContext, `DELETE FROM atlas_schema_revisions WHERE version < '`+createStreamingSubscription+`'`)
	pgtest.Exec(t, db.ExecContext, `UPDATE atlas_schema_revisions SET type = 1, applied = 0, total = 0`)
	wantStatus(ctx, t, db, createStreamingSubscription)
	if err := migrations.Apply(ctx, db); err != nil {
		t.Error(err)
	}
	if _, err := migrations.Down(ctx, db); !errors.Is(err, migrations.ErrNotOurs) {
		t.Errorf("down: %v, want %v", err, migrations.ErrNotOurs)
	}
}

// A session that uses the table for a moment delays a migration, but does not make it fail, whatever
// lock_timeout the database sets.
func TestApplyWaitsForReaders(t *testing.T) {
	t.Parallel()
	address := pgtest.Pristine(t)
	_, admin := setup(t, address)
	pgtest.SetDefault(t, admin.ExecContext, `lock_timeout = '10ms'`)
	ctx, db := setup(t, address)
	reader := holdFilm(ctx, t, admin)
	done := make(chan error, 1)
	go func() { done <- migrations.Apply(ctx, db) }()
	pgtest.WaitUntil(t, admin.QueryRowContext, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'film'::regclass)`)
	if err := reader.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	wantStatus(ctx, t, admin, createStreamingSubscription)
}

// A session that reads a table for a long time, as pg_dump does, delays a migration. Meanwhile other reads of
// the table still succeed. The test counts them per attempt of the migration, and does not depend on time.
func TestReadsWhileAMigrationWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		database func(testing.TB) string
		migrate  func(context.Context, *sql.DB) error
		current  string
		pending  []string
	}{
		"apply": {pgtest.Pristine, migrations.Apply, createStreamingSubscription, nil},
		"down": {pgtest.New, func(ctx context.Context, db *sql.DB) error {
			_, err := migrations.Down(ctx, db)
			return err
		}, "", []string{addFilmStreamingAvailable, createStreamingSubscription}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := test.database(t)
			_, admin := setup(t, address)
			ctx, db := setup(t, address)
			holder := holdFilm(ctx, t, admin)
			done := make(chan error, 1)
			go func() { done <- test.migrate(ctx, db) }()

			const attempts, readsPerAttempt = 3, 40
			reads := readDuring(t, admin, attempts)
			if want := (attempts - 1) * readsPerAttempt; reads < want {
				t.Errorf("%d reads during %d attempts, want at least %d", reads, attempts, want)
			}
			if err := holder.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			wantStatus(ctx, t, admin, test.current, test.pending...)
		})
	}
}

// readDuring reads film during some attempts of a migration to lock it, and returns the number of reads.
func readDuring(t *testing.T, db *sql.DB, attempts int) (reads int) {
	t.Helper()
	seen := map[string]bool{}
	for len(seen) < attempts {
		waiting := pgtest.Value[string](t, db.QueryRowContext, `SELECT coalesce(max(virtualtransaction), '') FROM pg_locks
			WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 'film'::regclass`)
		if waiting != "" {
			seen[waiting] = true
		}
		if len(seen) > 0 {
			pgtest.Value[int](t, db.QueryRowContext, `SELECT count(*) FROM film`)
			reads++
		}
	}
	return reads
}

// The migrations work through a pooler that gives each transaction another connection to the server.
func TestThroughPgBouncer(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "cache_statement", "cache_describe", "exec", "simple_protocol"} {
		t.Run("mode "+mode, func(t *testing.T) {
			t.Parallel()
			address := pgtest.Pristine(t)
			_, direct := setup(t, address)
			pooled := pgtest.Bouncer(t, address, "default_pool_size = 2")
			if mode != "" {
				pooled = pgtest.WithParameters(t, pooled, "default_query_exec_mode="+mode)
			}
			ctx, db := setup(t, pooled)
			const callers = 4
			errs := make(chan error, callers)
			for range callers {
				go func() { errs <- migrations.Apply(ctx, db) }()
			}
			for range callers {
				if err := <-errs; err != nil {
					t.Errorf("apply: %v", err)
				}
			}
			wantStatus(ctx, t, direct, createStreamingSubscription)
			wantUnlocked(t, direct)
			if files, err := migrations.Down(ctx, db); err != nil || len(files) != 2 {
				t.Errorf("down: %q, %v", files, err)
			}
			wantUnlocked(t, direct)
		})
	}
}

// The newest PostgreSQL can be migrated up, down and up again.
func TestNewest(t *testing.T) {
	t.Parallel()
	address := pgtest.PristineOnNewest(t)
	_, admin := setup(t, address)
	ctx, db := setup(t, address)
	before := catalogue(t, admin)
	for range 2 {
		if err := migrations.Apply(ctx, db); err != nil {
			t.Fatal(err)
		}
		wantStatus(ctx, t, admin, createStreamingSubscription)
		if files, err := migrations.Down(ctx, db); err != nil || len(files) != 2 {
			t.Fatalf("down: %q, %v", files, err)
		}
		if diff := cmp.Diff(before, catalogue(t, admin)); diff != "" {
			t.Errorf("down -before +after:\n%s", diff)
		}
	}
	// Down finds objects that are not ours in the catalogs of this version too.
	if err := migrations.Apply(ctx, db); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, admin.ExecContext, `ALTER TABLE streaming_subscription ADD COLUMN note text NOT NULL`)
	if _, err := migrations.Down(ctx, db); !errors.Is(err, migrations.ErrNotOurs) || !strings.Contains(err.Error(), "note") {
		t.Errorf("with an additional column: %v", err)
	}
}

// A time limit that the database sets does not end a migration, however long it takes.
func TestLongMigration(t *testing.T) {
	t.Parallel()
	for setting, pristine := range map[string]func(testing.TB) string{
		`statement_timeout`:                   pgtest.Pristine,
		`idle_in_transaction_session_timeout`: pgtest.Pristine,
		`transaction_timeout`:                 pgtest.PristineOnNewest,
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			address := pristine(t)
			_, admin := setup(t, address)
			pgtest.SetDefault(t, admin.ExecContext, setting+` = '300ms'`)
			ctx, db := setup(t, address)
			if err := migrations.ApplyFiles(ctx, db, directory(t, createStreamingSubscription, `SELECT pg_sleep(0.6);`)); err != nil {
				t.Fatal(err)
			}
			wantStatus(ctx, t, admin, extraVersion)
		})
	}
}

// catalogue lists the objects of the database that the migrations could leave behind.
func catalogue(t *testing.T, db *sql.DB) []string {
	t.Helper()
	return strings.Split(pgtest.Value[string](t, db.QueryRowContext, `
SELECT string_agg(line, E'\n' ORDER BY line) FROM (
  SELECT format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'
  UNION ALL SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
  UNION ALL SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname = 'public'
  UNION ALL SELECT format('relation %s %s', relkind, relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT format('type %s', typname) FROM pg_type WHERE typnamespace = 'public'::regnamespace
  UNION ALL SELECT format('trigger %s on %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal
) AS all_lines(line)`), "\n")
}
