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

// exitError is the exit status of a command that ran and did not succeed.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// execute runs a command with DATABASE_URL set to the database in use: the one of the environment,
// or the private one, which is started for the time if no server runs it. The folder of its
// Postgres's programs comes first in PATH. Then make needs no case of its own for either. DATABASE_URL
// is written so that every program understands it, and is all that a command has to know.
//
// With -scratch, ATLAS_DEV_URL is an empty database that is thrown away afterwards. With -pristine,
// DATABASE_URL is thrown away too: it is Pagila as it was restored, without our migrations.
//
// With -serve, a server runs on a throwaway Pagila while the command does. PAGILA_URL is where, and
// API_TOKEN, API_USERNAME and API_PASSWORD are what it accepts.
func execute(ctx context.Context, c config, args, environ []string, stdout io.Writer, stderr *lossyWriter) (err error) {
	flags := flag.NewFlagSet("exec", flag.ContinueOnError)
	flags.SetOutput(stderr)
	scratch := flags.Bool("scratch", false, "set ATLAS_DEV_URL to an empty database")
	pristine := flags.Bool("pristine", false, "use a throwaway Pagila without our migrations, and -scratch")
	serving := flags.Bool("serve", false, "run a server on a throwaway Pagila, and set PAGILA_URL and API_TOKEN")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("exec: which command?")
	}
	if *serving {
		if *scratch || *pristine {
			return errors.New("exec: -serve has a database of its own, without -scratch and -pristine")
		}
		return executeServed(ctx, c, flags.Args(), environ, stdout, stderr)
	}
	vars := map[string]string{}
	if *scratch || *pristine {
		t, err := startThrowaway(ctx, c, *pristine, func(string) {})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.close()) }()
		vars["ATLAS_DEV_URL"] = t.scratch
		vars["DATABASE_URL"] = t.pristine
		vars["PATH"] = t.server.BinDir() + string(os.PathListSeparator) + os.Getenv("PATH")
	}
	if !*pristine {
		db, err := databaseInUse(ctx, c, progressTo(stderr))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.close()) }()
		if vars["DATABASE_URL"], err = plainURL(ctx, db.url); err != nil {
			return err
		}
		if db.server != nil {
			vars["PATH"] = db.server.BinDir() + string(os.PathListSeparator) + os.Getenv("PATH")
		}
	}
	return runCommand(flags.Args(), environ, vars, stdout, stderr)
}

// executeServed runs a command beside a server of its own: the same server, except that its language
// model is the offline one, whatever the configuration says. What a command like a test sends should
// cost nobody money.
func executeServed(ctx context.Context, c config, args, environ []string, stdout io.Writer, stderr *lossyWriter) (err error) {
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
	c.DatabaseURL, c.LLMProvider, c.LLMModel, c.DrainDelay, c.LLMRateLimit, c.CheckAnswers = t.pristine, "offline", "", 0, 0, true
	c.LogLevel = "warn" // the access lines would bury what the command says

	// The server outlives an interrupt: that is for the command, which may still want it.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- serveOn(serving, c, listener, io.Discard, stderr, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-served:
		stop()
		return err
	}
	err = runCommand(args, environ, map[string]string{
		"PAGILA_URL":   baseURL(listener.Addr()),
		"API_TOKEN":    c.APIToken,
		"API_USERNAME": c.APIUsername,
		"API_PASSWORD": c.APIPassword,
		"DATABASE_URL": t.pristine,
		"PATH":         t.server.BinDir() + string(os.PathListSeparator) + os.Getenv("PATH"),
	}, stdout, stderr)
	stop()
	if failed := <-served; failed != nil {
		return errors.Join(failed, err) // likely the cause of the command's own failure
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

func runCommand(args, environ []string, vars map[string]string, stdout io.Writer, stderr *lossyWriter) error {
	for name, value := range vars {
		environ = append(environ, name+"="+value) // the last one counts
	}
	if path, ok := vars["PATH"]; ok {
		if err := os.Setenv("PATH", path); err != nil { // exec.Command looks there
			return err
		}
	}
	// Not with a context: Ctrl-C is the command's own affair.
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // to run what it is told is its purpose
	cmd.Env = localpg.WithoutLibpq(environ)   // DATABASE_URL says all, and the Atlas command stops at some
	stderr.flush()                            // what was said before comes first
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr.to
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("exec %s: %w", strings.Join(args, " "), err)
	}
	// Ctrl-C reaches the command from the terminal; psql, for one, does not end on it, however often
	// it is pressed. A request to end that comes to us alone is passed on.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for s := range signals {
			if s != os.Interrupt {
				_ = cmd.Process.Signal(s) // it may just have ended
			}
		}
	}()
	err := cmd.Wait()
	signal.Stop(signals)
	close(signals)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &exitError{max(exit.ExitCode(), 1)} // -1: ended by a signal
	}
	return err
}
