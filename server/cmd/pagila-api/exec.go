package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/localpg"
)

// exitError is the exit status of a command that failed.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// child is a command that exec runs.
type child struct {
	args, environ []string
	stdout        io.Writer
	stderr        *nonblockingWriter
}

// execute runs a command with DATABASE_URL set to the database in use: the one of the environment, or the
// private one, which is started for the duration of the command if no server runs it. The directory of its
// PostgreSQL programs comes first in PATH. So make does not need to distinguish the two. Every program
// understands the form of DATABASE_URL, and the command needs no other variable.
//
// With -scratch, ATLAS_DEV_URL is an empty database that is dropped afterwards. With -pristine,
// DATABASE_URL is dropped too: it is Pagila as it was restored, without this project's migrations.
//
// With -serve, a server runs on a throwaway Pagila during the command. PAGILA_URL is its URL, and it
// accepts API_TOKEN, API_USERNAME and API_PASSWORD.
func execute(ctx context.Context, c config, args, environ []string, stdout io.Writer, stderr *nonblockingWriter) error {
	flags := flag.NewFlagSet("exec", flag.ContinueOnError)
	flags.SetOutput(stderr)
	scratch := flags.Bool("scratch", false, "set ATLAS_DEV_URL to an empty database")
	pristine := flags.Bool("pristine", false, "use a throwaway Pagila without the migrations, and -scratch")
	serving := flags.Bool("serve", false, "run a server on a throwaway Pagila, and set PAGILA_URL and API_TOKEN")
	if err := parse(flags, args); err != nil {
		return err
	}
	command := child{args: flags.Args(), environ: environ, stdout: stdout, stderr: stderr}
	switch {
	case flags.NArg() == 0:
		return errors.New("exec: name the command to run")
	case !*serving:
		return executeOn(ctx, c, command, *scratch, *pristine)
	case *scratch || *pristine:
		return errors.New("exec: -serve has a database of its own, so it excludes -scratch and -pristine")
	default:
		return executeServed(ctx, c, command)
	}
}

// executeOn runs a command on the database in use or on throwaway ones.
func executeOn(ctx context.Context, c config, command child, scratch, pristine bool) (err error) {
	vars := map[string]string{}
	if scratch || pristine {
		t, err := startThrowaway(ctx, c, pristine, func(string) {})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.close()) }()
		vars["ATLAS_DEV_URL"] = t.scratch
		vars["DATABASE_URL"] = t.pristine
		vars["PATH"] = pathWith(t.server)
	}
	if !pristine {
		db, err := databaseInUse(ctx, c, progressTo(command.stderr))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.close()) }()
		if vars["DATABASE_URL"], err = plainURL(ctx, db.url); err != nil {
			return err
		}
		if db.server != nil {
			vars["PATH"] = pathWith(db.server)
		}
	}
	return command.run(vars)
}

// pathWith returns PATH with the directory of a server's programs in front.
func pathWith(server *localpg.Server) string {
	return server.BinDir() + string(os.PathListSeparator) + os.Getenv("PATH")
}

// executeServed runs a command together with a server. The server uses the offline language model, whatever
// the configuration says: the requests of a test should not cost money.
func executeServed(ctx context.Context, c config, command child) (err error) {
	t, err := startThrowaway(ctx, c, true, func(string) {})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := migrate(ctx, t.pristine); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen on a free port: %w", err)
	}
	c.DatabaseURL, c.LLMProvider, c.LLMModel, c.DrainDelay, c.LLMRateLimit, c.TokenRateLimit, c.CheckResponses = t.pristine, "offline", "", 0, 0, 0, true
	c.ReplicaURLs, c.APITokensFile = nil, ""
	c.OpsAddr = opsOff
	c.LogLevel = "warn" // access lines would bury the output of the command

	// An interrupt is meant for the command, which may still need the server.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- serveOn(serving, c, listener, io.Discard, command.stderr, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-served:
		stop()
		return err
	}
	err = command.run(map[string]string{
		"PAGILA_URL":   baseURL(listener.Addr()),
		"API_TOKEN":    c.APIToken,
		"API_USERNAME": c.APIUsername,
		"API_PASSWORD": c.APIPassword,
		"DATABASE_URL": t.pristine,
		"PATH":         pathWith(t.server),
	})
	stop()
	if failed := <-served; failed != nil {
		return errors.Join(failed, err) // probably the cause of the command's own failure
	}
	return err
}

// migrate applies the pending migrations to the database at url.
func migrate(ctx context.Context, url string) error {
	st, err := store.Open(url, store.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer st.Close()
	if err := migrations.Apply(ctx, st.DB()); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// run runs the command with more variables in its environment.
func (c child) run(vars map[string]string) error {
	environ := c.environ
	for name, value := range vars {
		environ = append(environ, name+"="+value) // the last value of a variable counts
	}
	if path, ok := vars["PATH"]; ok {
		if err := os.Setenv("PATH", path); err != nil { // exec.Command looks there
			return err
		}
	}
	// Without a context, because the command handles Ctrl-C itself.
	cmd := exec.Command(c.args[0], c.args[1:]...) //nolint:gosec,noctx // running any command is its purpose
	cmd.Env = localpg.WithoutLibpq(environ)       // DATABASE_URL is complete, and some PG* variables stop the Atlas command
	c.stderr.flush()                              // earlier output comes first
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, c.stdout, c.stderr.to
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("exec %s: %w", strings.Join(c.args, " "), err)
	}
	stop := forwardSignals(cmd.Process)
	err := cmd.Wait()
	stop()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &exitError{max(exit.ExitCode(), 1)} // -1 means that a signal ended it
	}
	return err
}

// forwardSignals forwards to a process the signals that end this one, until stop is called. Ctrl-C is not
// forwarded, since it reaches the process from the terminal, and does not end this one: some programs, such
// as psql, continue after it.
func forwardSignals(process *os.Process) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for s := range signals {
			if s != os.Interrupt {
				_ = process.Signal(s) // it may just have ended
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}
