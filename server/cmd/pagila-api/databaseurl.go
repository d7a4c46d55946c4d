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

// connectTimeout limits one attempt to connect to one host, unless DATABASE_URL has its own limit.
const connectTimeout = 10 * time.Second

// plainURL connects to the database as pgx does, and returns a URL that has the same meaning in every program:
// psql does not know pgx's own parameters, and the Atlas command supports neither several hosts, nor keyword
// strings, nor sslmode=prefer. The URL has the host that accepted the connection and the TLS settings that
// were used, and includes the values that pgx read from PG* variables and from files.
func plainURL(ctx context.Context, connString string) (string, error) {
	config, err := pgx.ParseConfig(connString)
	if err != nil {
		return "", fmt.Errorf("read DATABASE_URL: %w", err) // pgx omits the password
	}
	given := config.ConnectTimeout // by the user
	if given == 0 {
		config.ConnectTimeout = connectTimeout
	}
	used, err := connectOnce(ctx, config)
	if err != nil {
		return "", fmt.Errorf("connect to the database: %w", err)
	}
	config.ConnectTimeout = given
	return writeURL(config, used, tlsFiles(connString)), nil
}

// connectOnce connects, and returns which of the hosts accepted the connection, and with which TLS settings.
func connectOnce(ctx context.Context, config *pgx.ConnConfig) (pgconn.FallbackConfig, error) {
	var network, address string
	// Host names are resolved while dialing, so that the dialed address contains the name.
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

// writeURL writes the settings of a connection as a URL. The session's settings other than application_name go
// into options, since libpq accepts no other parameters for them.
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
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // libpq and pgx do not decode a plus as a space
	return u.String()
}

// writeTLS sets the sslmode that is equivalent to config. It sets no sslrootcert with require, which would turn
// the verification on.
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

// sessionOptions returns the value of the parameter options for the initial settings of a session.
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

// tlsFiles returns the names of the certificate files, which pgx reads but does not keep. The precedence is
// libpq's: the connection string, its service, the environment, the home directory.
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

// keywordValue is one setting of a keyword string. The value is quoted or has no whitespace, and a backslash
// escapes the next character.
var keywordValue = regexp.MustCompile(`(?s)([^\s=]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s\\]|\\.)*)`)

var escaped = regexp.MustCompile(`(?s)\\(.)`)

// parameters returns the parameters of a connection string that pgx has accepted: those in the query of a URL,
// or all of a keyword string.
func parameters(connString string) map[string]string {
	params := map[string]string{}
	if strings.HasPrefix(connString, "postgres://") || strings.HasPrefix(connString, "postgresql://") {
		_, query, _ := strings.Cut(connString, "?")
		// url.ParseQuery would decode a plus as a space.
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
