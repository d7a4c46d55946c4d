package localpg_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/localpg/binaries"
)

// hostile are values of libpq's variables that would break or change a connection. The server itself reads
// some of them.
var hostile = map[string]string{
	"PGSERVICE": "work", "PGSERVICEFILE": "/nonexistent", "PGSYSCONFDIR": "/nonexistent",
	"PGHOST": "db.invalid", "PGHOSTADDR": "192.0.2.1", "PGPORT": "no number", "PGDATABASE": "other", "PGUSER": "nobody",
	"PGPASSWORD": "wrong", "PGPASSFILE": "/nonexistent", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nonexistent",
	"PGSSLCERT": "/nonexistent", "PGSSLCERTMODE": "nonsense", "PGSSLNEGOTIATION": "direct", "PGAPPNAME": "psql",
	"PGCONNECT_TIMEOUT": "soon", "PGTARGETSESSIONATTRS": "standby", "PGREQUIREAUTH": "md5", "PGCHANNELBINDING": "require",
	"PGMINPROTOCOLVERSION": "9.9", "PGOPTIONS": "-c search_path=nowhere", "PGTZ": "Asia/Tokyo",
	"PGDATESTYLE": "SQL, DMY", "PGCLIENTENCODING": "LATIN1", "PGDATA": "/nonexistent",
}

func TestIgnoresLibpq(t *testing.T) { //nolint:paralleltest // it sets environment variables
	for name, value := range hostile {
		t.Setenv(name, value)
	}
	server := start(t, localpg.Options{Dir: newDir(t)})
	conn, err := server.Connect(testContext(t), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for setting, want := range map[string]string{
		"search_path": `"$user", public`, "TimeZone": "UTC", "DateStyle": "ISO, MDY", "client_encoding": "UTF8", "application_name": "",
	} {
		var got string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", setting, got, err, want)
		}
	}
}

func TestWithoutLibpq(t *testing.T) {
	t.Parallel()
	got := localpg.WithoutLibpq([]string{"PGHOST=a", "PG_BINDIR=/b", "HOME=/", "PGSERVICE=", "PAGILA_DIR=x", "PG=1", "pghost=c"})
	if want := []string{"PG_BINDIR=/b", "HOME=/", "PAGILA_DIR=x", "PG=1", "pghost=c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A server that refuses a connection ends the start at once, because waiting does not help.
func TestRefusedConnection(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	stop(t, start(t, localpg.Options{Dir: dir}))
	if err := os.WriteFile(filepath.Join(dir, "data", "pg_hba.conf"), []byte("local all all reject\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := localpg.Start(testContext(t), localpg.Options{Dir: dir})
	if err == nil {
		stop(t, server)
		t.Fatal("the server started")
	}
	if !strings.Contains(err.Error(), "pg_hba.conf rejects connection") {
		t.Errorf("the reason is missing: %v", err)
	}
}

// If a server never listens on its socket, Start returns the last error.
func TestStartTimeout(t *testing.T) {
	t.Parallel()
	dir, bin := newDir(t), t.TempDir()
	installed, err := binaries.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"initdb":   fmt.Sprintf("exec '%s/initdb' \"$@\"", installed),
		"postgres": fmt.Sprintf("[ \"$1\" != --version ] || exec '%s/postgres' --version\ntrap exit INT\nwhile :; do sleep 0.1; done", installed),
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path := bin; path != os.TempDir() && path != "/"; path = filepath.Dir(path) { // the server's account needs access
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	server, err := localpg.Start(testContext(t), localpg.Options{Dir: dir, BinDir: bin, Timeout: 100 * time.Millisecond})
	if err == nil {
		stop(t, server)
		t.Fatal("the server started")
	}
	if !strings.Contains(err.Error(), "accepts no connections after 100ms") || !strings.Contains(err.Error(), ".s.PGSQL.5432") {
		t.Errorf("the reason is missing: %v", err)
	}
}
