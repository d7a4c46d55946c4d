package migrations_test

import (
	"strings"
	"testing"

	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/store/pgtest"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		statement string // changes a migrated database
		current   string
		pending   []string
	}{
		"up to date": {
			statement: `SELECT`,
			current:   createStreamingSubscription,
		},
		"one is missing": {
			statement: `DELETE FROM atlas_schema_revisions WHERE version = '` + createStreamingSubscription + `'`,
			current:   addFilmStreamingAvailable,
			pending:   []string{createStreamingSubscription},
		},
		"one stopped halfway": {
			statement: `UPDATE atlas_schema_revisions SET applied = 1 WHERE version = '` + createStreamingSubscription + `'`,
			current:   addFilmStreamingAvailable,
			pending:   []string{createStreamingSubscription},
		},
		"the baseline alone": {
			statement: `DELETE FROM atlas_schema_revisions WHERE version <> '` + migrations.Baseline + `'`,
			current:   migrations.Baseline,
			pending:   []string{addFilmStreamingAvailable, createStreamingSubscription},
		},
		"an empty table": {
			statement: `DELETE FROM atlas_schema_revisions`,
			pending:   []string{addFilmStreamingAvailable, createStreamingSubscription},
		},
		"no table": {
			statement: `DROP TABLE atlas_schema_revisions`,
			pending:   []string{addFilmStreamingAvailable, createStreamingSubscription},
		},
		"a newer release was here": {
			statement: `INSERT INTO atlas_schema_revisions (version, description, executed_at, execution_time, hash, operator_version)
			            VALUES ('` + extraVersion + `', '', now(), 0, '', '')`,
			current: extraVersion,
		},
		"nothing but the mark of Atlas Cloud": {
			statement: `WITH mark AS (DELETE FROM atlas_schema_revisions WHERE version <> '` + migrations.Baseline + `')
			            UPDATE atlas_schema_revisions SET version = '.atlas_cloud_identifier' WHERE version = '` + migrations.Baseline + `'`,
			pending: []string{addFilmStreamingAvailable, createStreamingSubscription},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, db := setup(t, pgtest.New(t))
			wantStatus(ctx, t, db, createStreamingSubscription) // pgx also keeps the statement
			pgtest.Exec(t, db.ExecContext, test.statement)
			wantStatus(ctx, t, db, test.current, test.pending...)
		})
	}
}

func TestStatusWithoutADatabase(t *testing.T) {
	t.Parallel()
	ctx, db := setup(t, "postgres:///?host="+t.TempDir())
	state, err := migrations.Status(ctx, db)
	if err == nil || !strings.HasPrefix(err.Error(), "read the migration status: ") {
		t.Errorf("%+v, error %v, want one", state, err)
	}
}
