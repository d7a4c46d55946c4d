package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pagila"
)

// restore restores Pagila into the empty database at DATABASE_URL. If Pagila is there, it does nothing, so that a
// deployment can run it each time. In production it does not fall back to the sample, whose rows are made up.
func restore(ctx context.Context, c config, args []string, stdout, stderr io.Writer) error {
	switch {
	case len(args) > 0:
		return fmt.Errorf("restore takes no arguments, not %q", args)
	case c.DatabaseURL == "":
		return errors.New("restore: set DATABASE_URL to the database: the private one is restored when it starts")
	}
	schema, err := locate(ctx, c.DatabaseURL)
	if err == nil {
		fmt.Fprintf(stdout, "Pagila is in schema %s: there is nothing to restore.\n", schema)
		return nil
	}
	if !errors.Is(err, migrations.ErrNoPagila) {
		return fmt.Errorf("restore: %w", err)
	}
	source, err := pagila.Find(ctx, pagila.Options{Dir: c.PagilaDir, CacheDir: c.cacheDir, Progress: progressTo(stderr)})
	if err != nil {
		return err
	}
	if c.production() && source.IsSample() {
		return errors.New("restore: the sample is not for production: set PAGILA_DIR to a directory with the dump")
	}
	if err := source.Restore(ctx, c.DatabaseURL); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "restored %s\n", source)
	return nil
}

// locate returns the schema of the database at url that contains Pagila.
func locate(ctx context.Context, url string) (schema string, err error) {
	st, err := store.Open(url, store.Options{MaxConns: 1})
	if err != nil {
		return "", err
	}
	defer st.Close()
	return migrations.Locate(ctx, st.DB())
}
