package localpg_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/pagila-api/store/localpg"
)

// The error names a directory that cannot hold the database, and says what to do.
func TestUnwritableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "data")} {
		server, err := localpg.Start(testContext(t), localpg.Options{Dir: dir})
		if err == nil {
			stop(t, server)
			t.Fatalf("%s: the server started", dir)
		}
		if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "set DATA_DIR to a writable directory") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// A server that ends because the disk is full may say so only in its log.
func TestExplain(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	server := start(t, localpg.Options{Dir: dir})
	lost := errors.New("unexpected EOF")
	if got := server.Explain(lost); got != lost { //nolint:errorlint // it must be the same error
		t.Errorf("without a full disk: %v", got)
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	fmt.Fprintln(log, `PANIC:  could not write to file "pg_wal/xlogtemp.1": No space left on device`)
	if got := server.Explain(lost); !errors.Is(got, lost) || !strings.Contains(got.Error(), "set DATA_DIR") || !strings.Contains(got.Error(), "xlogtemp") {
		t.Errorf("with a full disk: %v", got)
	}
}
