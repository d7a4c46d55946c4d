package chaostest

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/server/bench/machine"
)

// reportName is the variable with the path of the report. Without it nothing is written.
const reportName = "RELIABILITY"

// head begins the report.
const head = `# Reliability

Two commands write this page, each its own part: ` + "`make chaos` and `make soak`" + `.
`

// writeReport prints a section of the report, and replaces it in the file if there is one.
func writeReport(t *testing.T, title, section string) {
	t.Helper()
	section = fmt.Sprintf("`make %s` wrote this on %s.\n\n%s", commands[title], time.Now().UTC().Format(time.DateOnly), section)
	t.Logf("%s\n\n%s", title, section)
	path := os.Getenv(reportName)
	if path == "" {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(withSection(string(text), title, section)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The sections of the report, in their order, and the commands that write them.
var (
	titles   = []string{faultsTitle, soakTitle}
	commands = map[string]string{faultsTitle: "chaos", soakTitle: "soak"}
)

const (
	faultsTitle = "Faults"
	soakTitle   = "Soak"
)

// withSection returns a report with a new text of one section. Other sections stay as they are.
func withSection(report, title, section string) string {
	sections := map[string]string{}
	for _, each := range regexp.MustCompile(`(?m)^## `).Split(report, -1)[1:] {
		name, text, _ := strings.Cut(each, "\n")
		sections[name] = strings.TrimSpace(text)
	}
	sections[title] = strings.TrimSpace(section)
	var result strings.Builder
	result.WriteString(head)
	for _, name := range titles {
		if text, ok := sections[name]; ok {
			fmt.Fprintf(&result, "\n## %s\n\n%s\n", name, text)
		}
	}
	return result.String()
}

// yes says in the report whether a promise was kept.
func yes(kept bool) string {
	if kept {
		return "yes"
	}
	return "**no**"
}

// describe describes the machine, and the PostgreSQL of a database.
func describe(t *testing.T, db *sql.DB) string {
	t.Helper()
	var version string
	if err := db.QueryRowContext(t.Context(), "SELECT current_setting('server_version')").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return machine.Describe(version)
}

// loadAverage returns how many processes wanted to run during the last minute, in the mean. It shows whether the machine
// had other work.
func loadAverage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}

// A command replaces its own section and leaves the other one alone.
func TestSections(t *testing.T) {
	t.Parallel()
	soak := withSection("", soakTitle, "| a | b |\n")
	both := withSection(soak, faultsTitle, "none")
	want := head + "\n## Faults\n\nnone\n\n## Soak\n\n| a | b |\n"
	if both != want {
		t.Errorf("got %q, want %q", both, want)
	}
	if again := withSection(both, soakTitle, "c"); again != strings.Replace(want, "| a | b |", "c", 1) {
		t.Errorf("got %q", again)
	}
}
