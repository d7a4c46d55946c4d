package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"example.com/pagila-api/schema/migrations"
)

// The datasets that Status distinguishes.
const (
	DatasetPagila = "pagila" // Pagila itself
	DatasetSample = "sample" // the built-in sample
	DatasetOther  = "other"  // anything else, or nothing
)

const (
	// statusWait is how long a caller of Status waits, so that a load balancer gets its response within a
	// second.
	statusWait = 900 * time.Millisecond
	// probePatience is how long a check is repeated after lost connections. It leaves time for the response.
	probePatience = 600 * time.Millisecond
	// statusTimeout is how long the check itself may take. If it takes longer than statusWait, for example to
	// connect, a later caller gets the result.
	statusTimeout = 5 * time.Second
	// successCounts is how long a successful call proves that the database responds.
	successCounts = 2 * time.Second
	// datasetTimeout bounds the query that identifies the dataset.
	datasetTimeout = 300 * time.Millisecond
)

// Status describes the database: its server, its dataset, its migrations, and what it lacks.
type Status struct {
	Server    string   // "PostgreSQL 15.18"
	Dataset   string   // one of the constants above
	Migration string   // the newest version that is applied, or ""
	Pending   []string // the versions that are not applied, oldest first
	// Missing lists what the calls need and the database lacks, including pending migrations. Each entry is a
	// sentence without its full stop. The database is ready if the list is empty.
	Missing []string
}

// needs are the columns that the statements of this package read, by table.
var needs = map[string]string{
	"film": "film_id title description release_year language_id rental_duration rental_rate length " +
		"replacement_cost rating special_features fulltext " + streamingColumn,
	"language":      "language_id name",
	"category":      "category_id name",
	"film_category": "film_id category_id",
	"actor":         "actor_id first_name last_name",
	"film_actor":    "film_id actor_id",
	"inventory":     "inventory_id film_id store_id",
	"store":         "store_id address_id",
	"address":       "address_id address address2 district city_id postal_code phone",
	"city":          "city_id city country_id",
	"country":       "country_id country",
	"customer":      "customer_id store_id first_name last_name email address_id active activebool",
	"staff":         "staff_id active",
	"rental":        "rental_id rental_date inventory_id customer_id staff_id return_date",
	"payment":       "payment_id customer_id staff_id rental_id amount payment_date",
	revisionsTable:  "version type applied total",

	"streaming_subscription": "id customer_id plan_name start_date end_date",
}

// inserts and updates are the columns that the statements write, by table.
var (
	inserts = map[string]string{
		"rental":                 "rental_date inventory_id customer_id staff_id",
		"streaming_subscription": "customer_id plan_name start_date end_date",
	}
	updates = map[string]string{
		"film":                   streamingColumn,
		"rental":                 "return_date",
		"streaming_subscription": "end_date",
	}
)

const (
	// streamingColumn is the column that the first of our migrations adds to film.
	streamingColumn = "streaming_available"
	revisionsTable  = "atlas_schema_revisions"
	// noUsage begins the sentence about a schema that the role cannot read.
	noUsage = "the role may not use the schema "
	// noSubscriptions is the sentence about the table that the second of our migrations creates.
	noSubscriptions = "the table streaming_subscription does not exist"
)

