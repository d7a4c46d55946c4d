package historytest

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/server/internal/testlog"
	"example.com/pagila-api/store/pgtest"
)

// programTimeout is far longer than a run. It ends a program that hangs.
const programTimeout = 10 * time.Minute

// build builds the server and returns the path of the program. The build replaces source files by others, by
// their absolute paths, and leaves the repository alone.
func build(t *testing.T, replace map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "pagila-api")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	// With the flags of "make build", whose results are in Go's cache.
	arguments := []string{"build", "-trimpath", "-overlay", overlayFile, "-o", binary, "../cmd/pagila-api"}
	cmd := exec.CommandContext(t.Context(), "go", arguments...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, out)
	}
	return binary
}

// program is a running server.
type program struct {
	name   string // its application_name in the database
	url    string
	cmd    *exec.Cmd
	stderr *testlog.Buffer
	ended  chan struct{} // closed when the process has ended
	err    error         // how it ended; valid once ended is closed
	goneAt time.Duration // when the database had ended the last session of a killed server
}

var bannerURL = regexp.MustCompile(`Swagger UI +(http://\S+)/docs`)

// startProgram starts the server and waits until it is ready.
func startProgram(t *testing.T, binary, databaseURL, name string) *program {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), programTimeout)
	t.Cleanup(stop)
	home := t.TempDir()
	p := &program{name: name, cmd: exec.CommandContext(ctx, binary), stderr: &testlog.Buffer{}, ended: make(chan struct{})}
	p.cmd.Dir = home // no .env there
	p.cmd.Env = []string{
		"HOME=" + home,
		"PATH=" + os.Getenv("PATH"),
		"HTTP_ADDR=127.0.0.1:0",
		"OPS_ADDR=off",
		"DATABASE_URL=" + pgtest.WithParameters(t, databaseURL, "application_name="+name),
		"LOG_LEVEL=error",
		"CHECK_RESPONSES=true",
	}
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	var banner string
	for !strings.Contains(banner, "Ctrl-C") {
		line, err := lines.ReadString('\n')
		banner += line
		if err != nil {
			t.Fatalf("the server ended early: %v\n%s%s", errors.Join(err, p.cmd.Wait()), banner, p.stderr)
		}
	}
	go func() {
		io.Copy(io.Discard, stdout)
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() { p.cmd.Process.Kill(); <-p.ended }) // usually it has ended
	match := bannerURL.FindStringSubmatch(banner)
	if match == nil {
		t.Fatalf("the banner has no URL: %s", banner)
	}
	p.url = match[1]
	return p
}

// stop ends the server in order. It fails if a response did not follow the contract.
func (p *program) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(os.Interrupt)
	<-p.ended
	if p.err != nil {
		t.Errorf("the server %s ended with %v: %s", p.name, p.err, p.stderr)
	}
}

// kill kills the server with SIGKILL.
func (p *program) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// waitGone waits until the database has ended the sessions of a server that has ended. Until then, a transaction
// that the server has asked to commit may still commit.
func (p *program) waitGone(t *testing.T, db *sql.DB) {
	t.Helper()
	pgtest.WaitUntil(t, db.QueryRowContext, fmt.Sprintf(`SELECT NOT EXISTS (
		SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = '%s')`, p.name))
}
