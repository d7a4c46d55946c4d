package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/pagila-api/schema/migrations"
)

// The datasets that Status tells apart.
const (
	DatasetPagila = "pagila" // the real thing
	DatasetSample = "sample" // the built-in stand-in
	DatasetOther  = "other"  // anything else, or nothing
)

// Status says what the database is and how far it has been migrated.
type Status struct {
	Server    string   // "PostgreSQL 15.18"
	Dataset   string   // one of the constants above
	Migration string   // the newest applied version; "" where there is none
	Pending   []string // the versions that are missing, oldest first
}

const serverSQL = `SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)`

// The domain of the first customer's e-mail address tells the datasets apart.
const domainSQL = `SELECT COALESCE((SELECT split_part(email, '@', 2) FROM customer ORDER BY customer_id LIMIT 1), '')`

var datasets = map[string]string{
	"sakilacustomer.org": DatasetPagila,
	"customer.example":   DatasetSample,
}

// Status reads the status. A database without Pagila is DatasetOther and no error.
func (s *Store) Status(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	state, err := migrations.Status(ctx, s.db.DB)
	if err != nil {
		return Status{}, classify(err)
	}
	status := Status{Dataset: DatasetOther, Migration: state.Current, Pending: state.Pending}
	if err := s.db.NewRaw(serverSQL).Scan(ctx, &status.Server); err != nil {
		return Status{}, fmt.Errorf("read the server's version: %w", classify(err))
	}
	var domain string
	err = s.db.NewRaw(domainSQL).Scan(ctx, &domain)
	var undefined *pgconn.PgError
	// undefined_table, undefined_column
	if errors.As(err, &undefined) && (undefined.Code == "42P01" || undefined.Code == "42703") {
		return status, nil
	}
	if err != nil {
		return Status{}, fmt.Errorf("tell the dataset: %w", classify(err))
	}
	if dataset, ok := datasets[domain]; ok {
		status.Dataset = dataset
	}
	return status, nil
}
