package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/pagila-api/store/localpg/binaries"
)

func TestWriteURL(t *testing.T) {
	t.Parallel()
	files := map[string]string{"sslrootcert": "/ca dir/root.crt", "sslcert": "/c.crt", "sslkey": "/c.key"}
	verifying := &tls.Config{RootCAs: x509.NewCertPool(), Certificates: make([]tls.Certificate, 1)}
	for name, test := range map[string]struct {
		given string
		tls   *tls.Config
		want  string
	}{
		"as it is":              {"postgres://u:p@db.example:5433/pagila?sslmode=disable", nil, "postgres://u:p@db.example:5433/pagila?sslmode=disable"},
		"the default port":      {"postgres://u@db.example/pagila?sslmode=disable", nil, "postgres://u@db.example:5432/pagila?sslmode=disable"},
		"a keyword string":      {`host=db.example user='o\'hara' password='it\'s \\ ' dbname='my db'`, nil, ""},
		"IPv6":                  {"postgres://u@[2001:db8::1]:5433/pagila", nil, "postgres://u@[2001:db8::1]:5433/pagila?sslmode=disable"},
		"a socket":              {"postgres://u@/pagila?host=/var/run/my+sockets&port=5433", nil, "postgres://u@/pagila?host=%2Fvar%2Frun%2Fmy%2Bsockets&port=5433&sslmode=disable"},
		"special characters":    {"postgres://a%40b:p%40%2F%3A%3F%23%25%26%2B%20@db.example/my%20db%3F", nil, "postgres://a%40b:p%40%2F%3A%3F%23%25&+%20@db.example:5432/my%20db%3F?sslmode=disable"},
		"pgx's own parameters":  {"postgres://u@h/d?default_query_exec_mode=exec&statement_cache_capacity=0&description_cache_capacity=5&target_session_attrs=any&min_protocol_version=3.0", nil, "postgres://u@h:5432/d?sslmode=disable"},
		"settings":              {"postgres://u@h/d?search_path=a,b&application_name=my+app&options=-c%20geqo%3Doff&statement_timeout=5s", nil, "postgres://u@h:5432/d?application_name=my%2Bapp&options=-c%20geqo%3Doff%20-c%20search_path%3Da%2Cb%20-c%20statement_timeout%3D5s&sslmode=disable"},
		"a space in a setting":  {`postgres://u@h/d?search_path="my%20schema"%5C`, nil, "postgres://u@h:5432/d?options=-c%20search_path%3D%22my%5C%20schema%22%5C%5C&sslmode=disable"},
		"a timeout":             {"postgres://u@h/d?connect_timeout=7", nil, "postgres://u@h:5432/d?connect_timeout=7&sslmode=disable"},
		"TLS without a look":    {"postgres://u@h/d", &tls.Config{InsecureSkipVerify: true, RootCAs: x509.NewCertPool()}, "postgres://u@h:5432/d?sslmode=require"},
		"TLS to the very host":  {"postgres://u@h/d", verifying, "postgres://u@h:5432/d?sslcert=%2Fc.crt&sslkey=%2Fc.key&sslmode=verify-full&sslrootcert=%2Fca%20dir%2Froot.crt"},
		"TLS, system's roots":   {"postgres://u@h/d", &tls.Config{}, "postgres://u@h:5432/d?sslmode=verify-full"},
		"TLS to the CA's hosts": {"postgres://u@h/d", &tls.Config{InsecureSkipVerify: true, RootCAs: x509.NewCertPool(), VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return nil }}, "postgres://u@h:5432/d?sslmode=verify-ca&sslrootcert=%2Fca%20dir%2Froot.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := pgx.ParseConfig(test.given)
			if err != nil {
				t.Fatal(err)
			}
			got := writeURL(config, pgconn.FallbackConfig{Host: config.Host, Port: config.Port, TLSConfig: test.tls}, files)
			if test.want != "" && got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			again, err := pgx.ParseConfig(regexp.MustCompile(`\bssl`).ReplaceAllString(got, "no_ssl")) // the files do not exist
			if err != nil {
				t.Fatalf("%s: %v", got, err)
			}
			if again.Host != config.Host || again.Port != config.Port || again.User != config.User || again.Password != config.Password || again.Database != config.Database {
				t.Errorf("%s is read as %s:%d %s %q %s", got, again.Host, again.Port, again.User, again.Password, again.Database)
			}
			for name := range again.RuntimeParams {
				if !strings.HasPrefix(name, "no_ssl") && name != "options" && name != "application_name" {
					t.Errorf("libpq does not know the parameter %s of %s", name, got)
				}
			}
		})
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		`postgres://h/d?sslrootcert=%2Fa%20b%2Bc+d&x=1`:                          "/a b+c+d",
		`postgresql://h/d?x=1&sslrootcert=/ca.crt`:                               "/ca.crt",
		`sslrootcert=/ca.crt`:                                                    "/ca.crt",
		`host=h password='x sslrootcert=/not/this' sslrootcert = '/a \'b\'/\\c'`: `/a 'b'/\c`,
		`host=h sslrootcert=/a\ b dbname=d`:                                      "/a b",
		"host=h\n\tsslrootcert='/two\nlines'\n":                                  "/two\nlines",
		`postgres://sslrootcert=x:y@h/d`:                                         "",
		`host=h password='sslrootcert=\'/not/this\''`:                            "",
		`user=a\'b sslrootcert='' host=h`:                                        "",
	} {
		if got := parameters(given)["sslrootcert"]; got != want {
			t.Errorf("%s: %q, want %q", given, got, want)
		}
	}
}

