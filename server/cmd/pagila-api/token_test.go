package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/pagila-api/server/internal/testlog"
	"example.com/pagila-api/store/pgtest"
)

// makeTokens runs `pagila-api token` for each label, and returns the tokens, and their lines for the file.
func makeTokens(t *testing.T, scopes string, labels ...string) (secrets, lines []string) {
	t.Helper()
	for _, label := range labels {
		var line, message bytes.Buffer
		cmd := program(t, []string{asProgram + "=1"}, "token", "-label", label, "-scopes", scopes, "-valid", "24h")
		cmd.Stdout, cmd.Stderr = &line, &message
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %s", err, message.String())
		}
		_, secret, _ := strings.Cut(strings.TrimSpace(message.String()), ": ")
		secrets, lines = append(secrets, secret), append(lines, line.String())
	}
	return secrets, lines
}

// status is the response to a request with a token.
func (s *served) status(t *testing.T, method, path, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.stderr)
	}
	response.Body.Close()
	return response.StatusCode
}

// The tokens of the file are valid beside API_TOKEN, until their lines are removed and the program gets SIGHUP. A
// malformed file changes nothing.
func TestTokensFile(t *testing.T) {
	t.Parallel()
	secrets, lines := makeTokens(t, "customers:read", "desk", "kiosk")
	file := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# label, hash, scopes, expiry\n" + lines[0] + lines[1])
	s := serveProgram(t, environment(t, "DATABASE_URL="+pgtest.New(t), "API_TOKENS_FILE="+file, "LOG_FORMAT=json"))
	wantStatus := func(secret string, want int) {
		t.Helper()
		if got := s.status(t, http.MethodGet, "/customers/1", secret); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
	hangUp := func(logged string) {
		t.Helper()
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		waitUntil(t, func() bool { return strings.Contains(s.stderr.String(), logged) }, s)
	}
	wantStatus(secrets[0], 200)
	wantStatus(secrets[1], 200)
	wantStatus("dvd_admin", 200)
	if got := s.status(t, http.MethodPost, "/customers/1/rentals/1/return", secrets[1]); got != 403 {
		t.Errorf("a write: status %d, want 403", got)
	}

	write("desk nonsense")
	hangUp(`line 1: want a label, a hash`)
	wantStatus(secrets[1], 200)

	write(lines[0])
	hangUp(`"the tokens have been read again","tokens":1`)
	wantStatus(secrets[0], 200)
	wantStatus(secrets[1], 401)
	wantStatus("dvd_admin", 200)
	for _, secret := range append(secrets, "dvd_admin") {
		if strings.Contains(s.stderr.String(), secret) {
			t.Errorf("the log contains a token: %s", s.stderr)
		}
	}
	if !strings.Contains(s.stderr.String(), `"token":"kiosk"`) {
		t.Errorf("the log does not name the token: %s", s.stderr)
	}
}

// A server in production does not end when somebody wants it to read a file of tokens that it does not have.
func TestHangUpInProduction(t *testing.T) {
	t.Parallel()
	env := environment(t, "DATABASE_URL="+pgtest.New(t), "APP_ENV=production", "API_TOKEN=a-token-for-production", "API_PASSWORD=secret", "DRAIN_DELAY=0s")
	s := &served{cmd: program(t, env), stderr: &testlog.Buffer{}}
	s.cmd.Stderr = s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	logs := func(text string) {
		t.Helper()
		waitUntil(t, func() bool { return strings.Contains(s.stderr.String(), text) }, s)
	}
	logs(`"msg":"serving"`)
	for _, step := range []struct {
		signal syscall.Signal
		logged string
	}{{syscall.SIGHUP, "SIGHUP is ignored: API_TOKENS_FILE is not set"}, {syscall.SIGTERM, "stopping"}} {
		if err := s.cmd.Process.Signal(step.signal); err != nil {
			t.Fatal(err)
		}
		logs(step.logged)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// Without a file of tokens the program ends when its terminal is closed.
func TestHangUpWithoutTokensFile(t *testing.T) {
	t.Parallel()
	s := serveProgram(t, environment(t, "DATABASE_URL="+pgtest.New(t)))
	if err := s.stop(t, syscall.SIGHUP); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// The mistakes in the file are reported together with those in the environment.
func TestBadTokensFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("a\nb c d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		file:           {"API_TOKENS_FILE", "line 1:", "line 2:", "LOG_LEVEL"},
		"/nonexistent": {"API_TOKENS_FILE", "no such file", "LOG_LEVEL"},
	} {
		out, err := program(t, []string{asProgram + "=1", "LOG_LEVEL=loud", "API_TOKENS_FILE=" + path}).CombinedOutput()
		for _, part := range want {
			if err == nil || !strings.Contains(string(out), part) {
				t.Errorf("%s: the output has no %q: %v, %s", path, part, err, out)
			}
		}
	}
}

func TestTokenCommandErrors(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "-label x", "-label x -scopes admin", "-label = -scopes films:write", "-label x -scopes films:write y", "-label x -scopes films:write -valid -1h", "-nonsense"} {
		var stdout bytes.Buffer
		cmd := program(t, []string{asProgram + "=1"}, append([]string{"token"}, strings.Fields(args)...)...)
		cmd.Stdout = &stdout
		var failed *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &failed) || stdout.Len() > 0 {
			t.Errorf("%q: %v, %s", args, err, stdout.String())
		}
	}
}

// In production a token has at least 128 random bits if it is written in base64. Only a server needs one.
func TestShortToken(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("x", 22)
	for environ, want := range map[string]bool{
		"APP_ENV=production API_TOKEN=" + token:     true,
		"APP_ENV=production API_TOKEN=" + token[1:]: false,
		"APP_ENV=production":                        false,
		"API_TOKEN=x":                               true,
	} {
		environ := append(strings.Fields(environ), "API_PASSWORD=x")
		if _, err := loadConfig(environ, true); (err == nil) != want || err != nil && !strings.Contains(err.Error(), "API_TOKEN is shorter than 22 characters") {
			t.Errorf("%q: %v", environ, err)
		}
		if _, err := loadConfig(environ, false); err != nil {
			t.Errorf("%q, without a server: %v", environ, err)
		}
	}
}
