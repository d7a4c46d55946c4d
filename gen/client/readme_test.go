package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"example.com/pagila-api/api"
	"example.com/pagila-api/gen/client"
)

// readmeResponse is a response that the READMEs' blocks and the examples get.
type readmeResponse struct {
	Method, Path, Type, Body string
	Status                   int
}

func readmeResponses() (responses []readmeResponse) {
	document, err := os.ReadFile("../testdata/readme.json")
	if err != nil {
		panic(err)
	}
	if err := json.Unmarshal(document, &responses); err != nil {
		panic(err)
	}
	return responses
}

// readmeServer serves the requests of the READMEs' blocks and of the examples. Equal requests get the responses in
// turn.
func readmeServer() *httptest.Server {
	responses := readmeResponses()
	requests := map[string]chan readmeResponse{}
	for _, r := range responses {
		requests[r.Method+" "+r.Path] = make(chan readmeResponse, len(responses))
	}
	for _, r := range responses {
		requests[r.Method+" "+r.Path] <- r
	}
	mux := http.NewServeMux()
	for pattern, queue := range requests {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			r := <-queue
			queue <- r // after the last response, the first comes again
			w.Header().Set("Content-Type", r.Type)
			w.WriteHeader(r.Status)
			fmt.Fprint(w, r.Body)
		})
	}
	return httptest.NewServer(mux)
}

// The problems that the READMEs show are those of the server, which the contract has as examples.
func TestReadmeProblems(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, response := range doc.Components.Responses {
		content := response.Value.Content["application/problem+json"]
		if content == nil {
			continue
		}
		examples := []any{content.Example}
		for _, example := range content.Examples {
			examples = append(examples, example.Value.Value)
		}
		for _, example := range examples {
			if problem, ok := example.(map[string]any); ok {
				known[fmt.Sprint(problem["code"], ": ", problem["detail"])] = true
			}
		}
	}
	for _, r := range readmeResponses() {
		if r.Type != "application/problem+json" {
			continue
		}
		var problem client.Problem
		if err := json.Unmarshal([]byte(r.Body), &problem); err != nil {
			t.Fatal(err)
		}
		if shown := fmt.Sprint(problem.Code, ": ", problem.Detail); !known[shown] {
			t.Errorf("%s %s: the contract has no example of %q", r.Method, r.Path, shown)
		}
	}
}

// block is a fenced block of a README, and the output that is shown after it.
type block struct{ language, text, output string }

var fenced = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

func readBlocks(t *testing.T, file string) (commands, code []block) {
	t.Helper()
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range fenced.FindAllStringSubmatch(string(document), -1) {
		switch b := (block{language: match[1], text: match[2]}); b.language {
		case "sh":
			commands = append(commands, b)
		case "go":
			code = append(code, b)
		case "text":
			code[len(code)-1].output = b.text
		default:
			t.Fatalf("%s has a block in %s, which no test runs", file, b.language)
		}
	}
	return commands, code
}

// readVisit reads the Go blocks of the page about all three SDKs, as one program, and their output.
func readVisit(t *testing.T) (code, output string) {
	t.Helper()
	document, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range fenced.FindAllStringSubmatch(string(document), -1) {
		switch match[1] { // the tests of the other SDKs run the other blocks
		case "go":
			code += match[2]
		case "text":
			output += match[2]
		}
	}
	return code, output
}

// Timeouts and retries mean the same in all three SDKs.
func TestReadmesAgreeOnTimeoutsAndRetries(t *testing.T) {
	t.Parallel()
	sentences := []string{
		"The timeout limits one attempt, for a stream until its headers (130 s by default). " +
			"The idle timeout limits each silence of a stream after its headers (60 s by default). " +
			"For both, 0 means no limit.",
		"GET and HEAD are retried twice by default, after a network error, 429, 502, 503 or 504. " +
			"The backoff is the pause before the first retry (0.2 s by default). It doubles with each retry, " +
			"and the delay in `Retry-After` is added. If that delay exceeds 30 s, the error is",
		"Renting, returning, subscribing and cancelling are retried too, and also after a timeout, because the " +
			"server recognizes a repeated request. If it carried out the request before, the method returns that " +
			"result. Other writes are never retried, nor is a read that timed out",
		"A network error, a timeout, 503 `outcome_unknown`, or a proxy's 502, 503 or 504 leaves open whether a write was carried out.",
	}
	for _, file := range []string{"README.md", "../typescript/README.md", "../python/README.md"} {
		document, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(string(document)), " ")
		for _, sentence := range sentences {
			if !strings.Contains(text, sentence) {
				t.Errorf("%s does not say: %s", file, sentence)
			}
		}
	}
}

