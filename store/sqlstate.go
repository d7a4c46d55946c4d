package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/pagila-api/schema/migrations"
)

// meaning is what an error of the database means for the call that it ends.
type meaning int

const (
	// fault says that this package has a bug or the database a defect. Callers cannot act on it.
	fault meaning = iota
	// left says that the caller has left. It says nothing about the database.
	left
	// refused says that a constraint or a trigger of the database refused the row.
	refused
	// collision says that the row conflicts with other rows. These may have changed since they were read, so
	// the next attempt may succeed or return a better error. If not, the row is refused.
	collision
	// conflict says that another transaction interfered. The next attempt may succeed.
	conflict
	// locked says that another session holds a lock on the row or the table.
	locked
	// slow says that the database, or the wait for it, took too long.
	slow
	// stale says that something which the session kept about the schema, such as a plan, is out of date.
	// Nothing was executed. If every attempt fails with it, it is a fault.
	stale
	// unprepared says that the session lacks a statement that this process has prepared, or already has it,
	// because a pooler gives each transaction another session.
	unprepared
	// denied says that the server refuses the role's login. Another attempt would fail too, and could lock
	// the account.
	denied
	// away says that this connection was lost or cannot be made. Another one may work.
	away
	// readOnly says that the server is a standby, so that it cannot write, or a former primary.
	readOnly
	// unready says that the database lacks something that the statements need: a table, a column or a
	// privilege.
	unready
	// uncertain says that the server does not know whether it has committed.
	uncertain
)

// classes has a meaning for each class of PostgreSQL's SQLSTATEs (PostgreSQL manual, appendix A). The class
// is the first two characters. The map covers versions 12 to 18.
var classes = map[string]meaning{
	"00": fault,      // successful completion
	"01": fault,      // warning
	"02": fault,      // no data
	"03": fault,      // SQL statement not yet complete
	"08": away,       // connection exception; PgBouncer's own errors are 08P01
	"09": refused,    // triggered action exception
	"0A": stale,      // feature not supported: "cached plan must not change result type"
	"0B": fault,      // invalid transaction initiation
	"0F": fault,      // locator exception
	"0L": fault,      // invalid grantor
	"0P": unready,    // invalid role specification
	"0Z": fault,      // diagnostics exception
	"10": fault,      // XQuery error
	"20": fault,      // case not found
	"21": fault,      // cardinality violation
	"22": fault,      // data exception
	"23": refused,    // integrity constraint violation
	"24": fault,      // invalid cursor state
	"25": fault,      // invalid transaction state
	"26": unprepared, // invalid SQL statement name
	"27": refused,    // triggered data change violation
	"28": denied,     // invalid authorization specification
	"2B": fault,      // dependent privilege descriptors still exist
	"2D": fault,      // invalid transaction termination
	"2F": fault,      // SQL routine exception
	"34": fault,      // invalid cursor name
	"38": fault,      // external routine exception
	"39": fault,      // external routine invocation exception
	"3B": fault,      // savepoint exception
	"3D": denied,     // invalid catalog name: there is no such database
	"3F": unready,    // invalid schema name
	"40": conflict,   // transaction rollback
	"42": fault,      // syntax error or access rule violation
	"44": refused,    // with check option violation
	"53": away,       // insufficient resources
	"54": fault,      // program limit exceeded
	"55": fault,      // object not in prerequisite state
	"57": away,       // operator intervention: shutting down, crashed, starting up, dropped
	"58": away,       // system error, such as a failing disk
	"72": conflict,   // snapshot failure (up to PostgreSQL 16)
	"F0": fault,      // configuration file error
	"HV": fault,      // foreign data wrapper error
	"P0": refused,    // PL/pgSQL error: a function of the database's owner
	"XX": fault,      // internal error
}

