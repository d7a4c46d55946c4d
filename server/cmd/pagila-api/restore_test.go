package main

import (
	"strings"
	"testing"

	"example.com/pagila-api/store/pgtest"
	"example.com/pagila-api/store/roles"
)

// restoreProgram runs pagila-api restore.
func restoreProgram(t *testing.T, env []string) (string, error) {
	t.Helper()
	out, err := program(t, env, "restore").CombinedOutput()
	return string(out), err
}

// A deployment restores Pagila each time, and all but the first time do nothing.
func TestRestore(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	env := environment(t, "DATABASE_URL="+url, "PG_BINDIR=/nonexistent")
	if out, err := restoreProgram(t, env); err != nil || !strings.Contains(out, "\nrestored ") {
		t.Errorf("an empty database: %v, %s", err, out)
	}
	if out, err := migrateProgram(t, env); err != nil || strings.Count(out, "applied ") != 2 {
		t.Errorf("migrate: %v, %s", err, out)
	}
	if out, err := restoreProgram(t, env); err != nil || out != "Pagila is in schema public: there is nothing to restore.\n" {
		t.Errorf("again: %v, %s", err, out)
	}
	pgtest.Exec(t, pgtest.Connect(t, url).Exec, roles.SQL)
	if status, ready := serveProgram(t, env).get(t, "/readyz"); status != 200 {
		t.Errorf("readyz: %d %v", status, ready)
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env  []string
		want string
	}{
		"the private database":     {nil, "set DATABASE_URL"},
		"no such database":         {[]string{"DATABASE_URL=postgres://" + freeAddress(t) + "/pagila"}, "refused"},
		"the sample in production": {[]string{"DATABASE_URL=" + pgtest.Empty(t), "PAGILA_DIR=", "APP_ENV=production"}, "set PAGILA_DIR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out, err := restoreProgram(t, environment(t, test.env...)); err == nil || !strings.Contains(out, test.want) {
				t.Errorf("%v, %s", err, out)
			}
		})
	}
}
