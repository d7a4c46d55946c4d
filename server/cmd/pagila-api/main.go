// Command pagila-api serves the Pagila API.
//
//	pagila-api                                              serve, until it is interrupted
//	pagila-api restore                                      restore Pagila into the empty database at DATABASE_URL
//	pagila-api migrate [apply|status|down]                  apply the migrations, show them, or roll them back
//	pagila-api exec [-scratch|-pristine|-serve] -- command  run a command with DATABASE_URL set
//	pagila-api token -label name -scopes list               make a token for API_TOKENS_FILE
//	pagila-api grow -times n                                multiply the rows of the private database, for development
//	pagila-api fetch-postgres [-if-needed]                  download PostgreSQL server binaries if there are none
//	pagila-api health                                       ask the server on HTTP_ADDR whether it is ready
//	pagila-api version                                      print the version of the contract and of the build
//
// It is configured by environment variables and by a .env file in the working directory. .env.example lists
// all variables. Without DATABASE_URL it runs a private PostgreSQL server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `Usage:

  pagila-api                                              serve, until it is interrupted
  pagila-api restore                                      restore Pagila into the empty database at DATABASE_URL
  pagila-api migrate [apply|status|down]                  apply the migrations, show them, or roll them back
  pagila-api exec [-scratch|-pristine|-serve] -- command  run a command with DATABASE_URL set
  pagila-api token -label name -scopes list               make a token for API_TOKENS_FILE
  pagila-api grow -times n                                multiply the rows of the private database, for development
  pagila-api fetch-postgres [-if-needed]                  download PostgreSQL server binaries if there are none
  pagila-api health                                       ask the server on HTTP_ADDR whether it is ready
  pagila-api version                                      print the version of the contract and of the build

It is configured by environment variables and by a .env file in the working directory.
.env.example lists all variables.
`

// interrupted is the exit status that shells report for a program that Ctrl-C ended: 128 plus the number of
// the signal.
const interrupted = 128 + int(syscall.SIGINT)

func main() {
	// The program has to continue when the reader of its output ends. Not signal.Ignore, which the commands
	// of exec would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	code := run(untilSignal(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP), os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	os.Exit(code)
}

// untilSignal returns a context that the first signal cancels. After that, a second signal has its default
// effect: it ends the program at once.
func untilSignal(signals ...os.Signal) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	received := make(chan os.Signal, 2)
	signal.Notify(received, signals...)
	go func() {
		<-received
		signal.Stop(received)
		cancel()
		select {
		case second := <-received: // it came before Stop
			if s, ok := second.(syscall.Signal); ok {
				_ = syscall.Kill(os.Getpid(), s) // a process may signal itself
			}
		default:
		}
	}()
	return ctx
}

// run runs the program until ctx is done or the command has ended, and returns the exit status.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	messages := newNonblockingWriter(stderr)
	defer messages.flush()
	err := dispatch(ctx, args, environ, stdout, messages)
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit): // the command has reported its error itself
		return exit.code
	case ctx.Err() != nil && errors.Is(err, context.Canceled): // during the start
		fmt.Fprintln(messages, "pagila-api: interrupted")
		return interrupted
	default:
		fmt.Fprintln(messages, "pagila-api:", err)
		return 1
	}
}

func dispatch(ctx context.Context, args, environ []string, stdout io.Writer, stderr *nonblockingWriter) error {
	command := "serve"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve", "restore", "migrate", "exec", "grow", "fetch-postgres", "health":
		return configured(ctx, command, args, environ, stdout, stderr)
	case "help", "-h", "-help", "--help":
		_, err := fmt.Fprint(stdout, usage)
		return err
	case "token":
		return makeToken(ctx, args, stdout, stderr)
	case "version", "-version", "--version":
		return printVersion(ctx, stdout)
	default:
		return fmt.Errorf("unknown command %q\n%s", command, usage)
	}
}

// configured runs a command that needs the configuration.
func configured(ctx context.Context, command string, args, environ []string, stdout io.Writer, stderr *nonblockingWriter) error {
	config, err := loadConfig(environ, command == "serve")
	if err != nil {
		return err
	}
	for _, warning := range config.warnings {
		if command == "serve" {
			config.logger(stderr, config.level()).Warn(warning)
		} else {
			fmt.Fprintln(stderr, "pagila-api: warning:", warning)
		}
	}
	switch command {
	case "exec":
		return execute(ctx, config, args, environ, stdout, stderr)
	case "restore":
		return restore(ctx, config, args, stdout, stderr)
	case "migrate":
		return migrateCommand(ctx, config, args, stdout, stderr)
	case "grow":
		return grow(ctx, config, args, stderr)
	case "fetch-postgres":
		return fetchPostgres(ctx, config, args, stderr)
	case "health":
		return health(ctx, config, args, stdout)
	default:
		if len(args) > 0 {
			return fmt.Errorf("serve takes no arguments, not %q", args)
		}
		banner := newNonblockingWriter(stdout)
		defer banner.flush()
		return serve(ctx, config, banner, stderr)
	}
}

// parse parses the flags of a command. They report errors and print the help themselves.
func parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return &exitError{0}
	}
	if err != nil {
		return &exitError{2}
	}
	return nil
}
