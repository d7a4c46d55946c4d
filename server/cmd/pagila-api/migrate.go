package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store"
)

const migrateUsage = `Usage:

  pagila-api migrate [apply]   apply the pending migrations
  pagila-api migrate status    show which migrations are applied and which are pending
  pagila-api migrate down      roll the migrations back, and drop all data in what they added

The database is that of DATABASE_URL, PostgreSQL 12 to 18, or else the private one.
`

// migrateCommand works on the migrations of the database in use. Like exec, it starts the private one for the
// duration of the command if no server runs it.
func migrateCommand(ctx context.Context, c config, args []string, stdout, stderr io.Writer) (err error) {
	verb := "apply"
	if len(args) > 0 {
		verb = args[0]
	}
	act, ok := map[string]func(context.Context, *store.Store, io.Writer) error{
		"apply":  applyMigrations,
		"status": showMigrations,
		"down":   rollBackMigrations,
		"tool":   showTool,
	}[verb]
	switch {
	case verb == "help" || verb == "-h" || verb == "-help" || verb == "--help":
		fmt.Fprint(stdout, migrateUsage)
		return nil
	case !ok || len(args) > 1:
		return fmt.Errorf("migrate: unknown arguments %q\n%s", args, migrateUsage)
	}
	db, err := databaseInUse(ctx, c, progressTo(stderr))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	st, err := store.Open(db.url, store.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer st.Close()
	if err := act(ctx, st, stdout); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func applyMigrations(ctx context.Context, st *store.Store, w io.Writer) error {
	n := 0
	err := migrations.ApplyEach(ctx, st.DB(), func(file string) {
		n++
		fmt.Fprintln(w, "applied", file)
	})
	if err == nil && n == 0 {
		fmt.Fprintln(w, "No migration is pending: there is nothing to apply.")
	}
	return err
}

func showMigrations(ctx context.Context, st *store.Store, w io.Writer) error {
	schema, err := migrations.Locate(ctx, st.DB())
	if errors.Is(err, migrations.ErrNoPagila) {
		fmt.Fprintf(w, "%s.\n", sentence(err))
		return nil
	}
	if err != nil {
		return err
	}
	state, err := migrations.Status(ctx, st.DB())
	if err != nil {
		return err
	}
	pending := map[string]bool{}
	for _, version := range state.Pending {
		pending[version] = true
	}
	fmt.Fprintf(w, "Pagila is in schema %s.\n", schema)
	for _, version := range migrations.Versions() {
		how := "applied"
		if pending[version] {
			how = "pending"
		}
		fmt.Fprintln(w, how, migrations.FileName(version))
	}
	if versions := migrations.Versions(); state.Current > versions[len(versions)-1] {
		fmt.Fprintln(w, "applied", state.Current, "(not by this release)")
	}
	return nil
}

func rollBackMigrations(ctx context.Context, st *store.Store, w io.Writer) error {
	files, err := migrations.Down(ctx, st.DB())
	if err != nil {
		return err
	}
	for _, file := range files {
		fmt.Fprintln(w, "rolled back", file)
	}
	if len(files) == 0 {
		fmt.Fprintln(w, "No migration is applied: there is nothing to roll back.")
	}
	return nil
}

// sentence capitalizes the text of an error.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// showTool prints for schema/migrate.sh which program can migrate the database, atlas or pagila-api.
func showTool(ctx context.Context, st *store.Store, w io.Writer) error {
	tool := "pagila-api"
	if can, err := atlasCan(ctx, st); err == nil && can { // pagila-api reports the error, if any
		tool = "atlas"
	}
	fmt.Fprintln(w, tool)
	return nil
}

// newestForAtlas is the newest major version of PostgreSQL that the pinned Atlas command knows.
const newestForAtlas = 15

// atlasCan reports whether the pinned Atlas command can migrate the database. The command works only in the
// schema public, it skips a pending migration that is older than an applied one, and it holds a lock of its
// session, which a pooler may assign to another client.
func atlasCan(ctx context.Context, st *store.Store) (bool, error) {
	var number int
	if err := st.DB().QueryRowContext(ctx, `SELECT current_setting('server_version_num')::integer`).Scan(&number); err != nil {
		return false, err
	}
	schema, err := migrations.Locate(ctx, st.DB())
	if err != nil {
		return false, err
	}
	state, err := migrations.Status(ctx, st.DB())
	if err != nil {
		return false, err
	}
	direct, err := isDirect(ctx, st.DB())
	inOrder := len(state.Pending) == 0 || state.Pending[0] > state.Current
	return number/10000 <= newestForAtlas && schema == "public" && inOrder && direct, err
}

// isDirect reports whether the connection has no pooler in between. A pooler reports a process ID that it
// made up.
func isDirect(ctx context.Context, db *sql.DB) (direct bool, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	err = conn.Raw(func(driverConn any) error {
		pgxConn := driverConn.(*stdlib.Conn).Conn() // the store opens no other
		var process uint32
		err := pgxConn.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeExec).Scan(&process)
		direct = process == pgxConn.PgConn().PID()
		return err
	})
	return direct, err
}