// secret contains characters that are special in a URL, a keyword string or a shell.
const secret = `p@ss/w:o?r#d%41&+ "x'y\`

// askEveryProgram is a command that prints its URL, and how psql and the Atlas command understand it. It fails
// if it has variables of libpq, which could help them.
const askEveryProgram = `
printf '%s\n' "$DATABASE_URL"
if env | grep '^PG[A-Z]'; then exit 1; fi
if command -v psql >/dev/null; then
  psql -XAtw "$DATABASE_URL" -c "SELECT 'psql ' || current_user || ' ' || current_database() || ' ' || ssl || ' ' ||
    current_setting('search_path') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
else
  echo 'no psql'
fi
if [ -x "$ATLAS" ]; then
  cd "$(dirname "$ATLAS")/.." && "$ATLAS" migrate status --env test --format 'atlas {{ .Status }}'
else
  echo 'no atlas'
fi`

// TestExecHandsOutAPlainURL connects to a server with TLS and passwords in every way that pgx supports. psql
// and the Atlas command have to understand the URL that a command gets.
func TestExecHandsOutAPlainURL(t *testing.T) {
	t.Parallel()
	server := startTLSServer(t)
	atlas, err := filepath.Abs(filepath.Join("..", "..", "..", "bin", "atlas"))
	if err != nil {
		t.Fatal(err)
	}
	dead := closedPort(t)
	home := t.TempDir()
	files := map[string]string{
		"services": fmt.Sprintf("[work]\nhost=localhost\nport=%d\ndbname=pagila\nuser=postgres\nsslmode=verify-full\nsslrootcert=%s\n", server.port, server.certificate),
		"pass":     fmt.Sprintf("localhost:%d:*:o'hara:%s\n", server.port, strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(secret)),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := fmt.Sprintf("localhost:%d/pagila", server.port)
	ohara := url.UserPassword("o'hara", secret).String()
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	for name, test := range map[string]struct {
		given   string
		env     []string
		sslmode string
		role    string // postgres if empty
		path    string // the default if empty
	}{
		"prefer":          {given: "postgres://postgres@" + at + "?sslmode=prefer", sslmode: "require"},
		"no sslmode":      {given: "postgresql://postgres@" + at, sslmode: "require"},
		"allow":           {given: "postgres://postgres@" + at + "?sslmode=allow", sslmode: "disable"},
		"disable":         {given: "postgres://postgres@" + at + "?sslmode=disable", sslmode: "disable"},
		"require":         {given: "postgres://postgres@" + at + "?sslmode=require", sslmode: "require"},
		"require and CA":  {given: "postgres://postgres@" + at + "?sslmode=require&sslrootcert=" + url.QueryEscape(server.certificate), sslmode: "verify-ca"},
		"verify-full":     {given: "postgres://postgres@" + at + "?sslmode=verify-full&sslrootcert=" + url.QueryEscape(server.certificate), sslmode: "verify-full"},
		"keyword string":  {given: fmt.Sprintf("host=localhost port=%d dbname=pagila user='o\\'hara' password='%s'", server.port, quote.Replace(secret)), sslmode: "require", role: "o'hara"},
		"password":        {given: "postgres://" + ohara + "@" + at + "?sslmode=prefer", sslmode: "require", role: "o'hara"},
		"a dead host":     {given: fmt.Sprintf("postgres://postgres@localhost:%d,%s?sslmode=prefer", dead, at), sslmode: "require"},
		"dead, keywords":  {given: fmt.Sprintf("host=localhost,%s port=%d,%d dbname=pagila user=postgres", server.socket, dead, server.port), sslmode: "disable"},
		"a socket":        {given: fmt.Sprintf("postgres:///pagila?user=postgres&host=%s&port=%d&sslmode=prefer", url.QueryEscape(server.socket), server.port), sslmode: "disable"},
		"pgx's own":       {given: "postgres://postgres@" + at + "?default_query_exec_mode=simple_protocol&statement_cache_capacity=0&target_session_attrs=read-write", sslmode: "require"},
		"session":         {given: "postgres://postgres@" + at + "?search_path=public,%22my%20schema%22&statement_timeout=1min", sslmode: "require", path: `public,"my schema"`},
		"service":         {given: "service=work", env: []string{"PGSERVICEFILE=" + filepath.Join(home, "services")}, sslmode: "verify-full"},
		"service in env":  {given: "postgres://", env: []string{"PGSERVICE=work", "PGSERVICEFILE=" + filepath.Join(home, "services")}, sslmode: "verify-full"},
		"password file":   {given: fmt.Sprintf("postgres://localhost:%d/pagila", server.port), env: []string{"PGUSER=o'hara", "PGPASSFILE=" + filepath.Join(home, "pass"), "PGHOSTADDR=192.0.2.1", "PGREALM=x"}, sslmode: "require", role: "o'hara"},
		"all in the envi": {given: "postgres:///", env: []string{"PGHOST=localhost", fmt.Sprintf("PGPORT=%d", server.port), "PGDATABASE=pagila", "PGUSER=postgres", "PGSSLMODE=verify-ca", "PGSSLROOTCERT=" + server.certificate, "PGTZ=Asia/Kathmandu"}, sslmode: "verify-ca"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := append(environment(t, "DATABASE_URL="+test.given, "ATLAS="+atlas), test.env...)
			out, err := program(t, env, "exec", "--", "sh", "-c", askEveryProgram).Output()
			if err != nil {
				t.Fatalf("%v: %s%s", err, out, stderrOf(err))
			}
			lines := strings.Split(string(out), "\n")
			if u, err := url.Parse(lines[0]); err != nil || u.Query().Get("sslmode") != test.sslmode {
				t.Errorf("got %s, %v, want sslmode %s", lines[0], err, test.sslmode)
			}
			role, path := cmp.Or(test.role, "postgres"), cmp.Or(test.path, `"$user", public`)
			want := fmt.Sprintf("psql %s pagila %t %s", role, test.sslmode != "disable", path)
			if !slices.Contains(lines, want) && !slices.Contains(lines, "no psql") {
				t.Errorf("psql prints %q, want %s", lines[1:], want)
			}
			if !slices.Contains(lines, "atlas PENDING") && !slices.Contains(lines, "no atlas") {
				t.Errorf("atlas prints %q", lines[1:])
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		for given, want := range map[string]string{
			"postgres://o'hara:hunter2@" + at:                                            "password authentication failed",
			"postgres://postgres:hunter2@localhost:" + strconv.Itoa(dead) + "/pagila":    "connection refused",
			"postgres://postgres:hunter2@" + strings.Replace(at, "pagila", "nowhere", 1): `database "nowhere" does not exist`,
		} {
			out, err := program(t, environment(t, "DATABASE_URL="+given), "exec", "--", "echo", "has run").CombinedOutput()
			if err == nil || !strings.Contains(string(out), want) || strings.Contains(string(out), "hunter2") || strings.Contains(string(out), "has run") {
				t.Errorf("%v: %s, want %q", err, out, want)
			}
		}
	})
}

func stderrOf(err error) string {
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output returns it unwrapped
		return string(exit.Stderr)
	}
	return ""
}

// tlsServer is a PostgreSQL server with TLS. The role postgres needs no password, o'hara does.
type tlsServer struct {
	port        int
	socket      string // its directory
	certificate string // a file, also the CA's
}

func startTLSServer(t *testing.T) tlsServer {
	t.Helper()
	bin, err := binaries.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "pagila-tls-") //nolint:usetesting // other users cannot read t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := tlsServer{port: closedPort(t), socket: dir, certificate: filepath.Join(dir, "server.crt")}
	writeCertificate(t, dir)
	config := fmt.Sprintf(`
