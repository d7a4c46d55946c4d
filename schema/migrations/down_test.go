package migrations_test

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store/localpg/binaries"
	"example.com/pagila-api/store/pgtest"
)

// After Apply and Down, pg_dump prints the same as for Pagila as restored.
func TestDownRollsBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files fs.FS
		want  []string // the files that are rolled back
	}{
		"both":         {migrations.Files, []string{migrations.FileName(createStreamingSubscription), migrations.FileName(addFilmStreamingAvailable)}},
		"the first":    {directory(t, addFilmStreamingAvailable, ""), []string{migrations.FileName(addFilmStreamingAvailable)}},
		"the baseline": {directory(t, migrations.Baseline, ""), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Pristine(t)
			ctx, db := setup(t, url)
			before := dump(t, url)
			for range 2 {
				if err := migrations.ApplyFiles(ctx, db, test.files); err != nil {
					t.Fatal(err)
				}
				if exists(t, db, "streaming_subscription") {
					pgtest.Exec(t, db.ExecContext, subscribe)
				}
				files, err := migrations.Down(ctx, db)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, files); diff != "" {
					t.Errorf("files -want +got:\n%s", diff)
				}
				if diff := cmp.Diff(before, dump(t, url)); diff != "" {
					t.Errorf("pg_dump -before +after:\n%s", diff)
				}
				wantUnlocked(t, db)
			}
			if files, err := migrations.Down(ctx, db); err != nil || len(files) != 0 {
				t.Errorf("with nothing applied: %q, %v", files, err)
			}
		})
	}
}

// subscribe adds a row to the table of the second migration.
const subscribe = `INSERT INTO streaming_subscription (customer_id, plan_name, start_date)
	SELECT min(customer_id), 'basic', now() FROM customer`

// dump returns what pg_dump prints about the schema, without the random key of newer releases.
func dump(t *testing.T, url string) []string {
	t.Helper()
	binDir, err := binaries.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	command := filepath.Join(binDir, "pg_dump")
	if _, err := exec.LookPath(command); err != nil {
		t.Skip("this test needs pg_dump beside the server's programs")
	}
	out, err := exec.CommandContext(t.Context(), command, "--schema-only", url).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	return slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool {
		return strings.HasPrefix(line, `\restrict `) || strings.HasPrefix(line, `\unrestrict `)
	})
}

// Down refuses to destroy what the migrations did not add.
func TestDownRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ statement, names string }{
		"an index on the column":        {`CREATE INDEX precious ON film (title) WHERE streaming_available`, "precious"},
		"a constraint on the column":    {`ALTER TABLE film ADD CONSTRAINT precious CHECK (streaming_available OR length > 0)`, "precious"},
		"statistics on the column":      {`CREATE STATISTICS precious ON streaming_available, length FROM film`, "precious"},
		"a generated column":            {`ALTER TABLE film ADD COLUMN precious boolean GENERATED ALWAYS AS (NOT streaming_available) STORED`, "precious"},
		"a view of the column":          {`CREATE VIEW precious AS SELECT streaming_available FROM film`, "precious"},
		"a trigger on the column":       {`CREATE TRIGGER precious BEFORE UPDATE OF streaming_available ON film FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`, "precious"},
		"an index on the table":         {`CREATE INDEX precious ON streaming_subscription (plan_name)`, "precious"},
		"a unique key of the table":     {`ALTER TABLE streaming_subscription ADD CONSTRAINT precious UNIQUE (customer_id)`, "precious"},
		"a constraint of the table":     {`ALTER TABLE streaming_subscription ADD CONSTRAINT precious CHECK (plan_name <> '')`, "precious"},
		"a column of the table":         {`ALTER TABLE streaming_subscription ADD COLUMN precious text DEFAULT ''`, "precious"},
		"an identity of the table":      {`ALTER TABLE streaming_subscription ADD COLUMN precious integer GENERATED ALWAYS AS IDENTITY`, "precious"},
		"a trigger of the table":        {`CREATE TRIGGER precious BEFORE UPDATE ON streaming_subscription FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`, "precious"},
		"a rule of the table":           {`CREATE RULE precious AS ON DELETE TO streaming_subscription DO INSTEAD NOTHING`, "precious"},
		"a policy of the table":         {`CREATE POLICY precious ON streaming_subscription USING (true)`, "precious"},
		"a publication of the table":    {`CREATE PUBLICATION precious FOR TABLE streaming_subscription`, "precious"},
		"a foreign key to the table":    {`CREATE TABLE precious (id integer REFERENCES streaming_subscription)`, "precious"},
		"a child of the table":          {`CREATE TABLE precious () INHERITS (streaming_subscription)`, "precious"},
		"a function of its rows":        {`CREATE FUNCTION precious(streaming_subscription) RETURNS integer LANGUAGE sql AS 'SELECT 1'`, "precious"},
		"a view of the revisions table": {`CREATE VIEW precious AS SELECT version FROM atlas_schema_revisions`, "precious"},
		"another program's revision": {`INSERT INTO atlas_schema_revisions (version, description, executed_at, execution_time, hash, operator_version)
		                               VALUES ('` + extraVersion + `', '', now(), 0, '', '')`, extraVersion},
		"a file that stopped halfway": {`UPDATE atlas_schema_revisions SET applied = 1 WHERE version = '` + createStreamingSubscription + `'`, createStreamingSubscription},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			ctx, db := setup(t, url)
			pgtest.Exec(t, db.ExecContext, test.statement)
			before := catalogue(t, db)
			files, err := migrations.Down(ctx, db)
			if err == nil || !strings.Contains(err.Error(), test.names) {
				t.Errorf("%q, error %v, want one with %q", files, err, test.names)
			}
			if diff := cmp.Diff(before, catalogue(t, db)); diff != "" {
				t.Errorf("catalogue -before +after:\n%s", diff)
			}
			wantUnlocked(t, db)
		})
	}
}