// checkSQL returns in one row what the server is, where Pagila is, and what the role lacks there. It reads
// only catalogs, on which nobody holds a lock for long. Locking a row requires the privilege to update any of its
// columns: the statements lock rows of inventory and customer. The query finds a sequence by the column default that
// uses it.
var checkSQL = `
WITH located AS (` + migrations.LocateSQL + `
), place AS (
	SELECT s.oid, s.nspname FROM pg_catalog.pg_namespace s JOIN located USING (nspname)
), needed (name, columns, inserts, updates) AS (VALUES ` + neededRows() + `
), tables AS (
	SELECT needed.*, c.oid FROM needed CROSS JOIN place
	LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = place.oid AND c.relname = needed.name
		AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
), columns AS (
	SELECT tables.name, tables.oid, wanted.name AS wanted, a.attnum,
		wanted.name = ANY (string_to_array(inserts, ' ')) AS inserted,
		wanted.name = ANY (string_to_array(updates, ' ')) AS updated
	FROM tables
	CROSS JOIN LATERAL unnest(string_to_array(tables.columns, ' ')) wanted (name)
	LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = tables.oid AND a.attname = wanted.name AND NOT a.attisdropped
	WHERE tables.oid IS NOT NULL
), missing (what) AS (
	SELECT '` + noUsage + `' || nspname FROM place WHERE NOT has_schema_privilege(oid, 'USAGE')
	UNION ALL
	SELECT 'the table ' || name || ' does not exist' FROM tables WHERE oid IS NULL AND name <> '` + revisionsTable + `'
	UNION ALL
	SELECT 'the table ' || name || ' has no column ' || wanted FROM columns WHERE attnum IS NULL
	UNION ALL
	SELECT DISTINCT 'the role lacks the privilege SELECT on the table ' || name
	FROM columns WHERE attnum IS NOT NULL AND NOT has_column_privilege(oid, attnum, 'SELECT')
	UNION ALL
	SELECT 'the role lacks the privilege UPDATE on the table ' || name
	FROM tables WHERE oid IS NOT NULL AND name IN ('inventory', 'customer') AND NOT has_any_column_privilege(oid, 'UPDATE')
	UNION ALL
	SELECT DISTINCT 'the role lacks the privilege UPDATE on the table ' || name
	FROM columns WHERE updated AND attnum IS NOT NULL AND NOT has_column_privilege(oid, attnum, 'UPDATE')
	UNION ALL
	SELECT DISTINCT 'the role lacks the privilege INSERT on the table ' || name
	FROM columns WHERE inserted AND attnum IS NOT NULL AND NOT has_column_privilege(oid, attnum, 'INSERT')
	UNION ALL
	SELECT 'the role lacks the privilege USAGE on the sequence ' || q.relname
	FROM tables JOIN pg_catalog.pg_attrdef d ON d.adrelid = tables.oid
	JOIN pg_catalog.pg_depend p ON p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid
		AND p.refclassid = 'pg_catalog.pg_class'::regclass
	JOIN pg_catalog.pg_class q ON q.oid = p.refobjid
	WHERE tables.inserts <> '' AND CASE WHEN q.relkind = 'S' THEN NOT has_sequence_privilege(q.oid, 'USAGE, UPDATE') END
)
SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1), pg_is_in_recovery(),
	COALESCE((SELECT nspname FROM place), ''),
	EXISTS (SELECT FROM tables WHERE name = '` + revisionsTable + `' AND oid IS NOT NULL),
	COALESCE((SELECT string_agg(what, E'\n' ORDER BY what) FROM missing), '')`

func neededRows() string {
	var rows []string
	for table, columns := range needs {
		rows = append(rows, "('"+table+"', '"+columns+"', '"+inserts[table]+"', '"+updates[table]+"')")
	}
	return strings.Join(rows, ", ")
}

// Status reads the status over a connection that other calls cannot use. It returns within a second. A
// database without Pagila is not an error: its dataset is DatasetOther.
func (s *Store) Status(ctx context.Context) (Status, error) {
	// Concurrent callers share one check. It does not end when its first caller leaves.
	check := s.status.DoChan("", func() (any, error) { return s.check(context.WithoutCancel(ctx)) })
	timer := time.NewTimer(statusWait)
	defer timer.Stop()
	err := context.DeadlineExceeded
	select {
	case <-ctx.Done():
		return Status{}, ctx.Err()
	case found := <-check:
		if found.Err == nil {
			return found.Val.(Status), nil
		}
		err = found.Err
	case <-timer.C:
	}
	// On a busy machine the check may be late. Calls that succeed meanwhile prove that the database responds.
	last := s.lastStatus.Load()
	if meaningOf(err) == slow && last != nil && time.Since(time.Unix(0, s.lastSuccess.Load())) < successCounts {
		return *last, nil
	}
	if meaningOf(err) == slow {
		err = &UnavailableError{Reason: Away, Err: err}
	}
	return Status{}, fmt.Errorf("read the status: %w", err)
}

