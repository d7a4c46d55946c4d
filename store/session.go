package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// The code depends on few settings of a session: it names the schema of each table, reads times as
// numbers, and passes values apart from the text. The settings that it does depend on are made here.

// required are the settings that hold on every connection, whatever the role, the database or the
// URL says. A pooler in transaction mode keeps track of both.
var required = map[string]string{
	"client_encoding":             "UTF8", // Go's strings
	"standard_conforming_strings": "on",   // bun and pgx quote for it
}

// usual are settings that the URL may choose itself. PgBouncer keeps track of these too.
var usual = map[string]string{
	"application_name": "pagila-api",
	"datestyle":        "ISO",
	"timezone":         "UTC",
}

// direct are settings that a pooler refuses, since it could not keep them to one client. Behind a
// pooler each call sets its own, in a transaction (see write.go). They bound what a statement may
// wait for, where a role has no bound or one that is far too short, and let it see what was
// committed before it began.
var direct = map[string]string{
	marker:                                "on",
	"default_transaction_isolation":       "read committed",
	"idle_in_transaction_session_timeout": "15s",
	"lock_timeout":                        "200ms", // call comes again, without holding a connection in between
	"statement_timeout":                   "15s",
}

// marker is a setting of our own. A session that does not have it after it was asked for is another
// one than we connected to: a pooler may be told to ignore settings that it does not track.
const marker = "pagila_api.direct"

const (
	// pingAfter is for how long a connection may be idle and still be used without a ping.
	pingAfter = time.Second
	// pingTimeout bounds a ping. A healthy server answers in milliseconds; a connection that a
	// firewall has dropped never does.
	pingTimeout = time.Second
	// replaceInterval keeps a database that refuses every write from having all connections
	// replaced for each of them.
	replaceInterval = time.Second
)

// sessions makes the connections of a Store, and knows which of them are still good. It is one for
// all pools to the same database.
type sessions struct {
	connector driver.Connector
	// hot is how statements of this package are executed. It is what the URL says, or else with a
	// plan that the session keeps.
	hot atomic.Int32
	// pooled says that what answers is a pooler: it has refused or ignored the direct settings.
	pooled atomic.Bool
	// lossAt is when a connection was last found dead. Connections that were last used before are
	// pinged before they are used again.
	lossAt atomic.Int64
	// replaceAt is the moment before which connections have to have been made to be replaced.
	replaceAt atomic.Int64
}

// connectedAt is the key of a connection's time of making in pgx's own map of custom data.
const connectedAt = "connected_at"

// newSessions makes connections as config says.
func newSessions(config *pgx.ConnConfig) *sessions {
	s := &sessions{}
	config.DefaultQueryExecMode = hotMode(config)
	s.hot.Store(int32(config.DefaultQueryExecMode))
	if config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		// bun's texts hardly ever repeat: to prepare them would fill each connection with plans.
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	for name := range config.RuntimeParams { // the server folds the case of names
		if _, ok := required[strings.ToLower(name)]; ok {
			delete(config.RuntimeParams, name)
		}
	}
	maps.Copy(config.RuntimeParams, required)
	addMissing(config.RuntimeParams, usual)
	s.connector = stdlib.GetConnector(*config,
		stdlib.OptionBeforeConnect(s.beforeConnect),
		stdlib.OptionAfterConnect(s.afterConnect),
		stdlib.OptionShouldPing(s.shouldPing),
		stdlib.OptionResetSession(s.resetSession))
	return s
}

// hotMode is how the URL has statements executed. Where it turns off the caches they need, nothing
// is prepared: that is the usual cure for a pooler.
func hotMode(config *pgx.ConnConfig) pgx.QueryExecMode {
	mode := config.DefaultQueryExecMode
	switch {
	case mode == pgx.QueryExecModeCacheStatement && config.StatementCacheCapacity <= 0,
		mode == pgx.QueryExecModeCacheDescribe && config.DescriptionCacheCapacity <= 0:
		return pgx.QueryExecModeExec
	default:
		return mode
	}
}

// mode is how a statement of this package is executed now.
func (s *sessions) mode() pgx.QueryExecMode { return pgx.QueryExecMode(s.hot.Load()) }

// prepareNothing has statements executed without anything being kept in the session, from now on.
func (s *sessions) prepareNothing() { s.hot.Store(int32(keepingNothing(s.mode()))) }

