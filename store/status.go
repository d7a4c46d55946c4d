package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/pagila-api/schema/migrations"
)

// The datasets that Status tells apart.
const (
	DatasetPagila = "pagila" // the real thing
	DatasetSample = "sample" // the built-in stand-in
	DatasetOther  = "other"  // anything else, or nothing
)

// statusTimeout bounds Status, so that a load balancer has its answer within a second.
const statusTimeout = 900 * time.Millisecond

// successCounts is for how long a call that has succeeded shows that the database answers.
const successCounts = 2 * time.Second

// Status says what the database is and how far it has been migrated.
type Status struct {
	Server    string   // "PostgreSQL 15.18"
	Dataset   string   // one of the constants above
	Migration string   // the newest applied version; "" where there is none
	Pending   []string // the versions that are missing, oldest first
	// Missing is what the calls need and do not find, pending migrations among it: each a
	// sentence without its full stop. The database is ready where there is nothing.
	Missing []string
}

const serverSQL = `SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1) AS server, pg_is_in_recovery() AS standby`

// domainSQL reads the row as JSON, since another dataset may not have the column. The domain of the
// first customer's e-mail address tells the datasets apart.
const domainSQL = `SELECT COALESCE((SELECT split_part(to_jsonb(c) ->> 'email', '@', 2)
	FROM (SELECT * FROM {customer} ORDER BY customer_id LIMIT 1) c), '') AS domain`

// streamingSQL tells whether the first of our migrations is in the database, whatever the account of
// the migrations says.
const streamingSQL = `
SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
	JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
	WHERE s.nspname = $1::text AND c.relname = 'film' AND a.attname = 'streaming_available' AND NOT a.attisdropped)`

var datasets = map[string]string{
	"sakilacustomer.org": DatasetPagila,
	"customer.example":   DatasetSample,
}

// missingSQL is what the role lacks of what the calls need, in the order of this list. To lock a row
// takes the privilege to update one of its columns. A sequence is found by the default that uses it.
const missingSQL = `
WITH needed (place, name, privilege) AS (VALUES
	(1, 'film', 'SELECT'), (2, 'language', 'SELECT'), (3, 'category', 'SELECT'), (4, 'film_category', 'SELECT'),
	(5, 'actor', 'SELECT'), (6, 'film_actor', 'SELECT'), (7, 'inventory', 'SELECT'), (8, 'inventory', 'UPDATE'),
	(9, 'customer', 'SELECT'), (10, 'customer', 'UPDATE'), (11, 'staff', 'SELECT'), (12, 'rental', 'SELECT'),
	(13, 'rental', 'INSERT'), (14, 'atlas_schema_revisions', 'SELECT')
), found AS (
	SELECT needed.*, c.oid, s.nspname, has_schema_privilege(s.oid, 'USAGE') AS usable
	FROM needed CROSS JOIN pg_catalog.pg_namespace s
	LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relname = needed.name AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
	WHERE s.nspname = $1::text
)
SELECT what FROM (
	SELECT DISTINCT 0 AS place, 'the role may not use the schema ' || nspname AS what FROM found WHERE NOT usable
	UNION ALL
	SELECT place, 'the table ' || name || ' does not exist' FROM found WHERE oid IS NULL AND name <> 'atlas_schema_revisions'
	UNION ALL
	SELECT place, 'the role lacks the privilege ' || privilege || ' on the table ' || name
	FROM found WHERE oid IS NOT NULL AND NOT has_any_column_privilege(oid, privilege)
	UNION ALL
	SELECT 15, 'the role lacks the privilege USAGE on the sequence ' || q.relname
	FROM found JOIN pg_catalog.pg_attrdef d ON d.adrelid = found.oid
	JOIN pg_catalog.pg_depend p ON p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid
		AND p.refclassid = 'pg_catalog.pg_class'::regclass
	JOIN pg_catalog.pg_class q ON q.oid = p.refobjid
	WHERE found.privilege = 'INSERT' AND CASE WHEN q.relkind = 'S' THEN NOT has_sequence_privilege(q.oid, 'USAGE, UPDATE') END
) missing ORDER BY place`

