package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrCustomerInactive says that the customer may not rent: Pagila's column active is 0.
// (Its column activebool is true for everybody.)
var ErrCustomerInactive = errors.New("the customer is not active")

// ErrInventoryNotAvailable says that the copy is out: it has a rental without a return date.
var ErrInventoryNotAvailable = errors.New("the copy is not available")

// NotFoundError says that what the caller asked for does not exist.
type NotFoundError struct {
	Kind string // "film", "customer" or "rental"
	ID   int32
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("no %s %d", e.Kind, e.ID) }

// Reference names a row that a new row would refer to.
type Reference struct {
	Kind string // "inventory" or "staff"
	ID   int32
}

// UnknownReferenceError says that a new row would refer to rows that do not exist.
type UnknownReferenceError struct {
	References []Reference // at least one
}

func (e *UnknownReferenceError) Error() string {
	var b strings.Builder
	for i, r := range e.References {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "no %s %d", r.Kind, r.ID)
	}
	return b.String()
}

// UnavailableError says that the database could not be reached, is shutting down, has no
// connection left or did not answer in time. The same call may succeed later.
type UnavailableError struct{ Err error }

func (e *UnavailableError) Error() string { return "database unavailable: " + e.Err.Error() }

// Unwrap is the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// classify marks the errors that mean the database is away, and passes all others on.
func classify(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err // the caller has left; nothing is known of the database
	}
	var (
		connect *pgconn.ConnectError
		network net.Error
		server  *pgconn.PgError
	)
	switch {
	case errors.As(err, &connect), errors.As(err, &network),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, driver.ErrBadConn),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return &UnavailableError{err}
	case errors.As(err, &server):
		// PostgreSQL's appendix A: 08 connection exception, 53 insufficient resources,
		// 57P operator intervention (shutting down, starting up, crashed).
		if class := server.Code[:2]; class == "08" || class == "53" || strings.HasPrefix(server.Code, "57P") {
			return &UnavailableError{err}
		}
	}
	return err
}