// With the README's commands another module can import the client. The README's code compiles there and prints
// the output that the README shows.
func TestReadme(t *testing.T) {
	t.Parallel()
	ts := readmeServer()
	t.Cleanup(ts.Close)
	commands, code := readBlocks(t, "README.md")
	if len(commands) != 3 || len(code) < 6 {
		t.Fatalf("%d blocks of commands and %d of code", len(commands), len(code))
	}
	for i := range code {
		code[i].text = strings.ReplaceAll(code[i].text, "http://localhost:8080", ts.URL)
	}
	clone, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}

	t.Run("point to the clone", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Symlink(clone, filepath.Join(dir, "pagila-api")); err != nil {
			t.Fatal(err)
		}
		shell(t, dir, commands[0].text)
		dir = filepath.Join(dir, "rentals")
		runBlock(t, dir, code[0].text, code[0].output)
		for i, b := range code[1:] {
			runBlock(t, filepath.Join(dir, fmt.Sprint("block", i+1)), program(b.text, ts.URL), b.output)
		}
		visit, output := readVisit(t)
		visit = strings.ReplaceAll(visit, "http://localhost:8080", ts.URL)
		runBlock(t, filepath.Join(dir, "visit"), program(visit, ts.URL), output)
	})
	t.Run("copy the package", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Symlink(clone, filepath.Join(dir, "pagila-api")); err != nil {
			t.Fatal(err)
		}
		shell(t, dir, commands[1].text)
		text := strings.Replace(code[0].text, "example.com/pagila-api/gen/client", "example.org/shop/internal/pagila", 1)
		runBlock(t, filepath.Join(dir, "shop"), text, code[0].output)
	})
	t.Run("fork", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		shell(t, clone, `git ls-files -z -co --exclude-standard | tar --null -T - -cf - | tar -xf - -C '`+dir+`'`)
		// The page about all three SDKs has the same command.
		if page, err := os.ReadFile("../README.md"); err != nil || !bytes.Contains(page, []byte(commands[2].text)) {
			t.Errorf("gen/README.md has another command to rename the module: %v", err)
		}
		shell(t, dir, "git init -q && git add -A\n"+withoutPerl(t)+commands[2].text)
		if left := shell(t, dir, "git ls-files -o --exclude-standard"); left != "" {
			t.Errorf("the command leaves behind %s", left)
		}
		shell(t, dir, "go build ./... && go vet ./gen/client && ! git grep 'example\\.com/pagila-api' -- ':!api/openapi*.yaml'")
		major, _, _ := strings.Cut(client.Version, ".") // Go wants it in the path
		out := shell(t, dir, "go list ./gen/client")
		if want := "github.com/you/pagila-api/v" + major + "/gen/client\n"; out != want {
			t.Errorf("the package is %q, want %q", out, want)
		}
	})
}

// withoutPerl returns a command that hides perl, which a minimal machine does not have.
func withoutPerl(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "perl"), []byte("#!/bin/sh\nexit 127\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("PATH='%s':$PATH\n", dir)
}

// shell runs commands outside of this module. Go updates go.mod itself, so that they need no go mod tidy.
func shell(t *testing.T, dir, text string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", text)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s%s", err, text, out, &stderr)
	}
	return string(out)
}

// runBlock runs a program and checks what it prints.
func runBlock(t *testing.T, dir, text, want string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(shell(t, dir, "go run .")); got != strings.TrimSpace(want) {
		t.Errorf("it prints\n%s\nwant\n%s\n%s", got, want, text)
	}
}

// program returns a program with a block in it, which can use api and ctx.
func program(text, url string) string {
	imports := []string{`"context"; "fmt"; "log"; "example.com/pagila-api/gen/client"`}
	for _, name := range []string{"errors", "time"} {
		if strings.Contains(text, name+".") {
			imports = append(imports, strconv.Quote(name))
		}
	}
	return fmt.Sprintf(`package main
import (%s)
func main() {
	api, err := client.New(%q, client.WithToken("dvd_admin"))
	if err == nil {
		err = run(context.Background(), api)
	}
	if err != nil {
		log.Fatal(err)
	}
}
func run(ctx context.Context, api *client.API) error {
%s
	return nil
}
var _ = fmt.Print
`, strings.Join(imports, "; "), url, text)
}
