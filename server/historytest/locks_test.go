package historytest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/pagila-api/server/internal/testprogram"
)

// lockless are changes of the store that each take out a lock which keeps requests at the same time apart.
var lockless = []lockChange{
	{
		"the copy that a customer names", "rent.go",
		"{inventory} WHERE inventory_id = $1::integer FOR NO KEY UPDATE`", "{inventory} WHERE inventory_id = $1::integer`",
	},
	{"the copy that the database chooses", "rent.go", "\nFOR NO KEY UPDATE OF i`", "\nFOR KEY SHARE OF i`"},
	{"the customer who rents by film or subscribes", "customer.go", "FOR NO KEY UPDATE OF c`", "FOR KEY SHARE OF c`"},
	{"the film", "film.go", "FOR NO KEY UPDATE`", "FOR KEY SHARE`"},
}

type lockChange struct{ lock, file, with, without string }

// source returns the path of the file, and its text without the lock.
func (c lockChange) source(t *testing.T) (path string, changed []byte) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "store", c.file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte(c.with)); n != 1 {
		t.Fatalf("%s has this %d times, not once: %s", c.file, n, c.with)
	}
	return path, bytes.Replace(text, []byte(c.with), []byte(c.without), 1)
}

// locklessDuration is enough for dozens of faults in a server without one of its locks.
const locklessDuration = 10 * time.Second

// TestWithoutLocks shows that the test fails if the store does not lock what it must.
func TestWithoutLocks(t *testing.T) {
	for _, change := range lockless {
		t.Run(change.lock, func(t *testing.T) {
			path, text := change.source(t)
			if duration(t) == 0 {
				t.Skip("this builds the server several times: make history-test runs it")
			}
			changed := filepath.Join(t.TempDir(), change.file)
			if err := os.WriteFile(changed, text, 0o600); err != nil {
				t.Fatal(err)
			}
			v := run(t, testprogram.Build(t, map[string]string{path: changed}), plan{length: locklessDuration})
			if len(v.wrong) == 0 {
				t.Error("the test does not notice that the lock is missing")
			}
			for _, wrong := range v.wrong[:min(len(v.wrong), maxReports)] {
				t.Logf("found: %s", wrong)
			}
			t.Logf("%d faults", len(v.wrong))
		})
	}
}
