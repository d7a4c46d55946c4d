package localpg

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
)

// IsLibpq reports whether an environment variable is one of libpq's, such as PGHOST, PGSERVICE or PGOPTIONS.
// They describe the user's own database. The PostgreSQL server reads some of them too.
func IsLibpq(name string) bool {
	return len(name) > 2 && strings.HasPrefix(name, "PG") && name[2] >= 'A' && name[2] <= 'Z'
}

// WithoutLibpq returns environ without libpq's variables.
func WithoutLibpq(environ []string) []string {
	kept := make([]string, 0, len(environ))
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); !IsLibpq(name) {
			kept = append(kept, entry)
		}
	}
	return kept
}

// UnsetLibpq removes libpq's variables from the environment of this process. A program that uses only
// databases of this package calls it when it starts, because no URL overrides PGSERVICE.
func UnsetLibpq() {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); IsLibpq(name) {
			_ = os.Unsetenv(name) // fails for malformed names only
		}
	}
}

// template is a configuration without the user's settings: neither libpq's variables nor ~/.pgpass. pgx
// always reads the environment when it parses a configuration, so this one is parsed before anything else
// runs.
var template = func() *pgx.ConnConfig {
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); IsLibpq(name) {
			_ = os.Unsetenv(name) // fails for malformed names only
			defer os.Setenv(name, value)
		}
	}
	config, err := pgx.ParseConfig("host=/ user=" + superuser + " sslmode=disable passfile=/dev/null connect_timeout=5")
	if err != nil {
		panic(err) // a constant
	}
	return config
}()

// Config returns how to connect to a database, whatever libpq's variables say. The role is the superuser
// postgres.
func (s *Server) Config(database string) *pgx.ConnConfig {
	config := template.Copy()
	config.Host, config.Port, config.Database = s.socketDir, port, database
	return config
}

// Connect connects to a database, whatever libpq's variables say.
func (s *Server) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, s.Config(database))
	if err != nil {
		return nil, fmt.Errorf("connect to the private PostgreSQL: %w", err)
	}
	return conn, nil
}
