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
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/segmentio/encoding/json"
)

// The package depends on few settings of a session: statements name the schema of each table, read times as
// numbers, and pass values separately from the text. This file sets those that matter.

// required are the settings of every connection, whatever the role, the database or the URL says. A pooler
// in transaction mode tracks both.
var required = map[string]string{
	"client_encoding":             "UTF8", // Go's strings
	"standard_conforming_strings": "on",   // bun and pgx quote strings accordingly
}

// usual are settings that the URL may override. PgBouncer tracks these too.
var usual = map[string]string{
	"application_name": "pagila-api",
	"datestyle":        "ISO",
	"timezone":         "UTC",
}

// direct are settings that a pooler refuses, because it cannot confine them to one client. Behind a pooler,
// each call sets its own in a transaction (see write.go). They bound the waits of a statement where the role
// has no bound, or one that is far too short. They also let a statement see what was committed before it
// began. Without jit, PostgreSQL does not compile the statements that it expects to be slow, in each of their
// processes: at a million films that takes a good part of the time of a statement, and saves little.
var direct = map[string]string{
	marker:                                "on",
	"default_transaction_isolation":       "read committed",
	"idle_in_transaction_session_timeout": "15s",
	"jit":                                 "off",
	"lock_timeout":                        "200ms", // call repeats the statement, and holds no connection in between
	"statement_timeout":                   "15s",
}

// marker is a setting that only this package uses. A session that lacks it although the connection asked for
// it is a pooler's: a pooler can be configured to ignore settings that it does not track.
const marker = "pagila_api.direct"

const (
	// pingAfter is how long a connection may be idle before it is pinged on its next use.
	pingAfter = time.Second
	// pingTimeout bounds a ping. A healthy server responds in milliseconds. Over a connection that a
	// firewall has dropped, no response ever comes.
	pingTimeout = time.Second
	// replaceInterval bounds how often all connections are replaced. Otherwise a database that refuses every
	// write would cause that with each write.
	replaceInterval = time.Second
)

// sessions makes the connections of a Store, and knows which of them are still usable. All pools to the same
// database share one.
type sessions struct {
	connector driver.Connector
	// hot is the mode in which this package's statements are executed. It comes from the URL. By default, the
	// session keeps a plan.
	hot atomic.Int32
	// pooled says that the connections lead to a pooler: it has refused or ignored the direct settings.
	pooled atomic.Bool
	// lossAt is when a connection was last found dead. Connections that were last used before that time are
	// pinged before they are used again.
	lossAt atomic.Int64
	// replaceAt is a time. Connections that were made before it are replaced.
	replaceAt atomic.Int64
	outage    outage
}

// outage is the time when the server became unreachable.
type outage struct {
	began atomic.Int64 // in nanoseconds since 1970; 0 if the server is reachable
}

// note records the outcome of an attempt to reach the server. The error is nil if the attempt succeeded.
func (o *outage) note(err error) {
	switch {
	case err != nil && unreachable(err):
		o.began.CompareAndSwap(0, time.Now().UnixNano())
	case err == nil && o.began.Load() != 0: // every call comes here, so it is written only on a change
		o.began.Store(0)
	}
}

// isShort reports whether the outage has just begun or just ended.
func (o *outage) isShort() bool {
	began := o.began.Load()
	return began == 0 || time.Since(time.Unix(0, began)) < outagePatience
}

// unreplicated is the key in pgx's custom data which says that a commit did not wait for its standby.
const unreplicated = "unreplicated"

// noteUnreplicated notes on a connection that PostgreSQL has committed, but no longer waits for a synchronous standby,
// because the statement was canceled or the server shuts down. It warns of that, and then reports success. The warning
// has no SQLSTATE of its own, and its text depends on lc_messages.
func noteUnreplicated(conn *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.Routine == "SyncRepWaitForLSN" {
		conn.CustomData()[unreplicated] = true
	}
}

// connectedAt is the key in pgx's custom data for the time at which a connection was made.
const connectedAt = "connected_at"

const (
	// pgxDefault is pgx's default for statement_cache_capacity. A URL that asks for exactly as many gets keptPlans, because
	// pgx does not tell the two apart.
	pgxDefault = 512
	// keptPlans is the default of this package. A statement that reads a page takes up to 330 KB in PostgreSQL 15, so 512
	// of them in each of 16 sessions would take 2.7 GB. The cache also allocates 50 bytes
	// for each statement of its capacity.
	keptPlans = 128
)

