package pagila

import (
	"context"
	"io"

	"github.com/jackc/pgx/v5/pgconn"
)

// Load executes a dump, and returns the number of rows in its blocks.
func Load(ctx context.Context, conn *pgconn.PgConn, r io.Reader) (rows int64, err error) {
	err = load(ctx, conn, r, func(_ string, n int64) { rows += n })
	return rows, err
}