// Down works although some of our objects were dropped by hand. It leaves other objects alone.
func TestDownLeavesTheRestAlone(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, pgtest.New(t))
	pgtest.Exec(t, db.ExecContext, `DROP TABLE streaming_subscription; CREATE TABLE precious (id integer); CREATE INDEX precious_film ON film (length)`)
	if files, err := migrations.Down(ctx, db); err != nil || len(files) != 2 {
		t.Errorf("%q, %v", files, err)
	}
	for _, relation := range []string{"precious", "precious_film"} {
		if !exists(t, db, relation) {
			t.Errorf("%s is gone", relation)
		}
	}
}

func TestDownWithoutPagila(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, pgtest.Empty(t))
	if files, err := migrations.Down(ctx, db); !errors.Is(err, migrations.ErrNoPagila) {
		t.Errorf("%q, %v, want %v", files, err, migrations.ErrNoPagila)
	}
}

// TestDown runs schema/down.sh. schema/check.sh proves that pg_dump then prints the same as for Pagila as
// restored.
func TestDown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files     fs.FS  // are applied first, unless nil
		statement string // is executed then, unless empty
		says      string // part of the output
		refused   bool
	}{
		"from the newest version": {
			files:     migrations.Files,
			statement: subscribe,
			says:      `DROP TABLE "streaming_subscription"`,
		},
		"from the first migration": {
			files: directory(t, addFilmStreamingAvailable, ""),
			says:  `DROP COLUMN "streaming_available"`,
		},
		"from the baseline": {
			files: directory(t, migrations.Baseline, ""),
			says:  `DROP TABLE "atlas_schema_revisions"`,
		},
		"never migrated": {
			says: "No migration is applied",
		},
		"with a table of somebody else's": {
			files:     migrations.Files,
			statement: `CREATE TABLE precious (id integer)`,
			says:      `DROP TABLE "precious"`,
			refused:   true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Pristine(t)
			ctx, db := setup(t, url)
			atlas := findAtlas(t, db, url)
			if test.files != nil {
				if err := migrations.ApplyFiles(ctx, db, test.files); err != nil {
					t.Fatal(err)
				}
			}
			if test.statement != "" {
				pgtest.Exec(t, db.ExecContext, test.statement)
			}
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
			wantTakenBack(t, db)
			if err := migrations.Apply(ctx, db); err != nil {
				t.Errorf("up again: %v", err)
			}
			wantStatus(ctx, t, db, createStreamingSubscription)
		})
	}
}

// wantTakenBack checks that nothing which the migrations added is left.
func wantTakenBack(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, table := range []string{"streaming_subscription", "atlas_schema_revisions"} {
		if exists(t, db, table) {
			t.Errorf("the table %s still exists", table)
		}
	}
	if pgtest.Value[bool](t, db.QueryRowContext, `SELECT to_jsonb(film) ? 'streaming_available' FROM film LIMIT 1`) {
		t.Error("the column film.streaming_available still exists")
	}
}

// The scripts name the variable that is not set.
func TestScriptsSayWhatIsUnset(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"down.sh", "check.sh"} {
		for want, env := range map[string][]string{
			": set DATABASE_URL to ":                           {"ATLAS_DEV_URL=postgres:///", "DATABASE_URL="},
			": set ATLAS_DEV_URL to ":                          {"DATABASE_URL=postgres:///", "ATLAS_DEV_URL="},
			": no/such/atlas does not exist: run make atlas\n": {"DATABASE_URL=postgres:///", "ATLAS_DEV_URL=postgres:///", "ATLAS=no/such/atlas"},
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