// Status reads the status, over a connection that no other call can take. It answers within a
// second, be it by an error. A database without Pagila is DatasetOther and no error.
func (s *Store) Status(ctx context.Context) (Status, error) {
	// Many may ask at once: all get the answer that is on its way. It does not end with the first.
	shared := s.status.DoChan("", func() (any, error) { return s.readStatus(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return Status{}, ctx.Err()
	case answer := <-shared:
		if answer.Err != nil {
			return Status{}, fmt.Errorf("read the status: %w", answer.Err)
		}
		status := answer.Val.(Status)
		status.Pending, status.Missing = slices.Clone(status.Pending), slices.Clone(status.Missing)
		return status, nil
	}
}

func (s *Store) readStatus(ctx context.Context) (status Status, err error) {
	err = s.call(ctx, s.probe, NoWrite, func(ctx context.Context, c session) error {
		status, err = c.status(ctx)
		return err
	})
	if err == nil {
		s.lastStatus.Store(&status)
		return status, nil
	}
	// A machine under load may not get to it in time. Calls that succeed meanwhile say as much.
	last := s.lastStatus.Load()
	if meaningOf(err) == slow && last != nil && time.Since(time.Unix(0, s.lastSuccess.Load())) < successCounts {
		return *last, nil
	}
	return Status{}, err
}

func (c session) status(ctx context.Context) (Status, error) {
	status := Status{Dataset: DatasetOther}
	var standby bool
	if err := c.QueryRowContext(ctx, serverSQL).Scan(&status.Server, &standby); err != nil {
		return Status{}, fmt.Errorf("read the server's version: %w", err)
	}
	if standby {
		defer c.drop() // the address may lead to the new primary soon
		status.Missing = append(status.Missing, "the server is a standby, which takes no writes")
	}
	schema, err := migrations.Locate(ctx, c)
	if errors.Is(err, migrations.ErrNoPagila) {
		status.Pending = migrations.Versions()
		status.Missing = append(status.Missing, "the database has no Pagila in it")
		return status, nil
	}
	if err != nil {
		return Status{}, err
	}
	c.store.forget(schema)
	missing, err := c.missing(ctx, schema)
	if err != nil {
		return Status{}, fmt.Errorf("look for what is missing: %w", err)
	}
	if missing != nil { // what comes next could fail for the want of it
		status.Missing = append(status.Missing, missing...)
		return status, nil
	}
	state, err := migrations.Status(ctx, c)
	if err != nil {
		return Status{}, err
	}
	status.Migration, status.Pending = state.Current, state.Pending
	for _, version := range state.Pending {
		status.Missing = append(status.Missing, "the migration "+version+" is not applied")
	}
	return c.describe(ctx, status, schema)
}

// missing returns what the role cannot get at in the schema.
func (c session) missing(ctx context.Context, schema string) ([]string, error) {
	rows, err := c.QueryContext(ctx, missingSQL, c.mode, schema)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var what string
		if err := rows.Scan(&what); err != nil {
			return nil, err
		}
		all = append(all, what)
	}
	return all, rows.Err()
}

// describe completes a status with what the tables themselves say.
func (c session) describe(ctx context.Context, status Status, schema string) (Status, error) {
	var streaming bool
	if err := c.QueryRowContext(ctx, streamingSQL, c.mode, schema).Scan(&streaming); err != nil {
		return Status{}, fmt.Errorf("look for our column: %w", err)
	}
	if !streaming && len(status.Pending) == 0 {
		status.Missing = append(status.Missing, "the table film has no column streaming_available, though its migration is applied")
	}
	var rows []struct{ Domain string }
	if err := c.query(ctx, &rows, domainSQL); err != nil {
		return Status{}, fmt.Errorf("tell the dataset: %w", err)
	}
	if dataset, ok := datasets[rows[0].Domain]; ok {
		status.Dataset = dataset
	}
	return status, nil
}
