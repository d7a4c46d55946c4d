package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgservicefile"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connectTimeout bounds one attempt to connect to one host, unless DATABASE_URL has a limit of its own.
const connectTimeout = 10 * time.Second

// plainURL connects to the database that a connection string means to pgx, and returns a URL that means
// the same to every program: to psql, which does not know pgx's parameters, and to the Atlas command,
// which supports neither several hosts, nor keyword strings, nor sslmode=prefer. The URL names the host
// that accepted the connection, and TLS as it was used. It includes the values that pgx has read from
// PG* variables and from files.
func plainURL(ctx context.Context, connString string) (string, error) {
	config, err := pgx.ParseConfig(connString)
	if err != nil {
		return "", fmt.Errorf("read DATABASE_URL: %w", err) // pgx leaves the password out
	}
	named := config.ConnectTimeout // what the user has asked for
	if named == 0 {
		config.ConnectTimeout = connectTimeout
	}
	used, err := connectOnce(ctx, config)
	if err != nil {
		return "", fmt.Errorf("connect to the database: %w", err)
	}
	config.ConnectTimeout = named
	return writeURL(config, used, tlsFiles(connString)), nil
}

// connectOnce connects, and returns which of the hosts it was and whether with TLS.
func connectOnce(ctx context.Context, config *pgx.ConnConfig) (pgconn.FallbackConfig, error) {
	var network, address string
	// The names are looked up while dialing, so that the address dialed has the name in it.
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, net, addr string) (net.Conn, error) {
		network, address = net, addr
		return dial(ctx, net, addr)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return pgconn.FallbackConfig{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, encrypted := conn.PgConn().Conn().(*tls.Conn)
	used := pgconn.FallbackConfig{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}
	for _, other := range config.Fallbacks {
		if matches(used, network, address, encrypted) {
			break
		}
		used = *other
	}
	return used, nil
}

func matches(c pgconn.FallbackConfig, network, address string, encrypted bool) bool {
	n, a := pgconn.NetworkAddress(c.Host, c.Port)
	return n == network && a == address && (c.TLSConfig != nil) == encrypted
}

// writeURL writes what was used to connect. Settings of the session other than application_name go
// into options, since libpq takes no others.
func writeURL(config *pgx.ConnConfig, used pgconn.FallbackConfig, files map[string]string) string {
	u := url.URL{Scheme: "postgres", User: url.User(config.User), Path: "/" + config.Database}
	if config.Password != "" {
		u.User = url.UserPassword(config.User, config.Password)
	}
	query := url.Values{}
	port := strconv.Itoa(int(used.Port))
	if network, _ := pgconn.NetworkAddress(used.Host, used.Port); network == "unix" {
		query.Set("host", used.Host)
		query.Set("port", port)
	} else {
		u.Host = net.JoinHostPort(used.Host, port)
	}
	writeTLS(query, used.TLSConfig, files)
	if config.ConnectTimeout > 0 {
		query.Set("connect_timeout", strconv.Itoa(int(config.ConnectTimeout.Seconds())))
	}
	if name := config.RuntimeParams["application_name"]; name != "" {
		query.Set("application_name", name)
	}
	if options := sessionOptions(config.RuntimeParams); options != "" {
		query.Set("options", options)
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // libpq and pgx take a plus for a plus
	return u.String()
}

// writeTLS sets the sslmode that does what config does. No sslrootcert goes with require, which would
// then verify.
func writeTLS(query url.Values, config *tls.Config, files map[string]string) {
	switch {
	case config == nil:
		query.Set("sslmode", "disable")
		return
	case !config.InsecureSkipVerify:
		query.Set("sslmode", "verify-full")
	case config.VerifyPeerCertificate != nil:
		query.Set("sslmode", "verify-ca")
	default:
		query.Set("sslmode", "require")
	}
	set := func(used bool, names ...string) {
		for _, name := range names {
			if used && files[name] != "" {
				query.Set(name, files[name])
			}
		}
	}
	set(config.RootCAs != nil && query.Get("sslmode") != "require", "sslrootcert")
	set(len(config.Certificates) > 0, "sslcert", "sslkey", "sslpassword")
}

// sessionOptions is the value of the options parameter for what a session begins with.
func sessionOptions(params map[string]string) string {
	var options []string
	if given := params["options"]; given != "" {
		options = append(options, given)
	}
	escape := strings.NewReplacer(`\`, `\\`, ` `, `\ `)
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != "options" && name != "application_name" {
			options = append(options, "-c "+escape.Replace(name+"="+params[name]))
		}
	}
	return strings.Join(options, " ")
}

// tlsFiles returns the names of the files with certificates, which pgx reads and does not keep. As in
// libpq, the connection string counts most, then its service, then the environment, then the home
// directory.
func tlsFiles(connString string) map[string]string {
	files := map[string]string{}
	if home, err := os.UserHomeDir(); err == nil {
		files["sslrootcert"] = filepath.Join(home, ".postgresql", "root.crt")
		files["sslcert"] = filepath.Join(home, ".postgresql", "postgresql.crt")
		files["sslkey"] = filepath.Join(home, ".postgresql", "postgresql.key")
		files["servicefile"] = filepath.Join(home, ".pg_service.conf")
	}
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey", "sslpassword", "service", "servicefile"} {
		if value := os.Getenv("PG" + strings.ToUpper(name)); value != "" {
			files[name] = value
		}
	}
	given := parameters(connString)
	maps.Copy(files, given)
	if files["service"] != "" {
		if all, err := pgservicefile.ReadServicefile(files["servicefile"]); err == nil { // pgx has read it
			if service, err := all.GetService(files["service"]); err == nil {
				maps.Copy(files, service.Settings)
				maps.Copy(files, given)
			}
		}
	}
	return files
}

// keywordValue is one setting of a keyword string: the value is in quotes or without blanks, and a
// backslash takes the next character as it is.
var keywordValue = regexp.MustCompile(`(?s)([^\s=]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s\\]|\\.)*)`)

var escaped = regexp.MustCompile(`(?s)\\(.)`)

// parameters returns the parameters of a connection string that pgx has accepted: those of a URL's
// query, or all of a keyword string.
func parameters(connString string) map[string]string {
	params := map[string]string{}
	if strings.HasPrefix(connString, "postgres://") || strings.HasPrefix(connString, "postgresql://") {
		_, query, _ := strings.Cut(connString, "?")
		// url.ParseQuery would take a plus for a blank.
		for pair := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(pair, "=")
			if value, err := url.PathUnescape(value); err == nil {
				params[name] = value
			}
		}
		return params
	}
	for _, match := range keywordValue.FindAllStringSubmatch(connString, -1) {
		value := match[2]
		if strings.HasPrefix(value, "'") {
			value = value[1 : len(value)-1]
		}
		params[match[1]] = escaped.ReplaceAllString(value, "$1")
	}
	return params
}
