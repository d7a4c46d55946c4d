package pagila

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNotEmpty means that the schema public already has tables, views or sequences.
var ErrNotEmpty = errors.New("the database is not empty")

// Restore restores the dataset into the empty database at url. It uses one transaction, so the database stays
// empty if Restore fails. The error is ErrNotEmpty if it was not empty before. Restore also refuses a dump that
// is incomplete or not one of Pagila. A dump needs a database with the encoding UTF8. The role of url owns what is
// restored, and need not be a superuser.
func (s Source) Restore(ctx context.Context, url string) (err error) {
	// The connection is used only for this, because a dump changes the settings of the session.
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("restore %s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()

	fill := s.restoreDump
	if s.IsSample() {
		fill = s.restoreSample
	}
	pg := conn.PgConn()
	err = exec(ctx, pg, "BEGIN")
	if err == nil {
		err = exec(ctx, pg, waitForDiskSQL)
	}
	if err == nil {
		err = empty(ctx, conn)
	}
	if err == nil {
		err = fill(ctx, pg)
	}
	if err == nil {
		err = complete(ctx, conn)
	}
	if err == nil {
		err = exec(ctx, pg, "COMMIT")
	}
	if err == nil {
		// Without statistics, PostgreSQL chooses bad plans for the first queries.
		err = exec(ctx, pg, "VACUUM ANALYZE")
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", s.name, err)
	}
	return nil
}

// waitForDiskSQL makes the commits of the session wait until they are on disk. Otherwise VACUUM cannot mark pages as
// all-visible yet, and until the next VACUUM an index-only scan looks up each row in the table.
const waitForDiskSQL = `SELECT set_config('synchronous_commit', 'local', false) WHERE current_setting('synchronous_commit') = 'off'`

// empty checks that the schema public has no tables, views or sequences.
func empty(ctx context.Context, conn *pgx.Conn) error {
	var relation *string
	err := conn.QueryRow(ctx, `SELECT min(c.relname)
		  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		 WHERE n.nspname = 'public'`).Scan(&relation)
	if err == nil && relation != nil {
		return fmt.Errorf("%w: the schema public has %s", ErrNotEmpty, *relation)
	}
	return err
}

// needed are the tables that must have rows, so that films can be shown and rented.
var needed = []string{"actor", "category", "customer", "film", "film_category", "inventory", "language", "rental", "staff"}

// complete checks that the restored database is Pagila. The dump in a user's directory may be any other.
func complete(ctx context.Context, conn *pgx.Conn) error {
	for _, table := range needed {
		var filled bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM public."+table+")").Scan(&filled); err != nil {
			return fmt.Errorf("this is not Pagila: %w", err)
		}
		if !filled {
			return fmt.Errorf("this is not Pagila: the table %s is empty", table)
		}
	}
	return nil
}

// exec runs statements without arguments.
func exec(ctx context.Context, conn *pgconn.PgConn, sql string) error {
	_, err := conn.Exec(ctx, sql).ReadAll()
	return err
}

// restoreDump restores the two files of the dump.
func (s Source) restoreDump(ctx context.Context, conn *pgconn.PgConn) error {
	var total int64
	for _, file := range dump {
		info, err := os.Stat(filepath.Join(s.dir, file.name))
		if err != nil {
			return err
		}
		total += info.Size()
	}
	var done int64
	for _, file := range dump {
		f, err := os.Open(filepath.Join(s.dir, file.name))
		if err != nil {
			return err
		}
		counted := &countingReader{r: f}
		err = load(ctx, conn, counted, func(table string, rows int64) {
			s.report(table, rows, float64(done+counted.n)/float64(total))
		})
		done += counted.n
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
	}
	// The dump does not fill this view, and reading it fails until it is refreshed. Another dump may lack the
	// view.
	return exec(ctx, conn, `DO $$ BEGIN
		IF to_regclass('public.rental_by_category') IS NOT NULL THEN
			REFRESH MATERIALIZED VIEW public.rental_by_category;
		END IF;
	END $$`)
}

// report reports the progress of a restore. fraction is between 0 and 1.
func (s Source) report(table string, rows int64, fraction float64) {
	s.progress(fmt.Sprintf("restoring %s: %3.0f%%, %d rows of %s", s.name, 100*fraction, rows, table))
}

// countingReader counts the bytes that are read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

var (
	copyRE = regexp.MustCompile(`^(COPY (?:public\.)?(\S+) .*) FROM stdin;\s*$`)
	// ownerRE matches the statements that change the owner of an object. The new owner may not exist, or our
	// role may lack the right to set it.
	ownerRE = regexp.MustCompile(`^ALTER .* OWNER TO \S+;\s*$`)
)

// dumpEnd begins one of the last lines that pg_dump writes. A dump without it is incomplete.
const dumpEnd = "-- PostgreSQL database dump complete"

// load executes a plain-text dump as psql would, and checks that it is complete. It calls loaded after each
// block of rows.
func load(ctx context.Context, conn *pgconn.PgConn, r io.Reader, loaded func(table string, rows int64)) error {
	l := &loader{conn: conn, in: bufio.NewReader(r), loaded: loaded}
	for end := false; !end; {
		line, err := l.in.ReadString('\n')
		if end = errors.Is(err, io.EOF); err != nil && !end {
			return err
		}
		if err := l.take(ctx, line); err != nil {
			return err
		}
	}
	if err := l.run(ctx); err != nil {
		return err
	}
	if !l.complete {
		return fmt.Errorf("the dump is incomplete: it has no line %q", dumpEnd)
	}
	return nil
}

// loader loads a dump. It sends the statements between two blocks of rows together, and streams the blocks.
type loader struct {
	conn       *pgconn.PgConn
	in         *bufio.Reader
	loaded     func(table string, rows int64)
	statements strings.Builder
	complete   bool
}

// take processes a line of the dump, and the block of rows if the line begins one.
func (l *loader) take(ctx context.Context, line string) error {
	block := copyRE.FindStringSubmatch(line)
	switch {
	case block != nil:
		return l.copyBlock(ctx, block[1], block[2])
	case strings.HasPrefix(line, `\`): // a command of psql, such as \restrict
	case ownerRE.MatchString(line):
	default:
		l.complete = l.complete || strings.HasPrefix(line, dumpEnd)
		l.statements.WriteString(line)
	}
	return nil
}

// run executes the statements that have been read.
func (l *loader) run(ctx context.Context) error {
	defer l.statements.Reset()
	return exec(ctx, l.conn, l.statements.String())
}

func (l *loader) copyBlock(ctx context.Context, statement, table string) error {
	if err := l.run(ctx); err != nil {
		return err
	}
	tag, err := l.conn.CopyFrom(ctx, &blockReader{in: l.in}, statement+" FROM STDIN")
	if err != nil {
		return fmt.Errorf("table %s: %w", table, err)
	}
	l.loaded(table, tag.RowsAffected())
	return nil
}

// blockReader reads the rows of a block, until the line \. that ends it.
type blockReader struct {
	in   *bufio.Reader
	rest []byte // the unread part of a line
	mid  bool   // whether rest continues a line that was too long for the buffer
	done bool
}

func (b *blockReader) Read(p []byte) (int, error) {
	if len(b.rest) == 0 && !b.done {
		line, err := b.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, fmt.Errorf("the block of rows does not end: %w", io.ErrUnexpectedEOF)
		}
		b.done = !b.mid && strings.TrimRight(string(line), "\r\n") == `\.`
		b.mid = err != nil
		b.rest = line
	}
	if b.done {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}