// keepingNothing is the mode that is most like mode and keeps nothing in the session.
func keepingNothing(mode pgx.QueryExecMode) pgx.QueryExecMode {
	if mode == pgx.QueryExecModeSimpleProtocol {
		return mode
	}
	return pgx.QueryExecModeExec
}

// addMissing sets in params what it does not have, under a name in any case.
func addMissing(params, settings map[string]string) {
	have := make(map[string]bool, len(params))
	for name := range params {
		have[strings.ToLower(name)] = true
	}
	for name, value := range settings {
		if !have[name] {
			params[name] = value
		}
	}
}

// Connect makes a connection. It implements driver.Connector.
func (s *sessions) Connect(ctx context.Context) (driver.Conn, error) {
	pooled := s.pooled.Load()
	conn, err := s.connector.Connect(ctx)
	var refused *pgconn.PgError
	// 08P01 is what PgBouncer says to a setting that it does not track.
	if pooled || !errors.As(err, &refused) || refused.Code != "08P01" {
		return conn, err
	}
	s.pooled.Store(true)
	if conn, err = s.connector.Connect(ctx); err != nil {
		s.pooled.Store(false) // the settings were not the reason
	}
	return conn, err
}

// Driver implements driver.Connector.
func (s *sessions) Driver() driver.Driver { return s.connector.Driver() }

func (s *sessions) beforeConnect(_ context.Context, config *pgx.ConnConfig) error {
	if !s.pooled.Load() {
		config.RuntimeParams = maps.Clone(config.RuntimeParams) // pgx shares it between connections
		addMissing(config.RuntimeParams, direct)
	}
	return nil
}

// afterConnectSQL tells whether the session is our own. It then lifts a bound that our sessions have
// had since PostgreSQL 17, where no older one could be asked for it.
const afterConnectSQL = `
SELECT COALESCE(current_setting('` + marker + `', true) = 'on', false), CASE
	WHEN current_setting('` + marker + `', true) = 'on' AND current_setting('server_version_num')::integer >= 170000
	THEN set_config('transaction_timeout', '0', false) END`

func (s *sessions) afterConnect(ctx context.Context, conn *pgx.Conn) error {
	var (
		direct bool
		lifted *string
	)
	if err := conn.QueryRow(ctx, afterConnectSQL).Scan(&direct, &lifted); err != nil {
		_ = conn.Close(ctx) // pgx does not
		return &beginError{err}
	}
	if !direct {
		s.pooled.Store(true)
		s.prepareNothing()
	}
	data := conn.PgConn().CustomData()
	data[connectedAt], data[marker] = time.Now(), direct
	return nil
}

// isDirect tells whether a connection leads to a session of our own, and not to a pooler's.
func isDirect(conn *sql.Conn) bool {
	direct := false
	_ = conn.Raw(func(c any) error { // a connection that is closed is neither
		direct, _ = c.(*stdlib.Conn).Conn().PgConn().CustomData()[marker].(bool)
		return nil
	})
	return direct
}

// shouldPing pings a connection that may be dead. pgx would ping too, but for as long as the caller's
// deadline allows.
func (s *sessions) shouldPing(ctx context.Context, p stdlib.ShouldPingParams) bool {
	lastUse := time.Now().Add(-p.IdleDuration)
	if p.IdleDuration < pingAfter && lastUse.UnixNano() > s.lossAt.Load() || s.outdated(p.Conn) {
		return false
	}
	short, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := p.Conn.PgConn().Ping(short)
	if err == nil {
		return false
	}
	if short.Err() != nil && ctx.Err() == nil {
		s.replace() // what has dropped this one has most likely dropped the others
	}
	_ = p.Conn.Close(short) // it is dead
	return true             // and pgx finds it closed
}

func (s *sessions) resetSession(_ context.Context, conn *pgx.Conn) error {
	if s.outdated(conn) {
		return driver.ErrBadConn
	}
	return nil
}

// outdated tells whether a connection was made before replace was called.
func (s *sessions) outdated(conn *pgx.Conn) bool {
	made, _ := conn.PgConn().CustomData()[connectedAt].(time.Time)
	return made.UnixNano() < s.replaceAt.Load()
}

// replace has every connection there is replaced when it is used next.
func (s *sessions) replace() {
	now, last := time.Now(), s.replaceAt.Load()
	if now.Sub(time.Unix(0, last)) >= replaceInterval {
		s.replaceAt.CompareAndSwap(last, now.UnixNano())
	}
}

// suspect has the connections that are idle now pinged when they are used next.
func (s *sessions) suspect() { s.lossAt.Store(time.Now().UnixNano()) }
