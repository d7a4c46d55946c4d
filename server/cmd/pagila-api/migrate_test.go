package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/pagila-api/store/pgtest"
)

// migrateProgram runs pagila-api migrate.
func migrateProgram(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	out, err := program(t, env, append([]string{"migrate"}, args...)...).CombinedOutput()
	return string(out), err
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(testing.TB) string{"15": pgtest.Pristine, "newest": pgtest.PristineOnNewest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := environment(t, "DATABASE_URL="+database(t), "PG_BINDIR=")
			for _, step := range []struct {
				args []string
				want string
			}{
				{[]string{"status"}, "Pagila is in schema public.\npending 20261122183350_add_film_streaming_available.sql\npending 20261122183351_create_streaming_subscription.sql\n"},
				{[]string{"down"}, "No migration is applied: there is nothing to roll back.\n"},
				{nil, "applied 20261122183350_add_film_streaming_available.sql\napplied 20261122183351_create_streaming_subscription.sql\n"},
				{[]string{"apply"}, "No migration is pending: there is nothing to apply.\n"},
				{[]string{"status"}, "Pagila is in schema public.\napplied 20261122183350_add_film_streaming_available.sql\napplied 20261122183351_create_streaming_subscription.sql\n"},
				{[]string{"tool"}, map[string]string{"15": "atlas\n", "newest": "pagila-api\n"}[name]},
				{[]string{"down"}, "rolled back 20261122183351_create_streaming_subscription.sql\nrolled back 20261122183350_add_film_streaming_available.sql\n"},
				{[]string{"apply"}, "applied 20261122183350_add_film_streaming_available.sql\napplied 20261122183351_create_streaming_subscription.sql\n"},
			} {
				if out, err := migrateProgram(t, env, step.args...); err != nil || out != step.want {
					t.Errorf("migrate %q: %v, %q, want %q", step.args, err, out, step.want)
				}
			}
		})
	}
}

// The private database can be migrated with or without a running server.
func TestMigrateThePrivateDatabase(t *testing.T) {
	t.Parallel()
	env := environment(t)
	if out, err := migrateProgram(t, env, "down"); err != nil || !strings.Contains(out, "nothing to roll back") {
		t.Errorf("alone: %v, %s", err, out)
	}
	wantNoPostgres(t, env)
	s := serveProgram(t, env)
	if out, err := migrateProgram(t, env, "down"); err != nil || strings.Count(out, "rolled back") != 2 {
		t.Errorf("beside a server: %v, %s", err, out)
	}
	if out, err := migrateProgram(t, env); err != nil || strings.Count(out, "applied") != 2 {
		t.Errorf("beside a server: %v, %s", err, out)
	}
	if status, ready := s.get(t, "/readyz"); status != 200 {
		t.Errorf("readyz: %d %v", status, ready)
	}
}

func TestMigrateWithoutPagila(t *testing.T) {
	t.Parallel()
	env := environment(t, "DATABASE_URL="+pgtest.Empty(t))
	const sentence = "database does not contain Pagila"
	if out, err := migrateProgram(t, env, "status"); err != nil || !strings.Contains(out, sentence) {
		t.Errorf("status: %v, %s", err, out)
	}
	for _, verb := range []string{"apply", "down"} {
		if out, err := migrateProgram(t, env, verb); err == nil || !strings.Contains(out, sentence) || !strings.Contains(out, "restore Pagila first") {
			t.Errorf("%s: %v, %s", verb, err, out)
		}
	}
}

func TestMigrateWrongArguments(t *testing.T) {
	t.Parallel()
	env := []string{asProgram + "=1", "DATA_DIR=" + filepath.Join(t.TempDir(), "data")}
	for _, args := range [][]string{{"sideways"}, {"up"}, {"apply", "1"}, {"-status"}} {
		if out, err := migrateProgram(t, env, args...); err == nil || !strings.Contains(out, "pagila-api migrate status") {
			t.Errorf("%q: %v, %s", args, err, out)
		}
	}
	if out, err := migrateProgram(t, env, "--help"); err != nil || !strings.Contains(out, "pagila-api migrate status") {
		t.Errorf("help: %v, %s", err, out)
	}
	if _, err := os.Stat(dataDir(env)); err == nil {
		t.Error("a database was started despite the wrong arguments")
	}
}

// TestMigrateScript puts a failing make into PATH, which shows whether the script would build the Atlas
// command.
func TestMigrateScript(t *testing.T) {
	t.Parallel()
	const wantsAtlas = "make --silent atlas"
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "make"), []byte("#!/bin/sh\necho \"make $*\"\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs(filepath.Join("..", "..", "..", "schema", "migrate.sh"))
	if err != nil {
		t.Fatal(err)
	}
	moved := func(tb testing.TB) string {
		tb.Helper()
		url := pgtest.Pristine(tb)
		pgtest.Exec(tb, pgtest.Connect(tb, url).Exec, `ALTER SCHEMA public RENAME TO "DVD shop"`)
		return url
	}
	gap := func(tb testing.TB) string {
		tb.Helper()
		url := pgtest.New(tb)
		pgtest.Exec(tb, pgtest.Connect(tb, url).Exec, `DELETE FROM atlas_schema_revisions WHERE version = '20261122183350'; ALTER TABLE film DROP COLUMN streaming_available`)
		return url
	}
	pooled := func(tb testing.TB) string { tb.Helper(); return pgtest.Bouncer(tb, pgtest.Pristine(tb)) }
	for name, test := range map[string]struct {
		database func(testing.TB) string
		want     map[string]string // by verb
	}{
		"15":             {pgtest.Pristine, map[string]string{"apply": wantsAtlas, "status": wantsAtlas, "down": wantsAtlas}},
		"newest":         {pgtest.PristineOnNewest, map[string]string{"status": "pending 2", "apply": "applied 2", "down": "rolled back 2"}},
		"another schema": {moved, map[string]string{"status": "schema DVD shop", "apply": "applied 2", "down": "rolled back 2"}},
		"a pooler":       {pooled, map[string]string{"status": "pending 2", "apply": "applied 2", "down": "rolled back 2"}},
		"a gap":          {gap, map[string]string{"status": "pending 20261122183350", "apply": "applied 20261122183350", "down": wantsAtlas}},
		"no Pagila":      {pgtest.Empty, map[string]string{"status": "not contain Pagila", "apply": "not contain Pagila", "down": "not contain Pagila"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := environment(t, "DATABASE_URL="+test.database(t), "PAGILA_API="+self, "PATH="+bin+":"+os.Getenv("PATH"))
			for _, verb := range []string{"status", "apply", "down"} {
				out, err := program(t, env, "exec", "--", script, verb).CombinedOutput()
				if !strings.Contains(string(out), test.want[verb]) || strings.Contains(string(out), "make ") != (test.want[verb] == wantsAtlas) {
					t.Errorf("%s: %v, %s, want %q", verb, err, out, test.want[verb])
				}
			}
		})
	}
}
