package binaries_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/pagila-api/store/localpg/binaries"
)

// fakeBinaries makes a directory with programs that report the given version.
func fakeBinaries(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"initdb", "postgres"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", name, version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	t.Run("PG_BINDIR comes first", func(t *testing.T) {
		want := fakeBinaries(t, "18.1")
		t.Setenv("PG_BINDIR", want)
		if got, err := binaries.Find(t.Context()); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
	t.Run("a wrong PG_BINDIR is an error", func(t *testing.T) {
		t.Setenv("PG_BINDIR", t.TempDir())
		if got, err := binaries.Find(t.Context()); err == nil || !strings.Contains(err.Error(), "PG_BINDIR") {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("version 15 in PATH is taken", func(t *testing.T) {
		want, err := filepath.EvalSymlinks(fakeBinaries(t, "15.99 (Made 15.99-1)"))
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("PG_BINDIR", "")
		t.Setenv("PATH", want+":"+os.Getenv("PATH"))
		if got, err := binaries.Find(t.Context()); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
	t.Run("a version that is too old is not", func(t *testing.T) {
		old := fakeBinaries(t, "12.22")
		t.Setenv("PG_BINDIR", "")
		t.Setenv("PATH", old+":/usr/bin:/bin")
		if got, _ := binaries.Find(t.Context()); got == old {
			t.Errorf("got %q", got)
		}
	})
}
