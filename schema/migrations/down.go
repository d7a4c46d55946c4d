package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ariga.io/atlas/sql/migrate"
)

// ErrNotOurs is the error of Down if it would destroy something that the migrations did not add.
var ErrNotOurs = errors.New("nothing was rolled back, because something that the migrations did not add would be lost")

// reversal rolls a version back.
type reversal struct {
	table string // the table that changes
	// statement has no CASCADE, so PostgreSQL refuses to drop what other objects depend on.
	statement string
	// dependents is a query for objects that the migration did not add, but that depend on what it added.
	// PostgreSQL would drop most of them silently: indexes, constraints, triggers, columns and so on. The
	// query also returns views and other tables' foreign keys.
	dependents string
}

// reversals has the reversal of each version. A column's default belongs to the column, so it does
// not count as a dependent.
var reversals = map[string]reversal{
	"20261122183350": {
		table:     "film",
		statement: `ALTER TABLE film DROP COLUMN IF EXISTS streaming_available`,
		dependents: `
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_depend d
    ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
 WHERE a.attrelid = to_regclass('film') AND a.attname = 'streaming_available'
   AND d.classid <> 'pg_catalog.pg_attrdef'::regclass
 ORDER BY 1`,
	},
	"20261122183351": {
		table:     "streaming_subscription",
		statement: `DROP TABLE streaming_subscription`,
		dependents: `
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
  LEFT JOIN pg_catalog.pg_constraint k
    ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid AND k.conrelid = d.refobjid
  LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid
 WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = to_regclass('streaming_subscription')
   AND d.deptype <> 'i' -- such as its row type
   AND d.classid <> 'pg_catalog.pg_attrdef'::regclass
   AND t.tgisinternal IS NOT TRUE
   AND (c.relname IS NULL
        OR c.relname NOT IN ('streaming_subscription_id_seq', 'idx_fk_streaming_subscription_customer_id'))
   AND (k.conname IS NULL OR k.contype <> 'n' -- NOT NULL is a constraint from PostgreSQL 18 on
        AND k.conname NOT IN ('streaming_subscription_pkey', 'streaming_subscription_customer_id_fkey', 'streaming_subscription_dates'))
UNION
SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, attrelid, attnum)
  FROM pg_catalog.pg_attribute
 WHERE attrelid = to_regclass('streaming_subscription') AND attnum > 0 AND NOT attisdropped
   AND attname NOT IN ('id', 'customer_id', 'plan_name', 'start_date', 'end_date')
 ORDER BY 1`,
	},
}

// Down rolls the migrations back in one transaction. It drops what they added, including the data, and the
// revisions table. The database then equals Pagila as restored, and Apply applies the migrations again. Down
// returns the names of the files that it has rolled back, newest first. If no migration was applied, there
// are none.
//
// The error is ErrNotOurs if something that the migrations did not add would be lost. Otherwise it is as for
// Apply.
func Down(ctx context.Context, db *sql.DB) (files []string, err error) {
	err = connected(ctx, db, func(s *session) error {
		return s.transaction(ctx, func(q querier) (err error) {
			files, err = down(ctx, q)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

func down(ctx context.Context, q querier) ([]string, error) {
	r, err := lock(ctx, q)
	if err != nil {
		return nil, err
	}
	if there, err := q.hasRelation(ctx, r.table); !there || err != nil {
		return nil, err
	}
	versions, err := appliedVersions(ctx, r)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, version := range slices.Backward(versions) {
		if err := reversals[version].run(ctx, q); err != nil {
			return nil, fmt.Errorf("roll %s back: %w", FileName(version), explain(err, r.table))
		}
		files = append(files, FileName(version))
	}
	if _, err := q.ExecContext(ctx, `DROP TABLE `+r.table); err != nil {
		return nil, fmt.Errorf("drop the revisions table: %w", explain(err, r.table))
	}
	return files, nil
}

// appliedVersions returns those of our versions that are applied, oldest first. It refuses a history that
// contains other versions.
func appliedVersions(ctx context.Context, r revisions) ([]string, error) {
	all, err := r.ReadRevisions(ctx)
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, rev := range all {
		switch {
		case rev.Version == Baseline:
		case reversals[rev.Version].statement == "":
			return nil, fmt.Errorf("%w: version %s was applied by another program, or by a newer release of this one", ErrNotOurs, rev.Version)
		case rev.Applied != rev.Total:
			return nil, fmt.Errorf("%s is only partly applied: apply the rest, then roll it back", FileName(rev.Version))
		case rev.Type == migrate.RevisionTypeBaseline:
			return nil, fmt.Errorf("%w: %s was declared a baseline, so the existing objects may be older than the migrations", ErrNotOurs, FileName(rev.Version))
		default:
			versions = append(versions, rev.Version)
		}
	}
	return versions, nil
}

// run rolls the version back, unless there are dependents. It locks the table first, so that none can be
// added meanwhile.
func (v reversal) run(ctx context.Context, q querier) error {
	if there, err := q.hasRelation(ctx, v.table); !there || err != nil {
		return err
	}
	if _, err := q.ExecContext(ctx, `LOCK TABLE `+v.table+` IN ACCESS EXCLUSIVE MODE`); err != nil {
		return fmt.Errorf("lock the table: %w", err)
	}
	dependents, err := column[string](ctx, q, v.dependents)
	if err != nil {
		return fmt.Errorf("look for what would be lost: %w", err)
	}
	if len(dependents) > 0 {
		return fmt.Errorf("%w:\n  %s", ErrNotOurs, strings.Join(dependents, "\n  "))
	}
	_, err = q.ExecContext(ctx, v.statement)
	return err
}
