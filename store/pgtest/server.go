package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/roles"
)

// The templates on each server.
const (
	pristine = "pristine" // Pagila as restored
	migrated = "pagila"   // Pagila with our migrations
)

const (
	// dirPrefix begins the names of the servers' directories.
	dirPrefix = "pagila-api-test-"
	// memoryNeeded is the space in bytes that a server may need: 150 MB with the templates, and 17 MB for
	// each test that runs.
	memoryNeeded = 400 << 20
)

// start starts a server in a new directory and creates the templates.
func start(ctx context.Context) (*localpg.Server, error) { return startOn(ctx, "") }

// startOn is start with the PostgreSQL programs in binDir.
func startOn(ctx context.Context, binDir string) (*localpg.Server, error) {
	for _, place := range []string{memory, os.TempDir()} {
		if err := localpg.RemoveStale(ctx, filepath.Join(place, dirPrefix+"*")); err != nil {
			return nil, err
		}
	}
	dir, err := makeDir()
	if err != nil {
		return nil, err
	}
	server, err := localpg.Start(ctx, localpg.Options{Dir: dir, BinDir: binDir, Disposable: true})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := makeTemplates(ctx, server); err != nil {
		return nil, errors.Join(err, server.Stop(ctx))
	}
	return server, nil
}

func makeTemplates(ctx context.Context, server *localpg.Server) error {
	source, err := dataset(ctx)
	if err != nil {
		return err
	}
	if err := exec(ctx, server, "CREATE DATABASE "+pristine); err != nil {
		return err
	}
	if err := source.Restore(ctx, server.URL(pristine)); err != nil {
		return err
	}
	if err := seal(ctx, server, pristine); err != nil {
		return err
	}
	if err := create(ctx, server, migrated, pristine); err != nil {
		return err
	}
	if err := migrate(ctx, server.Config(migrated)); err != nil {
		return err
	}
	if err := grant(ctx, server, migrated); err != nil {
		return err
	}
	return seal(ctx, server, migrated)
}

func migrate(ctx context.Context, config *pgx.ConnConfig) (err error) {
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	return migrations.Apply(ctx, db)
}

// grant creates the server's role, and gives it its privileges in a database.
func grant(ctx context.Context, server *localpg.Server, name string) error {
	conn, err := server.Connect(ctx, name)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, roles.SQL); err != nil {
		return fmt.Errorf("grant the server's role its privileges: %w", err)
	}
	return nil
}

// seal makes a database a template and forbids connections to it, because PostgreSQL refuses to copy a
// database that is in use.
func seal(ctx context.Context, server *localpg.Server, name string) error {
	return exec(ctx, server, "ALTER DATABASE "+name+" WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
}

// open turns a template into an ordinary database.
func open(ctx context.Context, server *localpg.Server, name string) error {
	return exec(ctx, server, "ALTER DATABASE "+name+" WITH IS_TEMPLATE false ALLOW_CONNECTIONS true")
}

// create creates a database as a copy of a template.
func create(ctx context.Context, server *localpg.Server, name, template string) error {
	sql := "CREATE DATABASE " + name + " TEMPLATE " + template
	if server.Major() >= 15 {
		// This strategy is nearly twice as fast as the default if nothing is synced. Older versions have no
		// other.
		sql += " STRATEGY = FILE_COPY"
	}
	return exec(ctx, server, sql)
}

// memory is the directory in which Linux keeps files in memory.
const memory = "/dev/shm"

// makeDir creates a directory for a server, in memory if there is enough space.
func makeDir() (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(memory, &stat); err == nil && stat.Bavail*uint64(stat.Bsize) >= memoryNeeded { //nolint:gosec // a block's size is positive
		if dir, err := os.MkdirTemp(memory, dirPrefix); err == nil {
			return dir, nil
		}
	}
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return "", fmt.Errorf("create a directory for the server of the tests: %w", err)
	}
	return dir, nil
}
