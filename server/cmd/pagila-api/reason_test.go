package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

func TestDatabaseReason(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{&pgconn.PgError{Code: "3D000", Message: `database "x" does not exist`}, "no such database"},
		{&pgconn.PgError{Code: "28P01", Message: "password authentication failed"}, "user name or the password"},
		{&pgconn.PgError{Code: "28000", Message: `no pg_hba.conf entry for host "::1", user "u", database "d", no encryption`}, "sslmode=require"},
		{&pgconn.PgError{Code: "28000", Message: `no pg_hba.conf entry for host "::1", user "u", database "d", SSL encryption`}, "pg_hba.conf"},
		{&pgconn.PgError{Code: "28000", Message: `role "u" is not permitted to log in`}, "role"},
		{&pgconn.PgError{Code: "42501", Message: "permission denied for table film"}, "permission denied for table film"},
		{&pgconn.PgError{Code: "53300", Message: "too many clients"}, "DATABASE_MAX_CONNS"},
		{&pgconn.PgError{Code: "53100", Message: "disk full"}, "short of resources"},
		{&pgconn.PgError{Code: "57P03", Message: "the database system is starting up"}, "starting up"},
		{&pgconn.PgError{Code: "XX000", Message: "odd"}, "odd"},
		{&pgconn.PgError{Code: "5", Message: "a code cut short"}, "a code cut short"},
		{&pgconn.PgError{Message: "no code at all"}, "no code at all"},
		{x509.UnknownAuthorityError{}, "sslrootcert"},
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "a"}, "another host name"},
		{x509.CertificateInvalidError{Reason: x509.Expired}, "expired"},
		{tls.RecordHeaderError{}, "TLS"},
		{tls.AlertError(42), "sslcert"},
		{&net.DNSError{Name: "db.invalid", IsNotFound: true}, "db.invalid cannot be resolved"},
		{syscall.ECONNREFUSED, "nothing listens"},
		{syscall.EHOSTUNREACH, "no route"},
		{syscall.ENOENT, "no PostgreSQL socket"},
		{syscall.EACCES, "permissions"},
		{context.DeadlineExceeded, "did not respond"},
		{io.ErrUnexpectedEOF, "closes the connection"},
		{pgconn.ErrReadOnlyConnection, "primary"},
		{errors.New("anything else"), "log"},
	} {
		if got := databaseReason(&store.UnavailableError{Err: fmt.Errorf("status: %w", test.err)}); !strings.Contains(got, test.want) {
			t.Errorf("%v: %q, want %q in it", test.err, got, test.want)
		}
	}
}

// talk listens on a free port, and calls speak for each connection.
func talk(t *testing.T, speak func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			speak(conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// The errors of real servers, as pgx returns them, are explained too.
func TestDatabaseReasonOfServers(t *testing.T) {
	t.Parallel()
	actual, err := url.Parse(pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*url.URL)) string {
		u := *actual
		change(&u)
		return u.String()
	}
	conn, err := pgx.Connect(t.Context(), actual.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE ROLE locked_out NOLOGIN; CREATE ROLE powerless LOGIN"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // roles belong to the server, not to the database
		conn, err := pgx.Connect(context.Background(), actual.String())
		if err == nil {
			_, err = conn.Exec(context.Background(), "DROP ROLE locked_out; DROP ROLE powerless")
			conn.Close(context.Background())
		}
		if err != nil {
			t.Error(err)
		}
	})
	web := httptest.NewTLSServer(nil)
	t.Cleanup(web.Close)
	secure := talk(t, func(conn net.Conn) { // a server with a self-signed certificate
		if _, err := io.ReadFull(conn, make([]byte, 8)); err == nil {
			conn.Write([]byte("S"))
			tls.Server(conn, web.TLS).Handshake()
		}
	})
	plain := talk(t, func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, 8)); err == nil {
			conn.Write([]byte("N"))
		}
	})
	mute := talk(t, func(conn net.Conn) { bufio.NewReader(conn).ReadByte() })

	for name, test := range map[string]struct{ url, want string }{
		"database":    {with(func(u *url.URL) { u.Path = "/nowhere" }), "no such database"},
		"role":        {with(func(u *url.URL) { u.User = url.UserPassword("nobody_here", "hunter2") }), "role"},
		"locked out":  {with(func(u *url.URL) { u.User = url.UserPassword("locked_out", "hunter2") }), "log in"},
		"powerless":   {with(func(u *url.URL) { u.User = url.UserPassword("powerless", "hunter2") }), "privilege SELECT on the table film"},
		"no socket":   {"postgres://u:hunter2@/d?host=/nonexistent", "no PostgreSQL socket"},
		"no TLS":      {"postgres://u:hunter2@" + plain + "/d?sslmode=require", "does not support TLS"},
		"certificate": {"postgres://u:hunter2@" + secure + "/d?sslmode=verify-full", "authority"},
		"refused":     {"postgres://u:hunter2@" + freeAddress(t) + "/d?sslmode=disable", "nothing listens"},
		"hangs up":    {"postgres://u:hunter2@" + mute + "/d?sslmode=disable", "closes the connection"},
		"name":        {"postgres://u:hunter2@db.invalid/d", "db.invalid"},
	} {
		st, err := store.Open(test.url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		status, err := st.Status(t.Context())
		if name == "powerless" { // it can connect, and the status says which privilege is missing
			if err != nil || !slices.ContainsFunc(status.Missing, func(what string) bool { return strings.Contains(what, test.want) }) {
				t.Errorf("%s: %+v, %v", name, status, err)
			}
		} else if err == nil {
			t.Errorf("%s: no error", name)
		} else if got := databaseReason(err); !strings.Contains(got, test.want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %q, want %q in it, from %v", name, got, test.want, err)
		}
		st.Close()
	}
}
