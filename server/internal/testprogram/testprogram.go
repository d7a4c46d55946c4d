// Package testprogram runs the server as a process of its own, as users run it, for tests that kill it, starve it, or
// measure it.
package testprogram

import (
	"bufio"
	"context"
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
)

// Build builds the server and returns the path of the program. The build replaces source files by others, by
// their absolute paths, and leaves the repository alone.
func Build(tb testing.TB, replace map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		tb.Fatal(err)
	}
	overlayFile, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "pagila-api")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		tb.Fatal(err)
	}
	// With the flags of "make build", whose results are in Go's cache.
	arguments := []string{
		"build", "-trimpath", "-ldflags", "-s -w", "-overlay", overlayFile, "-o", binary,
		"example.com/pagila-api/server/cmd/pagila-api",
	}
	cmd := exec.CommandContext(tb.Context(), "go", arguments...) //nolint:gosec // the arguments are ours
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build the server: %v\n%s", err, out)
	}
	return binary
}

// Command returns a command that serves on a free port of this machine, in a directory without an .env file. extra has
// more variables for its environment, which has nothing else of this process than PATH.
func Command(tb testing.TB, binary string, extra ...string) *exec.Cmd {
	tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	tb.Cleanup(stop) // it ends a program that hangs
	home := tb.TempDir()
	cmd := exec.CommandContext(ctx, binary)
	cmd.Dir = home
	cmd.Env = append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "HTTP_ADDR=127.0.0.1:0", "OPS_ADDR=off"}, extra...)
	return cmd
}

// endTimeout is far longer than a server takes to end.
const endTimeout = time.Minute

// Program is a running server.
type Program struct {
	URL    string
	Cmd    *exec.Cmd
	Stderr *testlog.Buffer
	Ended  <-chan struct{} // closed when the process has ended
	err    error           // how it ended; valid once Ended is closed
}

var bannerURL = regexp.MustCompile(`Swagger UI +(http://\S+)/docs`)

// Start starts the server and waits for its banner, which comes when the database has been looked at. The server is
// killed with the test. Its log goes to Program.Stderr, unless cmd has its own destination.
func Start(tb testing.TB, cmd *exec.Cmd) *Program {
	tb.Helper()
	p := &Program{Cmd: cmd, Stderr: &testlog.Buffer{}}
	if cmd.Stderr == nil {
		cmd.Stderr = p.Stderr
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	var banner string
	for !strings.Contains(banner, "Ctrl-C") {
		line, err := lines.ReadString('\n')
		banner += line
		if err != nil {
			tb.Fatalf("the server ended early: %v\n%s%s", errors.Join(err, cmd.Wait()), banner, p.Stderr)
		}
	}
	ended := make(chan struct{})
	p.Ended = ended
	go func() {
		_, _ = io.Copy(io.Discard, stdout) // it prints nothing else that matters
		p.err = cmd.Wait()
		close(ended)
	}()
	tb.Cleanup(p.Kill) // usually it has ended
	match := bannerURL.FindStringSubmatch(banner)
	if match == nil {
		tb.Fatalf("the banner has no URL: %s", banner)
	}
	p.URL = match[1]
	return p
}

// Stop ends the server gracefully and waits until it has ended. It returns an error unless the server succeeded.
func (p *Program) Stop() error { return p.Signal(os.Interrupt) }

// Signal sends a signal to the server and waits until it has ended, which it reports like Stop. It kills a server that
// does not end.
func (p *Program) Signal(s os.Signal) error {
	if err := p.Cmd.Process.Signal(s); err != nil {
		return err
	}
	select {
	case <-p.Ended:
		return p.err
	case <-time.After(endTimeout):
		p.Kill()
		return fmt.Errorf("it did not end within %s", endTimeout)
	}
}

// Kill kills the server, which cannot prepare for it, and waits until it has ended.
func (p *Program) Kill() {
	_ = p.Cmd.Process.Kill() // it may have ended
	<-p.Ended
}
