package migrations_test

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store/pgtest"
)

// TestDown runs schema/down.sh, the way back. That pg_dump then prints what it printed of Pagila as
// restored is proven by schema/check.sh.
func TestDown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(t *testing.T, db *sql.DB)
		says    string // part of the output
		refused bool
	}{
		"from the newest version": {
			prepare: func(t *testing.T, db *sql.DB) {
				t.Helper()
				if err := migrations.Apply(t.Context(), db); err != nil {
					t.Fatal(err)
				}
				mustExec(t, db, `INSERT INTO streaming_subscription (customer_id, plan_name, start_date)
				                 SELECT min(customer_id), 'basic', now() FROM customer`)
			},
			says: `DROP TABLE "streaming_subscription"`,
		},
		"from the first migration": {
			prepare: func(t *testing.T, db *sql.DB) {
				t.Helper()
				if err := migrations.ApplyFiles(t.Context(), db, directory(t, addFilmStreamingAvailable, "")); err != nil {
					t.Fatal(err)
				}
			},
			says: `DROP COLUMN "streaming_available"`,
		},
		"from the baseline": {
			prepare: func(t *testing.T, db *sql.DB) {
				t.Helper()
				if err := migrations.ApplyFiles(t.Context(), db, directory(t, migrations.Baseline, "")); err != nil {
					t.Fatal(err)
				}
			},
			says: `DROP TABLE "atlas_schema_revisions"`,
		},
		"never migrated": {
			prepare: func(*testing.T, *sql.DB) {},
			says:    "No migration is applied",
		},
		"with a table of somebody else's": {
			prepare: func(t *testing.T, db *sql.DB) {
				t.Helper()
				if err := migrations.Apply(t.Context(), db); err != nil {
					t.Fatal(err)
				}
				mustExec(t, db, `CREATE TABLE precious (id integer)`)
			},
			says:    `DROP TABLE "precious"`,
			refused: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Pristine(t)
			ctx, db := setup(t, url)
			atlas := findAtlas(t, db, url)
			test.prepare(t, db)

			cmd := exec.CommandContext(ctx, filepath.Join("..", "down.sh"))
			cmd.Env = append(os.Environ(), "DATABASE_URL="+url, "ATLAS_DEV_URL="+pgtest.Empty(t), "ATLAS="+atlas.command)
			out, err := cmd.CombinedOutput()
			if refused := err != nil; refused != test.refused || !strings.Contains(string(out), test.says) {
				t.Errorf("error %v, want one: %t; output, which should have %q:\n%s", err, test.refused, test.says, out)
			}
			if test.refused {
				wantStatus(ctx, t, db, createStreamingSubscription)
				return
			}
			for _, table := range []string{"streaming_subscription", "atlas_schema_revisions"} {
				if exists(t, db, table) {
					t.Errorf("table %s is still there", table)
				}
			}
			if get[bool](t, db, `SELECT to_jsonb(film) ? 'streaming_available' FROM film LIMIT 1`) {
				t.Error("film.streaming_available is still there")
			}
			if err := migrations.Apply(ctx, db); err != nil {
				t.Errorf("up again: %v", err)
			}
			wantStatus(ctx, t, db, createStreamingSubscription)
		})
	}
}

// TestScriptsSayWhatIsUnset leaves out one variable after the other.
func TestScriptsSayWhatIsUnset(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"down.sh", "check.sh"} {
		for want, env := range map[string][]string{
			": set DATABASE_URL to ":                         {"ATLAS_DEV_URL=postgres:///", "DATABASE_URL="},
			": set ATLAS_DEV_URL to ":                        {"DATABASE_URL=postgres:///", "ATLAS_DEV_URL="},
			": no/such/atlas is not there: run make atlas\n": {"DATABASE_URL=postgres:///", "ATLAS_DEV_URL=postgres:///", "ATLAS=no/such/atlas"},
		} {
			cmd := exec.CommandContext(t.Context(), filepath.Join("..", script))
			cmd.Env = append(os.Environ(), env...)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), want) || strings.Count(string(out), "\n") != 1 {
				t.Errorf("%s with %q: error %v, want one; output %q, want one line with %q", script, env, err, out, want)
			}
		}
	}
}
