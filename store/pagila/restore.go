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

// Restore fills the empty database at url, in one transaction: an error leaves it empty. A dump that
// was cut, or that is not one of Pagila, is an error. The
// database's encoding has to be UTF8. What is restored belongs to the role of url, which need not
// be a superuser.
func (s Source) Restore(ctx context.Context, url string) (err error) {
	// A connection of its own, closed at the end: a dump changes settings of the session.
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("restore %s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()

	fill := s.restoreDump
	if s.dir == "" {
		fill = s.restoreSample
	}
	pg := conn.PgConn()
	err = exec(ctx, pg, "BEGIN")
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
		// Without statistics the first queries are planned badly.
		err = exec(ctx, pg, "VACUUM ANALYZE")
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", s.name, err)
	}
	return nil
}

// needed are the tables without whose rows nothing of Pagila can be shown or rented.
var needed = []string{"actor", "category", "customer", "film", "film_category", "inventory", "language", "rental", "staff"}

// complete makes sure that what was restored is Pagila: a dump in a folder of the user's can be any.
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

// restoreDump restores the two files of a dump.
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
	// The dump leaves it without data, and reading it is an error until then. Another dump may be
	// without the view.
	return exec(ctx, conn, `DO $$ BEGIN
		IF to_regclass('public.rental_by_category') IS NOT NULL THEN
			REFRESH MATERIALIZED VIEW public.rental_by_category;
		END IF;
	END $$`)
}

// report says how far a restore has come. fraction is 0 to 1.
func (s Source) report(table string, rows int64, fraction float64) {
	s.progress(fmt.Sprintf("restoring %s: %3.0f%%, %d rows of %s", s.name, 100*fraction, rows, table))
}

// countingReader counts what is read, in bytes.
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
	// ownerRE matches what gives an object to a role. The role need not exist, or be ours to give to.
	ownerRE = regexp.MustCompile(`^ALTER .* OWNER TO \S+;\s*$`)
)

// dumpEnd begins the last line of note that pg_dump writes. A dump without it was cut.
const dumpEnd = "-- PostgreSQL database dump complete"

// load runs a plain dump as psql would, and makes sure that it is whole. loaded is called after each block
// of rows.
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
	if !l.whole {
		return fmt.Errorf("the dump is cut: it has no line %q", dumpEnd)
	}
	return nil
}

// loader loads a dump. The statements between two blocks of rows go to the server at once, and blocks are
// streamed.
type loader struct {
	conn       *pgconn.PgConn
	in         *bufio.Reader
	loaded     func(table string, rows int64)
	statements strings.Builder
	whole      bool
}

// take takes the next line of the dump, with the block of rows that it may begin.
func (l *loader) take(ctx context.Context, line string) error {
	block := copyRE.FindStringSubmatch(line)
	switch {
	case block != nil:
		return l.copyBlock(ctx, block[1], block[2])
	case strings.HasPrefix(line, `\`): // psql's own, such as \restrict
	case ownerRE.MatchString(line):
	default:
		l.whole = l.whole || strings.HasPrefix(line, dumpEnd)
		l.statements.WriteString(line)
	}
	return nil
}

// run runs the statements that have been read.
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

// blockReader reads the rows of a block, up to the line \. that ends it.
type blockReader struct {
	in   *bufio.Reader
	rest []byte // of a line
	mid  bool   // rest is not the beginning of its line
	done bool
}

func (b *blockReader) Read(p []byte) (int, error) {
	if len(b.rest) == 0 && !b.done {
		line, err := b.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, fmt.Errorf("the block is not ended: %w", io.ErrUnexpectedEOF)
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