ssl = on
ssl_cert_file = '%[1]s/server.crt'
ssl_key_file = '%[1]s/server.key'
listen_addresses = 'localhost'
port = %[2]d
unix_socket_directories = '%[1]s'
fsync = off
`, dir, s.port)
	credential := owner(t, dir)
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: credential}
		return cmd
	}
	data := filepath.Join(dir, "data")
	if out, err := run("initdb", "-D", data, "-U", "postgres", "--auth", "trust", "-E", "UTF8", "--no-locale", "-N").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	appendTo(t, filepath.Join(data, "postgresql.conf"), config)
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte("host all \"o'hara\" localhost scram-sha-256\nhost all all localhost trust\nlocal all all trust\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	postgres := run("postgres", "-D", data)
	postgres.Stdout, postgres.Stderr = &log, &log
	if err := postgres.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { postgres.Wait(); close(ended) }()
	t.Cleanup(func() { postgres.Process.Signal(syscall.SIGQUIT); <-ended })
	s.prepare(t, ended)
	return s
}

// prepare waits for the server, and creates the role and a database with the tables that the migrations need.
func (s tlsServer) prepare(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	address := fmt.Sprintf("host=%s port=%d user=postgres dbname=", s.socket, s.port)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(t.Context(), address+"postgres")
		if err == nil {
			conn.Close(t.Context())
			break
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatal("the server has ended")
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
	for _, step := range [][2]string{
		{"postgres", `CREATE ROLE "o'hara" LOGIN SUPERUSER PASSWORD '` + strings.ReplaceAll(secret, "'", "''") + `'`},
		{"postgres", `CREATE DATABASE pagila`},
		{"pagila", `CREATE TABLE film (film_id integer PRIMARY KEY); CREATE TABLE customer (customer_id integer PRIMARY KEY);
		            CREATE TABLE inventory (); CREATE TABLE rental ()`},
	} {
		conn, err := pgx.Connect(t.Context(), address+step[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), step[1]); err != nil {
			t.Fatal(err)
		}
		conn.Close(context.WithoutCancel(t.Context()))
	}
}

func appendTo(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// owner changes the owner of the directory and its files to the user that PostgreSQL runs as, because it
// refuses to run as root. It returns nil if the test does not run as root.
func owner(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("as root, this needs a user nobody")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	entries, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(entries, dir) {
		if err := os.Chown(name, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// writeCertificate writes server.crt, a self-signed certificate for localhost, and server.key.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"server.crt": {Type: "CERTIFICATE", Bytes: certificate},
		"server.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), map[string]os.FileMode{"server.crt": 0o644, "server.key": 0o600}[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

// closedPort returns a port without a listener.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
