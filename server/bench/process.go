package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/pagila-api/server/bench/twin"
)

const (
	// poolSize is the size of the server's pool, unless DATABASE_MAX_CONNS is set.
	poolSize = 16
	// killAfter is how long a process may take to end after an interrupt.
	killAfter = 10 * time.Second
	// The limits of the server, which cost a little for each request.
	readHeaderTimeout, readTimeout, idleTimeout = 5 * time.Second, 30 * time.Second, 2 * time.Minute
)

// process is a server under load.
type process struct {
	name    string
	kind    string // server, pgbench, or a kind of twins
	path    string // of pgbench, which runs only when it has its turn
	address string
	cmd     *exec.Cmd
	cancel  context.CancelFunc
	log     string // the file with its log
}

// startServer starts the program as users do, with the default settings. Its log goes to a file.
func startServer(ctx context.Context, name, binary, databaseURL, dir string) (*process, error) {
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	environ := []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "HTTP_ADDR=127.0.0.1:0", "OPS_ADDR=127.0.0.1:0", "DATABASE_URL=" + databaseURL}
	return start(ctx, process{name: name, kind: server}, dir, []string{path}, environ, nil)
}

// startTwin starts a twin: this program itself.
func startTwin(ctx context.Context, kind, databaseURL, dir string, recording twin.Recording) (*process, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(recording)
	if err != nil {
		return nil, err
	}
	environ := []string{"DATABASE_URL=" + databaseURL}
	args := []string{path, "-twin", kind}
	return start(ctx, process{name: kind + " twin", kind: kind}, dir, args, environ, bytes.NewReader(data))
}

// start starts a process in a directory without an .env file, and waits until it prints its URL.
func start(ctx context.Context, p process, dir string, args, environ []string, stdin io.Reader) (*process, error) {
	log, err := os.CreateTemp(dir, "log-")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ctx, p.cancel = context.WithCancel(ctx)
	p.log = log.Name()
	p.cmd = exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the user chooses the server
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdin, p.cmd.Stderr = dir, environ, stdin, log
	p.cmd.SysProcAttr = childAttributes()
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	p.cmd.WaitDelay = killAfter
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.cancel()
		return nil, fmt.Errorf("start the %s: %w", p.name, err)
	}
	if p.address, err = findAddress(stdout); err != nil {
		return nil, errors.Join(fmt.Errorf("start the %s: %w", p.name, err), p.stop(), p.logged())
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }() // it prints nothing else that matters
	return &p, nil
}

var printedURL = regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`)

func findAddress(stdout io.Reader) (string, error) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if match := printedURL.FindStringSubmatch(lines.Text()); match != nil {
			return match[1], nil
		}
	}
	return "", errors.Join(lines.Err(), errors.New("it ended before it was ready"))
}

// logged returns the log of the process as an error.
func (p *process) logged() error {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	return fmt.Errorf("its log: %s", data)
}

// stop ends the process.
func (p *process) stop() error {
	p.cancel()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if errors.Is(err, context.Canceled) || errors.As(err, &exit) {
		return nil // it was interrupted
	}
	return err
}

// get returns the body of a response with status 200.
func (p *process) get(ctx context.Context, target string) ([]byte, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+target, nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: status %d: %s", target, response.StatusCode, body)
	}
	return body, response.Header, err
}

// allocations returns the number of allocations of a twin so far. The server does not publish it.
func (p *process) allocations(ctx context.Context) (uint64, error) {
	if p.kind == server {
		return 0, nil
	}
	body, _, err := p.get(ctx, "/allocations")
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(string(body), 10, 64)
}

// serveTwin is the program of a twin: it reads a recording from stdin, and serves until ctx ends.
func serveTwin(ctx context.Context, kind string, stdin io.Reader, stdout io.Writer) error {
	var recording twin.Recording
	if err := json.NewDecoder(stdin).Decode(&recording); err != nil {
		return fmt.Errorf("read the recording: %w", err)
	}
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	config.MaxConns = poolSize
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	handler, err := twin.New(ctx, kind, pool, recording)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving := &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
	}
	context.AfterFunc(ctx, func() { _ = serving.Close() })
	fmt.Fprintf(stdout, "http://%s\n", listener.Addr())
	if err := serving.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
