package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"example.com/pagila-api/store/localpg"
)

// exitError is the exit status of a command that ran and did not succeed.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// execute runs a command with DATABASE_URL set to the database in use: the one of the environment,
// or the private one, which is started for the time if no server runs it. The folder of its
// Postgres's programs comes first in PATH. Then make needs no case of its own for either.
//
// With -scratch, ATLAS_DEV_URL is an empty database that is thrown away afterwards. With -pristine,
// DATABASE_URL is thrown away too: it is Pagila as it was restored, without our migrations.
func execute(ctx context.Context, c config, args, environ []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("exec", flag.ContinueOnError)
	flags.SetOutput(stderr)
	scratch := flags.Bool("scratch", false, "set ATLAS_DEV_URL to an empty database")
	pristine := flags.Bool("pristine", false, "use a throwaway Pagila without our migrations, and -scratch")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("exec: which command?")
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
		db, err := openDatabase(ctx, c, progressTo(stderr))
		if url, running := localpg.Running(c.DataDir); errors.Is(err, localpg.ErrLocked) && running {
			db, err = &database{url: url(databaseName)}, nil
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.close()) }()
		vars["DATABASE_URL"] = db.url
		if db.server != nil {
			vars["PATH"] = db.server.BinDir() + string(os.PathListSeparator) + os.Getenv("PATH")
		}
	}
	return runCommand(flags.Args(), environ, vars, stdout, stderr)
}

func runCommand(args, environ []string, vars map[string]string, stdout, stderr io.Writer) error {
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
	cmd.Env = environ
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("exec %s: %w", strings.Join(args, " "), err)
	}
	// Ctrl-C reaches the command from the terminal; psql, for one, does not end on it. A request
	// to end that comes to us alone is passed on.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may just have ended
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