// codes are the SQLSTATEs whose meaning differs from that of their class. 55000 also has causes that last. It becomes a
// fault after the attempts, as everything stale does.
var codes = map[string]meaning{
	"08007":               uncertain, // transaction resolution unknown
	"23503":               collision, // foreign key violation: a row was there a moment ago
	"23505":               collision, // unique violation
	"23P01":               collision, // exclusion violation
	"25006":               readOnly,  // read-only SQL transaction
	"25P03":               away,      // idle in transaction session timeout: the session has ended
	"25P04":               away,      // transaction timeout (from PostgreSQL 17): the session has ended
	"40002":               refused,   // transaction integrity constraint violation
	"40003":               uncertain, // statement completion unknown
	insufficientPrivilege: unready,
	"42703":               unready,    // undefined column
	"42704":               unready,    // undefined object
	"42883":               unready,    // undefined function
	"42P01":               unready,    // undefined table
	"42P05":               unprepared, // duplicate prepared statement
	"55000":               stale,      // object not in prerequisite state: a parallel worker has ended, as in a shutdown
	"55006":               locked,     // object in use
	"55P03":               locked,     // lock not available
	"57000":               slow,       // operator intervention, unspecified
	"57014":               slow,       // query canceled: a statement_timeout, or pg_cancel_backend
	"HV00N":               away,       // foreign data wrapper: unable to establish connection
	internalError:         stale,      // what DDL in another session can cause
}

// meaningOf returns the meaning of err. It never looks at the wording of a message, which depends on the
// server's lc_messages.
func meaningOf(err error) meaning {
	var (
		server  *pgconn.PgError
		begin   *beginError
		connect *pgconn.ConnectError
		missed  *missedError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return left
	case errors.As(err, &missed):
		return missed.means
	case errors.As(err, &server) && errors.As(err, &connect):
		return meaningOfConnect(server.Code)
	case errors.As(err, &server) && errors.As(err, &begin):
		return meaningOfBegin(server.Code)
	case errors.As(err, &server):
		return meaningOfState(server.Code)
	case errors.As(err, &connect): // a timeout too
		return away
	case errors.Is(err, context.DeadlineExceeded):
		return slow
	case errors.Is(err, migrations.ErrNoPagila):
		return unready
	case lostConnection(err):
		return away
	default:
		return fault
	}
}

// meaningOfConnect returns the meaning of the SQLSTATE with which the server refused a connection. No
// statement can be at fault yet.
func meaningOfConnect(state string) meaning {
	if state == internalError { // which PostgreSQL also reports while it shuts down
		return away
	}
	switch m := meaningOfState(state); m {
	case fault, refused, unready, stale:
		return denied
	default:
		return m
	}
}

// meaningOfBegin returns the meaning of the SQLSTATE in a beginError, before anything was executed. A standby
// refuses READ WRITE as a feature that is not supported. The role's statement_timeout applies until the
// transaction has set its own.
func meaningOfBegin(state string) meaning {
	switch m := meaningOfState(state); m {
	case stale:
		return readOnly
	case slow:
		return conflict
	default:
		return m
	}
}

func meaningOfState(state string) meaning {
	if m, ok := codes[state]; ok {
		return m
	}
	if len(state) == len("00000") {
		if m, ok := classes[state[:2]]; ok {
			return m
		}
		return refused // an unknown code comes from a function of the database's owner
	}
	return fault
}

// unreachable reports whether err says that no connection could be made because the server is not there. One that has
// no connection left (class 53) is there, and would have to fork a process for each attempt.
func unreachable(err error) bool {
	var (
		connect *pgconn.ConnectError
		server  *pgconn.PgError
	)
	full := errors.As(err, &server) && strings.HasPrefix(server.Code, "53")
	return errors.As(err, &connect) && meaningOf(err) == away && !full
}

// internalError is the SQLSTATE for an error that PostgreSQL has no other code for.
const internalError = "XX000"

// insufficientPrivilege is the SQLSTATE for a missing privilege, and for a row that a policy refuses.
const insufficientPrivilege = "42501"

// lacksCharacter reports whether the database's encoding lacks a character of an argument. Then nothing in
// the database contains it.
func lacksCharacter(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && (server.Code == "22P05" || server.Code == "22021")
}

// lostConnection reports whether err says that the connection was lost or never made.
func lostConnection(err error) bool {
	var (
		network net.Error
		system  syscall.Errno
	)
	return errors.As(err, &network) || errors.As(err, &system) || pgconn.SafeToRetry(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, errLost)
}

// endsSession reports whether err says that a session has ended, whether the server has said so or not.
func endsSession(err error) bool {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.SeverityUnlocalized == "FATAL" || server.SeverityUnlocalized == "PANIC"
	}
	return meaningOf(err) == away
}

// errLost marks an error after which the driver closed the connection.
var errLost = errors.New("the connection was lost")
