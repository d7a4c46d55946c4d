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
)

// The templates on each server.
const (
	pristine = "pristine" // Pagila as it was restored
	migrated = "pagila"   // with our migrations
)

const (
	// folderPrefix begins the names of the servers' folders.
	folderPrefix = "pagila-api-test-"
	// memoryNeeded is the space in memory that a server may want, in bytes: 150 MB with the
	// templates, and 17 MB for each test at work.
	memoryNeeded = 400 << 20
)

// start starts a server in a new folder and makes the templates.
func start(ctx context.Context) (*localpg.Server, error) { return startOn(ctx, "") }

// startOn is start with the programs of binDir.
func startOn(ctx context.Context, binDir string) (*localpg.Server, error) {
	for _, place := range []string{memory, os.TempDir()} {
		if err := localpg.RemoveStale(ctx, filepath.Join(place, folderPrefix+"*")); err != nil {
			return nil, err
		}
	}
	dir, err := makeFolder()
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
	return seal(ctx, server, migrated)
}

func migrate(ctx context.Context, config *pgx.ConnConfig) (err error) {
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	return migrations.Apply(ctx, db)
}

// seal makes a database a template. Nobody may connect to it: a copy of a database that somebody
// uses is refused.
func seal(ctx context.Context, server *localpg.Server, name string) error {
	return exec(ctx, server, "ALTER DATABASE "+name+" WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
}

// open makes a template a database again.
func open(ctx context.Context, server *localpg.Server, name string) error {
	return exec(ctx, server, "ALTER DATABASE "+name+" WITH IS_TEMPLATE false ALLOW_CONNECTIONS true")
}

// create makes a database as a copy of a template.
func create(ctx context.Context, server *localpg.Server, name, template string) error {
	sql := "CREATE DATABASE " + name + " TEMPLATE " + template
	if server.Major() >= 15 {
		// Nearly twice as fast as the default where nothing is synced. Before 15 it is the only way.
		sql += " STRATEGY = FILE_COPY"
	}
	return exec(ctx, server, sql)
}

// memory is where Linux keeps files in memory.
const memory = "/dev/shm"

// makeFolder makes a folder for a server, in memory if there is room.
func makeFolder() (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(memory, &stat); err == nil && stat.Bavail*uint64(stat.Bsize) >= memoryNeeded { //nolint:gosec // a block's size is positive
		if dir, err := os.MkdirTemp(memory, folderPrefix); err == nil {
			return dir, nil
		}
	}
	dir, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return "", fmt.Errorf("make a folder for the server of the tests: %w", err)
	}
	return dir, nil
}
