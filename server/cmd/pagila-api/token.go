package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"example.com/pagila-api/api"
	"example.com/pagila-api/server"
)

// tokens reads API_TOKENS_FILE, if it is set. The error names all mistakes in it, and contains no secret.
func (c config) tokens(ctx context.Context) ([]server.Token, error) {
	if c.APITokensFile == "" {
		return nil, nil
	}
	contract, err := api.Load(ctx)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(c.APITokensFile)
	if err != nil {
		return nil, fmt.Errorf("API_TOKENS_FILE: %w", err)
	}
	defer f.Close()
	tokens, err := server.ParseTokens(f, server.Scopes(contract), c.APIToken)
	if err != nil {
		return nil, fmt.Errorf("API_TOKENS_FILE is malformed:\n%w", err)
	}
	return tokens, nil
}

// receiveHangups returns a channel with each SIGHUP that does not end the program. In development, where no file of
// tokens can be read again, SIGHUP means that the terminal was closed, and ends it. Called before the tokens are read,
// so that no change of the file is missed.
func receiveHangups(c config) chan os.Signal {
	hangups := make(chan os.Signal, 1)
	if c.APITokensFile != "" || c.production() {
		signal.Reset(syscall.SIGHUP) // main's own handler ends the program
		signal.Notify(hangups, syscall.SIGHUP)
	}
	return hangups
}

// reloadTokens reads API_TOKENS_FILE again at each SIGHUP, until the returned function is called, which also closes
// hangups.
func reloadTokens(ctx context.Context, c config, hangups chan os.Signal, srv *server.Server, logger *slog.Logger) (end func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range hangups {
			c.reload(ctx, srv, logger)
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-ended
	}
}

// reload reads API_TOKENS_FILE again.
func (c config) reload(ctx context.Context, srv *server.Server, logger *slog.Logger) {
	if c.APITokensFile == "" {
		logger.Warn("SIGHUP is ignored: API_TOKENS_FILE is not set")
		return
	}
	tokens, err := c.tokens(ctx)
	if err != nil {
		logger.Error("the tokens that were read before stay valid", "error", err)
		return
	}
	srv.SetTokens(tokens)
	logger.Info("the tokens have been read again", "tokens", len(tokens))
}

// makeToken prints the line of a new token for API_TOKENS_FILE. The token itself goes to stderr, so that the line can
// be appended to the file.
func makeToken(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("token", flag.ContinueOnError)
	flags.SetOutput(stderr)
	label := flags.String("label", "", "the `name` of the token in the log")
	scopes := flags.String("scopes", "", "what the token allows, a `list` with commas in between")
	valid := flags.Duration("valid", 0, "how long the token is valid, such as 2160h; 0 means forever")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *valid < 0 {
		return errors.New("token: want -label name -scopes list, and perhaps -valid 2160h")
	}
	contract, err := api.Load(ctx)
	if err != nil {
		return err
	}
	var expires time.Time
	if *valid > 0 {
		expires = time.Now().Add(*valid)
	}
	secret, token, err := server.NewToken(*label, strings.Split(*scopes, ","), expires, server.Scopes(contract))
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	fmt.Fprintf(stderr, "The token, which is not shown again: %s\n", secret)
	_, err = fmt.Fprintln(stdout, token)
	return err
}