// check reads the status and remembers it.
func (s *Store) check(ctx context.Context) (status Status, err error) {
	var schema string
	err = s.call(ctx, s.probe, NoWrite, func(ctx context.Context, c session) error {
		status, schema, err = c.check(ctx)
		return err
	})
	if err != nil {
		return Status{}, err
	}
	status.Dataset = s.datasetIn(ctx, schema)
	s.lastStatus.Store(&status)
	return status, nil
}

func (c session) check(ctx context.Context) (_ Status, schema string, _ error) {
	var (
		status             Status
		standby, revisions bool
		missing            string
	)
	if err := c.catalog(ctx, "database.status", checkSQL, &status.Server, &standby, &schema, &revisions, &missing); err != nil {
		return Status{}, "", fmt.Errorf("look for what is missing: %w", err)
	}
	c.store.forget(schema)
	if standby {
		defer c.drop() // the address may soon lead to the new primary
		status.Missing = append(status.Missing, "the server is a standby, which accepts no writes")
	}
	if schema == "" {
		status.Pending = migrations.Versions()
		status.Missing = append(status.Missing, "the database does not contain Pagila")
		return status, "", nil
	}
	status.Pending = migrations.Versions()
	if revisions && !strings.Contains(missing, revisionsTable) && !strings.Contains(missing, noUsage) {
		state, err := migrations.StatusIn(ctx, c, schema)
		if err != nil {
			return Status{}, "", err
		}
		status.Migration, status.Pending = state.Current, state.Pending
	}
	status.addMissing(missing)
	return status, schema, nil
}

// addMissing adds what checkSQL has found missing, one entry a line, and the pending migrations.
func (s *Status) addMissing(found string) {
	for line := range strings.Lines(found) {
		what := strings.TrimSuffix(line, "\n")
		comes := strings.HasSuffix(what, " "+streamingColumn) || what == noSubscriptions // with a pending migration
		if len(s.Pending) == 0 || !comes {
			s.Missing = append(s.Missing, what)
		}
	}
	for _, version := range s.Pending {
		s.Missing = append(s.Missing, "the migration "+version+" is not applied")
	}
}

// domainSQL reads the domain of the first customer's e-mail address, which distinguishes the datasets. It
// reads the row as JSON, because another dataset may lack the column.
const domainSQL = `SELECT COALESCE((SELECT split_part(to_jsonb(c) ->> 'email', '@', 2)
	FROM (SELECT * FROM {customer} ORDER BY customer_id LIMIT 1) c), '') AS domain`

var datasets = map[string]string{
	"sakilacustomer.org": DatasetPagila,
	"customer.example":   DatasetSample,
}

// datasetIn returns the name of the dataset in the schema. It reads the table only once, because a read can
// fail or take long for reasons that have nothing to do with readiness.
func (s *Store) datasetIn(ctx context.Context, schema string) string {
	if known := s.dataset.Load(); known != nil && known.schema == schema {
		return known.name
	}
	if schema == "" {
		return DatasetOther
	}
	ctx, cancel := context.WithTimeout(ctx, datasetTimeout)
	defer cancel()
	var rows []struct{ Domain string }
	err := s.call(ctx, s.probe, NoWrite, func(ctx context.Context, c session) error {
		return c.query(ctx, "database.dataset", &rows, domainSQL)
	})
	if err != nil {
		return DatasetOther // for now
	}
	name, ok := datasets[rows[0].Domain]
	if !ok {
		name = DatasetOther
	}
	s.dataset.Store(&dataset{schema, name})
	return name
}

// dataset is the name of the dataset in a schema.
type dataset struct{ schema, name string }
