// Package store reads and writes Pagila.
//
// It speaks to PostgreSQL through bun, over pgx. bun writes arguments into the text of a query,
// so the server plans each text anew, which is most of what a small query costs. Reads on the hot
// path therefore pass their arguments apart, as $1, and let pgx keep the plan; everything else
// goes through bun's builders.
//
// Money is decimal throughout. Errors that a caller can act on are the types and values of
// errors.go; any other error is a fault.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

const (
	// defaultMaxConns leaves most of PostgreSQL's usual 100 connections to other instances.
	defaultMaxConns = 16
	// connectTimeout bounds one attempt to connect, so that a request does not wait for a host
	// that drops packets.
	connectTimeout = 5 * time.Second
	// defaultTimeout is far beyond what a call takes, which is milliseconds.
	defaultTimeout = 10 * time.Second
	// maxIdleTime returns connections to PostgreSQL after a burst.
	maxIdleTime = 5 * time.Minute
)

// Store is the database. It is safe for concurrent use; a process needs one.
type Store struct {
	db      *bun.DB
	timeout time.Duration
}

// Options are the limits of a Store. The zero value of each is its default.
type Options struct {
	MaxConns int           // the most connections at once; 16
	Timeout  time.Duration // how long a call may take, waiting for a connection included; 10 s
}

// Open prepares a pool of connections to the database at url (a postgres:// URL or a libpq
// keyword string). It does not connect: the first query does.
func Open(url string, o Options) (*Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	// bun's texts hardly ever repeat: to prepare them would fill each connection with plans.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "pagila-api"
	}
	o.MaxConns, o.Timeout = cmp.Or(o.MaxConns, defaultMaxConns), cmp.Or(o.Timeout, defaultTimeout)
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(o.MaxConns)
	pool.SetMaxIdleConns(o.MaxConns)
	pool.SetConnMaxIdleTime(maxIdleTime)
	return &Store{db: bun.NewDB(pool, pgdialect.New()), timeout: o.Timeout}, nil
}

// DB is the pool itself, for the migrations.
func (s *Store) DB() *sql.DB { return s.db.DB }

// Close closes the pool. Queries under way fail.
func (s *Store) Close() error { return s.db.Close() }

// read runs one of the package's constant queries with its plan kept by pgx, and scans the rows
// into dest, a pointer to a slice.
func (s *Store) read(ctx context.Context, dest any, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.db.DB.QueryContext(ctx, query, append([]any{pgx.QueryExecModeCacheStatement}, args...)...)
	if err != nil {
		return classify(err)
	}
	defer rows.Close()
	if err := s.db.ScanRows(ctx, rows, dest); err != nil {
		return classify(err)
	}
	return classify(rows.Err())
}
