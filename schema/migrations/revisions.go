package migrations

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"ariga.io/atlas/sql/migrate"
	"github.com/jackc/pgx/v5"
)

// cloudIdentifier is the version of a row that the Atlas command adds if it reports to Atlas Cloud. The row
// is not a revision.
const cloudIdentifier = ".atlas_cloud_identifier"

// revisionsTable returns the quoted name of the revisions table in a schema.
func revisionsTable(schema string) string {
	return pgx.Identifier{schema, tableName}.Sanitize()
}

const tableName = "atlas_schema_revisions"

// revisions reads and writes the revisions table for Atlas's executor.
type revisions struct {
	db     querier
	schema string
	table  string // quoted, with the schema
}

var _ migrate.RevisionReadWriter = revisions{}

// create creates the table if it does not exist, exactly as the Atlas command does. On each run, the command
// compares the table with its own definition and alters it if they differ.
func (r revisions) create(ctx context.Context) error {
	// IF NOT EXISTS would require the privilege to create tables even if the table exists.
	if there, err := r.db.hasRelation(ctx, r.table); there || err != nil {
		return err
	}
	_, err := r.db.ExecContext(ctx, `
CREATE TABLE `+r.table+` (
  version          character varying NOT NULL PRIMARY KEY,
  description      character varying NOT NULL,
  type             bigint NOT NULL DEFAULT 2,
  applied          bigint NOT NULL DEFAULT 0,
  total            bigint NOT NULL DEFAULT 0,
  executed_at      timestamp with time zone NOT NULL,
  execution_time   bigint NOT NULL,
  error            text,
  error_stmt       text,
  hash             character varying NOT NULL,
  partial_hashes   jsonb,
  operator_version character varying NOT NULL
)`)
	if err != nil {
		return fmt.Errorf("create the revisions table: %w", err)
	}
	return nil
}

// writeBaseline records the baseline, as the Atlas command does.
func (r revisions) writeBaseline(ctx context.Context, file migrate.File) error {
	return r.WriteRevision(ctx, &migrate.Revision{
		Version:         file.Version(),
		Description:     file.Desc(),
		Type:            migrate.RevisionTypeBaseline,
		ExecutedAt:      time.Now(),
		OperatorVersion: operator,
	})
}

// Ident returns the name of the table.
func (r revisions) Ident() *migrate.TableIdent {
	return &migrate.TableIdent{Name: tableName, Schema: r.schema}
}

// ReadRevisions returns all revisions, oldest first.
func (r revisions) ReadRevisions(ctx context.Context) (all []*migrate.Revision, err error) {
	// The executor relies on the byte order, whatever the database's collation is.
	rows, err := r.db.QueryContext(ctx, `
SELECT version, description, type, applied, total, executed_at, execution_time,
       coalesce(error, ''), coalesce(error_stmt, ''), hash,
       coalesce(partial_hashes, 'null')::text, operator_version
  FROM `+r.table+`
 WHERE version <> $1
 ORDER BY version COLLATE "C"`, cloudIdentifier)
	if err != nil {
		return nil, fmt.Errorf("read the revisions table: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var (
			rev    migrate.Revision
			hashes []byte
		)
		if err := rows.Scan(&rev.Version, &rev.Description, &rev.Type, &rev.Applied, &rev.Total,
			&rev.ExecutedAt, &rev.ExecutionTime, &rev.Error, &rev.ErrorStmt, &rev.Hash,
			&hashes, &rev.OperatorVersion); err != nil {
			return nil, fmt.Errorf("read a revision: %w", err)
		}
		if err := json.Unmarshal(hashes, &rev.PartialHashes); err != nil {
			return nil, fmt.Errorf("read the partial hashes of revision %s: %w", rev.Version, err)
		}
		all = append(all, &rev)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the revisions table: %w", err)
	}
	return all, nil
}

// ReadRevision returns the revision of a version, or migrate.ErrRevisionNotExist.
func (r revisions) ReadRevision(ctx context.Context, version string) (*migrate.Revision, error) {
	all, err := r.ReadRevisions(ctx) // there are only a few
	if err != nil {
		return nil, err
	}
	for _, rev := range all {
		if rev.Version == version {
			return rev, nil
		}
	}
	return nil, migrate.ErrRevisionNotExist
}

// WriteRevision inserts or updates a revision. Like the Atlas command, it does not update the description and
// the start time.
func (r revisions) WriteRevision(ctx context.Context, rev *migrate.Revision) error {
	hashes, err := json.Marshal(rev.PartialHashes)
	if err != nil {
		return fmt.Errorf("encode the partial hashes of revision %s: %w", rev.Version, err)
	}
	_, err = r.db.ExecContext(ctx, `
INSERT INTO `+r.table+`
       (version, description, type, applied, total, executed_at, execution_time,
        error, error_stmt, hash, partial_hashes, operator_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12)
    ON CONFLICT (version) DO UPDATE
   SET type = excluded.type, applied = excluded.applied, total = excluded.total,
       execution_time = excluded.execution_time, error = excluded.error,
       error_stmt = excluded.error_stmt, hash = excluded.hash,
       partial_hashes = excluded.partial_hashes, operator_version = excluded.operator_version`,
		rev.Version, rev.Description, uint(rev.Type), rev.Applied, rev.Total,
		rev.ExecutedAt, rev.ExecutionTime.Nanoseconds(),
		rev.Error, rev.ErrorStmt, rev.Hash, string(hashes), rev.OperatorVersion)
	if err != nil {
		return fmt.Errorf("write revision %s: %w", rev.Version, err)
	}
	return nil
}

// DeleteRevision deletes the revision of a version.
func (r revisions) DeleteRevision(ctx context.Context, version string) error {
	if _, err := r.db.ExecContext(ctx, `DELETE FROM `+r.table+` WHERE version = $1`, version); err != nil {
		return fmt.Errorf("delete revision %s: %w", version, err)
	}
	return nil
}
