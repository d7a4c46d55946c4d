package store_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Readiness knows every table that a statement names: the statements write tables in braces, and needs in
// status.go lists them.
func TestNeedsListEveryTable(t *testing.T) {
	t.Parallel()
	status, err := os.ReadFile("status.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	statement, table := regexp.MustCompile("`[^`]*`"), regexp.MustCompile(`\{([a-z_]+)\}`)
	tables := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, sql := range statement.FindAllString(string(source), -1) {
			for _, match := range table.FindAllStringSubmatch(sql, -1) {
				if match[1] == "unicode" { // a collation
					continue
				}
				tables++
				if !strings.Contains(string(status), `"`+match[1]+`":`) {
					t.Errorf("%s reads the table %s, which needs does not list", file, match[1])
				}
			}
		}
	}
	if tables == 0 {
		t.Error("no statement names a table")
	}
}
