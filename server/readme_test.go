package server_test

import (
	"bytes"
	"context"
	"os"
	osexec "os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store/pgtest"
)

// documentedEndpoint finds an endpoint in a row of a table.
var documentedEndpoint = regexp.MustCompile("`([A-Z]+ /[^` ]*)`")

// The README's table of endpoints has each operation of the contract.
func TestReadmeEndpoints(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## The endpoints\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	for row := range strings.Lines(section) {
		if !strings.HasPrefix(row, "|") {
			continue
		}
		for _, found := range documentedEndpoint.FindAllStringSubmatch(row, -1) {
			listed = append(listed, found[1])
		}
	}
	var operations []string
	for _, op := range contract.Operations(loadContract(t)) {
		operations = append(operations, op.Method+" "+op.Path)
		if !slices.Contains(listed, op.Method+" "+op.Path) {
			t.Errorf("the README's table of endpoints lacks %s %s", op.Method, op.Path)
		}
	}
	for _, endpoint := range listed {
		if !slices.Contains(operations, endpoint) {
			t.Errorf("the README's table of endpoints has %s, and the contract does not", endpoint)
		}
	}
}

// readmeServer is the server's address in the README.
const readmeServer = "http://localhost:8080"

var (
	// consoleBlock finds a block with commands and what they print.
	consoleBlock = regexp.MustCompile("(?ms)^```console\n\\$ (.*?)^```$")
	// consoleCommand is a command, which may continue on the next lines, and what it prints.
	consoleCommand = regexp.MustCompile(`(?s)^((?:[^\n]*\\\n)*[^\n]*)\n(.*)$`)
)

// varying has everything in the README's responses that differs from run to run, and what stands for it.
var varying = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(`\r`), ""},
	{regexp.MustCompile(`(?m)^(Date|Traceparent|X-Request-Id): .*`), "$1: …"},
	{regexp.MustCompile(`(?m)^Content-Length: .*`), "Content-Length: …"}, // the fraction of a second has up to six digits
	{regexp.MustCompile(`("request_id"):"[0-9a-f]{16}"`), `$1:"…"`},
	{regexp.MustCompile(`("(rental|return|start|end)_date"):"[^"]*"`), `$1:"…"`},
	{regexp.MustCompile(`("due_date"):"[^"]*"(,"film_id")`), `$1:"…"$2`}, // of a rental that was just made
	{regexp.MustCompile(`("days_overdue"):[0-9]{4,}`), "$1:0"},           // of a rental of 2022
	{regexp.MustCompile(`("late_fees?"):"[0-9]{4,}\.[0-9]{2}"`), `$1:"…"`},
	{regexp.MustCompile(`("duration_ms"):[0-9]+`), "$1:0"},
	{regexp.MustCompile(`PostgreSQL [0-9.]+`), "PostgreSQL"},
	{regexp.MustCompile(`: keep-alive\n\n`), ""}, // on a slow machine
}

func withoutVarying(text string) string {
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.replacement)
	}
	return strings.TrimSpace(text)
}

// TestReadmeExamples runs the README's console examples in their order, and compares what they print. All of them
// are calls of a server on Pagila that has just started. It uses the offline model, except for the questions of
// testdata/transcripts.tsv, which has the script of another model.
func TestReadmeExamples(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	if _, err := osexec.LookPath("curl"); err != nil && os.Getenv("CI") == "" {
		t.Skipf("this test needs curl: %v", err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := func(d *server.Deps) {
		d.Credentials = server.Credentials{Token: "dvd_admin", Username: "staff", Password: "dvd_admin"}
	}
	planned, asked := plans(t, "transcripts.tsv"), map[string]bool{}
	database := pgtest.New(t)
	offline, scripted := startOn(t, database, defaults), startOn(t, database, defaults, withGoodModel(t, planned))
	blocks := consoleBlock.FindAllStringSubmatch(string(readme), -1)
	if want := strings.Count(string(readme), "```console"); len(blocks) != want || want == 0 {
		t.Errorf("%d of %d console blocks begin with a command", len(blocks), want)
	}
	for _, block := range blocks {
		for example := range strings.SplitSeq(block[1], "\n$ ") {
			parts := consoleCommand.FindStringSubmatch(example + "\n")
			a := offline
			question := questionOf(parts[1])
			if _, ok := planned[question]; ok {
				a, asked[question] = scripted, true
			}
			checkExample(t, a, parts[1], parts[2])
		}
	}
	for text := range planned {
		if !asked[text] {
			t.Errorf("the README does not ask %q", text)
		}
	}
	if len(asked) < 10 {
		t.Errorf("the README asks the scripted model %d questions, want 10", len(asked))
	}
}

// questionOf is the question in a call of /ai/ask, or "".
func questionOf(command string) string {
	_, question, _ := strings.Cut(command, "'question=")
	question, _, _ = strings.Cut(question, "'")
	return question
}

// checkExample runs a command against a server, and compares what it prints.
func checkExample(t *testing.T, a *testAPI, command, want string) {
	t.Helper()
	if !strings.HasPrefix(command, "curl ") || !strings.Contains(command, readmeServer) {
		t.Errorf("this test cannot check an example that does not call the server: %s", command)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shell := osexec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(command, readmeServer, a.URL))
	shell.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()} // no .curlrc, no proxy
	var problems bytes.Buffer
	shell.Stderr = &problems
	printed, err := shell.Output()
	if err != nil {
		t.Errorf("%s: %v: %s", command, err, &problems)
	}
	if diff := cmp.Diff(withoutVarying(want), withoutVarying(string(printed))); diff != "" {
		t.Errorf("%s\nThe README and the response differ (-README +response):\n%s\nThe response is\n%s", command, diff, printed)
	}
}