// newSessions returns the sessions for a configuration.
func newSessions(config *pgx.ConnConfig) *sessions {
	s, mode := &sessions{}, hotMode(config)
	s.hot.Store(int32(mode))
	if config.StatementCacheCapacity == pgxDefault {
		config.StatementCacheCapacity = keptPlans
	}
	if mode != pgx.QueryExecModeCacheDescribe {
		config.DescriptionCacheCapacity = 0 // pgx would allocate 27 KB for each connection
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	for name := range config.RuntimeParams { // PostgreSQL ignores the case of names
		if _, ok := required[strings.ToLower(name)]; ok {
			delete(config.RuntimeParams, name)
		}
	}
	maps.Copy(config.RuntimeParams, required)
	addMissing(config.RuntimeParams, usual)
	config.OnNotice = noteUnreplicated
	s.connector = stdlib.GetConnector(*config,
		stdlib.OptionBeforeConnect(s.beforeConnect),
		stdlib.OptionAfterConnect(s.afterConnect),
		stdlib.OptionShouldPing(s.shouldPing),
		stdlib.OptionResetSession(s.resetSession))
	return s
}

// hotMode returns the mode that the URL asks for. If the URL turns off the cache that a mode needs, which is
// the usual workaround for a pooler, nothing is prepared.
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

// mode returns the mode in which this package's statements are executed now.
func (s *sessions) mode() pgx.QueryExecMode { return pgx.QueryExecMode(s.hot.Load()) }

// prepareNothing makes sure that from now on nothing is kept in a session.
func (s *sessions) prepareNothing() { s.hot.Store(int32(keepingNothing(s.mode()))) }

// keepingNothing returns the mode that is most like mode but keeps nothing in the session.
func keepingNothing(mode pgx.QueryExecMode) pgx.QueryExecMode {
	if mode == pgx.QueryExecModeSimpleProtocol {
		return mode
	}
	return pgx.QueryExecModeExec
}

// addMissing adds the settings that params lacks. Names match without regard to case.
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
	conn, err := s.connect(ctx)
	s.outage.note(err)
	return conn, err
}

func (s *sessions) connect(ctx context.Context) (driver.Conn, error) {
	pooled := s.pooled.Load()
	conn, err := s.connector.Connect(ctx)
	var refused *pgconn.PgError
	// PgBouncer refuses a setting that it does not track with 08P01.
	if pooled || !errors.Is(err, errPooled) && (!errors.As(err, &refused) || refused.Code != "08P01") {
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
	config.DefaultQueryExecMode = s.mode() // pgx executes a pipeline in this mode
	if s.pooled.Load() {
		config.DefaultQueryExecMode = keepingNothing(s.mode())
	} else {
		config.RuntimeParams = maps.Clone(config.RuntimeParams) // pgx shares it between connections
		addMissing(config.RuntimeParams, direct)
	}
	return nil
}

// afterConnectSQL reports whether the session is our own. If so, it lifts transaction_timeout. A connection
// cannot ask for that setting before it knows the version, because only PostgreSQL 17 and later have it.
const afterConnectSQL = `
SELECT COALESCE(current_setting('` + marker + `', true) = 'on', false), CASE
	WHEN current_setting('` + marker + `', true) = 'on' AND current_setting('server_version_num')::integer >= 170000
	THEN set_config('transaction_timeout', '0', false) END`

// jsonbType reads jsonb without encoding/json, which took an eighth of the server's time for a film.
var jsonbType = &pgtype.Type{
	Name: "jsonb", OID: pgtype.JSONBOID, Codec: &pgtype.JSONBCodec{Marshal: json.Marshal, Unmarshal: json.Unmarshal},
}

// errPooled says that a connection leads to a pooler that ignores settings.
var errPooled = errors.New("the session is a pooler's")

func (s *sessions) afterConnect(ctx context.Context, conn *pgx.Conn) error {
	var (
		direct bool
		lifted *string
	)
	if err := conn.QueryRow(ctx, afterConnectSQL, keepingNothing(s.mode())).Scan(&direct, &lifted); err != nil {
		_ = conn.Close(ctx) // pgx does not
		return &beginError{err}
	}
	if !direct {
		s.prepareNothing()
		if !s.pooled.Load() { // this connection prepares statements
			_ = conn.Close(ctx)
			return errPooled
		}
	}
	conn.TypeMap().RegisterType(jsonbType)
	data := conn.PgConn().CustomData()
	data[connectedAt], data[marker] = time.Now(), direct
	return nil
}

// isDirect reports whether a connection leads to a session of our own, and not to a pooler's.
func isDirect(conn *sql.Conn) bool {
	direct := false
	_ = conn.Raw(func(c any) error { // this fails for a closed connection, which is neither
		direct, _ = c.(*stdlib.Conn).Conn().PgConn().CustomData()[marker].(bool)
		return nil
	})
	return direct
}

// shouldPing pings a connection that may be dead. A ping by pgx would last until the caller's deadline.
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
		s.replace() // the others are most likely dropped as well
	}
	_ = p.Conn.Close(short) // it is dead
	return true             // pgx then finds it closed
}

func (s *sessions) resetSession(_ context.Context, conn *pgx.Conn) error {
	if s.outdated(conn) {
		return driver.ErrBadConn
	}
	return nil
}

// outdated reports whether a connection was made before replace was called.
func (s *sessions) outdated(conn *pgx.Conn) bool {
	made, _ := conn.PgConn().CustomData()[connectedAt].(time.Time)
	return made.UnixNano() < s.replaceAt.Load()
}

// replace makes sure that every present connection is replaced on its next use.
func (s *sessions) replace() {
	now, last := time.Now(), s.replaceAt.Load()
	if now.Sub(time.Unix(0, last)) >= replaceInterval {
		s.replaceAt.CompareAndSwap(last, now.UnixNano())
	}
}

// suspect makes sure that the connections that are idle now are pinged on their next use.
func (s *sessions) suspect() { s.lossAt.Store(time.Now().UnixNano()) }
