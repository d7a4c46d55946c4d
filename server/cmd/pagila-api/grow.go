package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/pagila"
)

// maxTimes keeps the IDs of rentals well within their type: there are 16,049 in Pagila, and a database can grow again.
const maxTimes = 10_000

// grow multiplies the rows of the private database, for developers who need a large catalogue. It never touches
// another database: that might be of use to somebody.
func grow(ctx context.Context, c config, args []string, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("grow", flag.ContinueOnError)
	flags.SetOutput(stderr)
	times := flags.Int("times", 0, "how many times as many films, actors, copies, customers and rentals")
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0 || *times < 2 || *times > maxTimes:
		return fmt.Errorf("grow: name how many times as many rows there should be, 2 to %d: grow -times 1000", maxTimes)
	case c.production():
		return errors.New("grow: it is for development, and APP_ENV is production")
	case c.DatabaseURL != "":
		return errors.New("grow: it multiplies the rows of the private database only: unset DATABASE_URL, and set DATA_DIR to a new directory")
	}
	progress := progressTo(stderr)
	db, err := openDatabase(ctx, c, progress)
	if errors.Is(err, localpg.ErrLocked) {
		return fmt.Errorf("%w: stop it, or set another DATA_DIR", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	return pagila.Grow(ctx, db.url, *times, progress)
}
