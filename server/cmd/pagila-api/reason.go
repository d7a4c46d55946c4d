package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// sqlstateReasons explain why a server rejects a connection, and what to do about it.
var sqlstateReasons = map[string]string{
	"3D000": "the server has no such database: create it, or correct the name in DATABASE_URL",
	"28P01": "the server rejects the user name or the password: correct DATABASE_URL or PGPASSWORD",
	"28000": "the server rejects this role: check the user name in DATABASE_URL, and pg_hba.conf on the server",
	"42501": "the role lacks a privilege: grant it to the role",
	"53300": "the server has no free connection: lower DATABASE_MAX_CONNS, or raise max_connections on the server",
	"53400": "the server has no free connection for this role: lower DATABASE_MAX_CONNS, or raise the connection limit of the role",
	"57P03": "the server is starting up or shutting down: wait, or see its log",
	"08P01": "the server, or a pooler in front of it, rejects a setting in DATABASE_URL: see the message",
	"25006": "the server is read-only: use the primary in DATABASE_URL, or add target_session_attrs=read-write to a list of hosts",
}

// databaseReason explains why the database cannot be used, and what to do about it. It contains no secret.
func databaseReason(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return serverReason(server)
	}
	if reason := tlsReason(err); reason != "" {
		return reason
	}
	return networkReason(err)
}

func serverReason(err *pgconn.PgError) string {
	reason, ok := sqlstateReasons[err.Code]
	switch {
	case err.Code == "28000" && strings.Contains(err.Message, "no encryption"): // of pg_hba.conf
		reason = "the server may require TLS: try sslmode=require in DATABASE_URL, and check pg_hba.conf on the server"
	case !ok && strings.HasPrefix(err.Code, "53"):
		reason = "the server is short of resources: see its log"
	case !ok:
		reason = "the server reports an error"
	}
	return fmt.Sprintf("%s (%s, SQLSTATE %s)", reason, err.Message, err.Code)
}

// tlsReason explains a TLS error. It returns "" for any other error.
func tlsReason(err error) string {
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &authority):
		return "the server's certificate is signed by an authority that this machine does not trust: set sslrootcert in DATABASE_URL to the authority's certificate"
	case errors.As(err, &hostname):
		return "the server's certificate is for another host name: use that name in DATABASE_URL, or sslmode=verify-ca"
	case errors.As(err, &invalid):
		return "the server's certificate is not valid, perhaps expired: replace it (" + invalid.Error() + ")"
	case errors.As(err, &record):
		return "the server at the address in DATABASE_URL does not speak TLS: correct the address, or sslmode"
	case errors.As(err, &alert):
		return "the server rejects the TLS connection: check sslmode, sslcert and sslkey in DATABASE_URL (" + alert.Error() + ")"
	case strings.Contains(err.Error(), "server refused TLS connection"): // pgx has no type for it
		return "the server does not support TLS: enable it there, or set sslmode=disable in DATABASE_URL"
	default:
		return ""
	}
}

// networkReason explains an error on the way to the server.
func networkReason(err error) string {
	var (
		dns     *net.DNSError
		network net.Error
	)
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the host name %s cannot be resolved: correct DATABASE_URL, or check the DNS", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at the address in DATABASE_URL: start PostgreSQL, or correct the host and the port"
	case errors.Is(err, fs.ErrNotExist):
		return "there is no PostgreSQL socket in the directory in DATABASE_URL: start PostgreSQL, or set its host"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not connect to the socket in DATABASE_URL: check the permissions of its directory"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to the host in DATABASE_URL: correct the host, or check the network"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "the address in DATABASE_URL did not respond in time: check the address, the network and firewalls"
	case errors.Is(err, pgconn.ErrReadOnlyConnection), errors.Is(err, pgconn.ErrStandbyConnection):
		return "no host in DATABASE_URL is a primary that accepts writes: check target_session_attrs and the hosts"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "the server at the address in DATABASE_URL closes the connection: check that it is PostgreSQL, and see its log"
	default:
		return "see the log for the cause"
	}
}
