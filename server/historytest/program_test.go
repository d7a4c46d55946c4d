package historytest

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"example.com/pagila-api/server/internal/testprogram"
	"example.com/pagila-api/store/pgtest"
)

// program is a running server.
type program struct {
	*testprogram.Program
	name   string        // its application_name in the database
	goneAt time.Duration // when the database had ended the last session of a killed server
}

// startProgram starts the server and waits until it is ready.
func startProgram(t *testing.T, binary, databaseURL, name string) *program {
	t.Helper()
	cmd := testprogram.Command(t, binary,
		"DATABASE_URL="+pgtest.WithParameters(t, databaseURL, "application_name="+name), "LOG_LEVEL=error", "CHECK_RESPONSES=true")
	return &program{Program: testprogram.Start(t, cmd), name: name}
}

// stop ends the server in order. It fails if a response did not follow the contract.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.Stop(); err != nil {
		t.Errorf("the server %s ended with %v: %s", p.name, err, p.Stderr)
	}
}

// waitGone waits until the database has ended the sessions of a server that has ended. Until then, a transaction
// that the server has asked to commit may still commit.
func (p *program) waitGone(t *testing.T, db *sql.DB) {
	t.Helper()
	pgtest.WaitUntil(t, db.QueryRowContext, fmt.Sprintf(`SELECT NOT EXISTS (
		SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = '%s')`, p.name))
}
