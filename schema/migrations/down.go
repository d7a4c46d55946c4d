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

// ErrNotOurs is the error of Down on a database with something in it that would be lost although it
// is not what the migrations brought.
var ErrNotOurs = errors.New("nothing was taken back, because more would be lost than the migrations brought")

// reversal takes a version back.
type reversal struct {
	table string // the table that changes
	// statement has no CASCADE: PostgreSQL then refuses to drop what others depend on.
	statement string
	// strangers lists what PostgreSQL would drop without a word, because it belongs to what the
	// migration brought, although the migration did not bring it: indexes, constraints, triggers,
	// columns and the like. Views and other tables' foreign keys are listed too.
	strangers string
}

// reversals are by version. A default is a part of its column, so it is no stranger.
var reversals = map[string]reversal{
	"20261122183350": {
		table:     "film",
		statement: `ALTER TABLE film DROP COLUMN IF EXISTS streaming_available`,
		strangers: `
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
		strangers: `
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
  LEFT JOIN pg_catalog.pg_constraint k
    ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid AND k.conrelid = d.refobjid
  LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid
 WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = to_regclass('streaming_subscription')
   AND d.deptype <> 'i' -- its row type and the like
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

// Down takes the migrations back, in one transaction: what they brought, with its data, and the
// revisions table. Pagila is then what it was as restored, and Apply is the way up again. It returns
// the names of the files that it has taken back, newest first: none where none was applied.
//
// The error is ErrNotOurs where something would be lost that the migrations did not bring, and
// otherwise as with Apply.
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
			return nil, fmt.Errorf("take %s back: %w", FileName(version), explain(err, r.table))
		}
		files = append(files, FileName(version))
	}
	if _, err := q.ExecContext(ctx, `DROP TABLE `+r.table); err != nil {
		return nil, fmt.Errorf("drop the revisions table: %w", explain(err, r.table))
	}
	return files, nil
}

// appliedVersions returns the versions of ours that are applied, oldest first. It refuses a history
// that has more in it.
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
			return nil, fmt.Errorf("%s was applied in part: apply it whole, then take it back", FileName(rev.Version))
		case rev.Type == migrate.RevisionTypeBaseline:
			return nil, fmt.Errorf("%w: %s was declared a baseline, so what is there may be older than the migrations", ErrNotOurs, FileName(rev.Version))
		default:
			versions = append(versions, rev.Version)
		}
	}
	return versions, nil
}

// run takes the version back unless there are strangers. It locks the table first, so that none can
// come in between.
func (v reversal) run(ctx context.Context, q querier) error {
	if there, err := q.hasRelation(ctx, v.table); !there || err != nil {
		return err
	}
	if _, err := q.ExecContext(ctx, `LOCK TABLE `+v.table+` IN ACCESS EXCLUSIVE MODE`); err != nil {
		return fmt.Errorf("lock the table: %w", err)
	}
	strangers, err := column[string](ctx, q, v.strangers)
	if err != nil {
		return fmt.Errorf("look for what would be lost: %w", err)
	}
	if len(strangers) > 0 {
		return fmt.Errorf("%w:\n  %s", ErrNotOurs, strings.Join(strangers, "\n  "))
	}
	_, err = q.ExecContext(ctx, v.statement)
	return err
}
