package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// roleSettings are settings that an administrator may change for the program's role. They apply to new
// connections. Settings that prevent writes are not among them.
var roleSettings = []string{
	"default_transaction_isolation = 'repeatable read'",
	"default_transaction_isolation = 'serializable'",
	"default_transaction_deferrable = on",
	"datestyle = 'SQL, DMY'",
	"datestyle = 'German'",
	"intervalstyle = 'sql_standard'",
	"timezone = 'Pacific/Kiritimati'",
	"timezone = 'America/St_Johns'",
	"search_path = nowhere",
	"search_path = pg_catalog",
	"client_encoding = 'LATIN1'",
	"standard_conforming_strings = off",
	"bytea_output = 'escape'",
	"extra_float_digits = -10",
	"row_security = off",
	"transform_null_equals = on",
	"plan_cache_mode = force_generic_plan",
	"enable_indexscan = off",
	"work_mem = '64kB'",
	"statement_timeout = '250ms'",
	"lock_timeout = '50ms'",
	"idle_in_transaction_session_timeout = '250ms'",
	"idle_session_timeout = '250ms'",
}

// startFaults starts all faults until ctx is done.
func (c *chaos) startFaults(ctx context.Context, wg *sync.WaitGroup) {
	fault := func(name string, pace time.Duration, do func() error) {
		c.ledger.expectFault(name)
		wg.Go(func() { every(ctx, pace, func() { c.fault(ctx, name, do) }) })
	}
	contested := c.copies[chaosRenters*chaosOwn:]
	fault("lock contested copies", 100*time.Millisecond, func() error { return c.lock(ctx, "inventory", contested[:2]...) })
	fault("lock free copies", 100*time.Millisecond, func() error { return c.lock(ctx, "inventory", c.copies[:3]...) })
	fault("lock a customer", 100*time.Millisecond, func() error { return c.lock(ctx, "customer", c.customers[chaosOwn]) })
	fault("terminate a backend", 300*time.Millisecond, func() error { return c.signal("pg_terminate_backend") })
	fault("cancel a statement", 150*time.Millisecond, func() error { return c.signal("pg_cancel_backend") })
	for i, proxy := range c.proxies {
		fault(fmt.Sprintf("reset a connection at proxy %d", i+1), 300*time.Millisecond, func() error {
			if !proxy.ResetOne() {
				return errNoFault
			}
			return nil
		})
	}
	fault("change the role", 250*time.Millisecond, c.changeRole)
	fault("change film's type", 700*time.Millisecond, c.statements(
		"ALTER TABLE film ALTER rental_duration TYPE integer", "ALTER TABLE film ALTER rental_duration TYPE smallint"))
	fault("change an index", 300*time.Millisecond, c.statements(
		"CREATE INDEX chaos ON rental (last_update)", "DROP INDEX chaos"))
}

// errNoFault means that there was no target for a fault.
var errNoFault = errors.New("there is no target for this fault")

// fault causes a fault once, and records whether it happened.
func (c *chaos) fault(ctx context.Context, name string, do func() error) {
	err := do()
	var server *pgconn.PgError
	switch {
	case err == nil:
		c.ledger.faultDone(name)
	case ctx.Err() != nil, errors.Is(err, errNoFault):
	case errors.As(err, &server) && server.Code == "55P03": // the program's own statements held the lock
	default:
		c.t.Errorf("%s: %v", name, err)
	}
}

// lock locks rows of a table for one to three seconds, like a session that was left open.
func (c *chaos) lock(ctx context.Context, table string, ids ...int32) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("SELECT FROM %s WHERE %[1]s_id = ANY ($1) FOR UPDATE", table), ids); err != nil {
		return err
	}
	timer := time.NewTimer(time.Second + rand.N(2*time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

// signal signals a backend of the program. Half of the time it prefers one that is not idle.
func (c *chaos) signal(function string) error {
	order := "random()"
	if rand.IntN(2) == 0 {
		order = "state <> 'idle' DESC, random()"
	}
	result, err := c.db.ExecContext(context.Background(), fmt.Sprintf(
		"SELECT %s(pid) FROM (SELECT pid FROM pg_stat_activity WHERE usename = $1 ORDER BY %s LIMIT 1) AS one", function, order), c.role)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err == nil && n == 0 {
		return errNoFault
	}
	return nil
}

// changeRole changes one more setting, and sometimes resets all.
func (c *chaos) changeRole() error {
	change := "SET " + roleSettings[rand.IntN(len(roleSettings))]
	if rand.IntN(8) == 0 {
		change = "RESET ALL"
	}
	_, err := c.db.ExecContext(context.Background(), "ALTER ROLE "+c.role+" "+change)
	return err
}

// statements executes the statements in turn, one per call. It waits only briefly for a lock, like an
// administrator during opening hours.
func (c *chaos) statements(all ...string) func() error {
	next := 0
	return func() error {
		conn, err := c.db.Conn(context.Background())
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.ExecContext(context.Background(), "SET lock_timeout = '300ms'"); err != nil {
			return err
		}
		defer conn.ExecContext(context.Background(), "RESET lock_timeout")
		if _, err := conn.ExecContext(context.Background(), all[next%len(all)]); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(all[next%len(all)]), err)
		}
		next++
		return nil
	}
}
