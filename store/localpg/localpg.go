// Package localpg runs a private PostgreSQL server as a child process.
//
// The server listens on a unix socket alone, so it takes no port and nobody else can reach it. It
// ends with the process that started it, even if that one is killed, and it runs as an ordinary
// user where the process is root, because PostgreSQL refuses to run as root.
//
// A folder holds all of it:
//
//	data/    the database cluster
//	socket/  the socket, or else in /tmp: if the path is too long for one, has a comma, or is closed to the server's user
//	log      what the server says
//	lock     held while a process runs the server
package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/pagila-api/store/localpg/binaries"
)

// ErrLocked means that another process runs the database in the folder.
var ErrLocked = errors.New("another process runs the database")

const (
	// superuser is the role that initdb creates. Connections are not asked for a password: the
	// socket's folder is closed to other users.
	superuser = "postgres"
	// port is only a part of the socket's name. It is PostgreSQL's default, so it may be left out.
	port = 5432
	// readyInterval is short, as a start takes some 60 ms.
	readyInterval = 10 * time.Millisecond
	// startTimeout is how long a server may take until it takes connections or says that it recovers.
	startTimeout = time.Minute
	// cannotConnectNow is the SQLSTATE of a server that starts, recovers or shuts down.
	cannotConnectNow = "57P03"
	// quitTimeout is how long an immediate shutdown may take. It writes nothing, so it is quick.
	quitTimeout = 5 * time.Second
)

// Options say which server to start.
type Options struct {
	// Dir is the folder of the server. It is made if it is missing.
	Dir string
	// BinDir is the folder of PostgreSQL's programs; binaries.Find looks for them if it is empty.
	BinDir string
	// Disposable is for tests: nothing is synced to disk, and Stop removes Dir.
	Disposable bool
	// Timeout bounds the wait for the server to take connections; 0 is a minute.
	Timeout time.Duration
	// Progress is told what is being done, for a person who waits. It may be nil.
	Progress func(step string)
}

// Server is a running PostgreSQL server.
type Server struct {
	cluster    *cluster
	socketDir  string
	lock       *os.File
	postmaster *process

	stop    sync.Once
	stopErr error
}

// Start starts the server, on a new cluster if there is none in o.Dir. It returns once the server
// takes connections; ctx bounds the start, not the server's life.
//
// The error is ErrLocked if another process runs the database in o.Dir, and binaries.ErrNotFound if
// there is no PostgreSQL on the machine. A cluster made by another major version of PostgreSQL is
// an error and stays as it is.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	c, err := newCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	// Others may pass: as root, the server runs as another user. What is inside is closed to them.
	if err := os.MkdirAll(c.dir, 0o755); err != nil { //nolint:gosec // see above
		return nil, notWritable(c.dir, err)
	}
	lock, err := lockDir(c.dir)
	if err != nil {
		return nil, err
	}
	s := &Server{cluster: c, lock: lock}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.cleanUp())
	}
	return s, nil
}

// newCluster returns the cluster that the options describe. It changes nothing on disk.
func newCluster(ctx context.Context, o Options) (*cluster, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder of the database: %w", err)
	}
	binDir := o.BinDir
	if binDir == "" {
		if binDir, err = binaries.Find(ctx); err != nil {
			return nil, err
		}
	}
	major, err := binaries.MajorVersion(ctx, binDir)
	if err != nil {
		return nil, err
	}
	return &cluster{dir: dir, binDir: binDir, major: major, disposable: o.Disposable}, nil
}

// start starts the server, which cleanUp cleans up after if it fails.
func (s *Server) start(ctx context.Context, o Options) error {
	if err := s.cluster.prepare(ctx, o.Progress); err != nil {
		return err
	}
	stale, err := stopOrphan(ctx, s.cluster.dataDir(), o.Progress)
	if err != nil {
		return err
	}
	if s.socketDir, err = s.cluster.makeSocketDir(); err != nil {
		return err
	}
	o.Progress(fmt.Sprintf("starting PostgreSQL %d", s.Major()))
	if s.postmaster, err = s.cluster.start(ctx, s.socketDir, stale); err != nil {
		return err
	}
	if err := s.waitReady(ctx, cmp.Or(o.Timeout, startTimeout)); err != nil {
		s.postmaster.end(ctx)
		err = fmt.Errorf("start PostgreSQL: %w%s", err, s.cluster.logTail())
		if full.MatchString(err.Error()) {
			err = notWritable(s.cluster.dir, err)
		}
		return err
	}
	return nil
}

// waitReady returns once the server takes connections. It gives up when the server refuses one for
// good, and after timeout, which begins anew while the server says that it is recovering.
func (s *Server) waitReady(ctx context.Context, timeout time.Duration) error {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for deadline := time.Now().Add(timeout); ; {
		conn, err := s.attempt(ctx, deadline)
		if err == nil {
			return conn.Close(ctx)
		}
		var refusal *pgconn.PgError
		switch {
		case errors.As(err, &refusal) && refusal.Code == cannotConnectNow:
			deadline = time.Now().Add(timeout)
		case errors.As(err, &refusal):
			return err
		case ctx.Err() == nil && time.Now().After(deadline):
			return fmt.Errorf("it takes no connections after %s: %w", timeout, err)
		}
		select {
		case <-s.postmaster.done:
			return fmt.Errorf("the server ended: %w", s.postmaster.err)
		case <-ctx.Done():
			return fmt.Errorf("%w; the last attempt: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// attempt is one attempt to connect.
func (s *Server) attempt(ctx context.Context, deadline time.Time) (*pgx.Conn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return s.Connect(ctx, "postgres")
}

// URL is where the database of that name is, as a postgres:// URL that pgx, lib/pq and psql
// understand. The role is postgres, a superuser.
func (s *Server) URL(database string) string { return socketURL(s.socketDir, port, database) }

func socketURL(socketDir string, port int, database string) string {
	query := url.Values{"host": {socketDir}, "port": {strconv.Itoa(port)}, "sslmode": {"disable"}}
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // libpq and pgx take a plus for a plus
	return u.String()
}

// BinDir is the folder of PostgreSQL's programs that the server runs from.
func (s *Server) BinDir() string { return s.cluster.binDir }

// Major is the server's major version: 15 for PostgreSQL 15.18.
func (s *Server) Major() int { return s.cluster.major }

// Done is closed when the server's process has ended, whether it was told to or not.
func (s *Server) Done() <-chan struct{} { return s.postmaster.done }

// Stop ends the server: connections are closed and everything is written to disk. Once ctx is
// done it does not wait for the writing; the next start makes up for it. A disposable server's
// folder is removed. Stop may be called again, and on a server that has ended.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() {
		s.postmaster.end(ctx)
		s.stopErr = s.cleanUp()
	})
	return s.stopErr
}

// cleanUp leaves what the next start needs, and gives the folder free.
func (s *Server) cleanUp() error {
	var errs []error
	if s.socketDir != "" {
		errs = append(errs, os.RemoveAll(s.socketDir))
	}
	if s.cluster.disposable {
		errs = append(errs, os.RemoveAll(s.cluster.dir))
	}
	errs = append(errs, s.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clean up after PostgreSQL: %w", err)
	}
	return nil
}

// Running tells whether a server runs in dir, this process's or another's, and gives its URLs as
// Server.URL does.
func Running(dir string) (url func(database string) string, ok bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, false
	}
	p, err := readPIDFile(dataDir(dir))
	if err != nil || !p.answers(context.Background()) {
		return nil, false
	}
	return func(database string) string { return socketURL(p.socketDir, p.port, database) }, true
}

// staleAfter is the age from which a disposable server's folder that nobody has locked is a killed
// run's. A new one is locked in much less.
const staleAfter = time.Minute

// RemoveStale removes what killed runs have left of disposable servers: the folders that match the
// pattern, as filepath.Glob has it, and are neither in use, new, nor another user's.
func RemoveStale(ctx context.Context, pattern string) error {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("look for what killed runs have left: %w", err)
	}
	for _, dir := range found {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < staleAfter {
			continue // another process was faster, or it is too young
		}
		err = Remove(ctx, dir)
		if errors.Is(err, ErrLocked) || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			continue // in use, gone, or another user's
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Remove removes what a disposable server has left in dir when its process was killed. The error
// is ErrLocked if the server is in use.
func Remove(ctx context.Context, dir string) error {
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := stopOrphan(ctx, dataDir(dir), func(string) {}); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(farSocketDir(dir)), os.RemoveAll(dir)); err != nil {
		return fmt.Errorf("remove a disposable database: %w", err)
	}
	return nil
}

// notWritable says that a folder cannot hold the database.
func notWritable(dir string, err error) error {
	return fmt.Errorf("the database cannot be kept in %s: set DATA_DIR to a writable directory with 200 MB of room: %w", dir, err)
}

// Explain adds to the error of a connection that the disk is full, if the server's log says so: the
// server may end without a word to its clients.
func (s *Server) Explain(err error) error {
	tail := s.cluster.logTail()
	if err == nil || !full.MatchString(tail) {
		return err
	}
	return fmt.Errorf("%w%s", notWritable(s.cluster.dir, err), tail)
}

// full is what PostgreSQL's programs say when the disk cannot be written to.
var full = regexp.MustCompile(`No space left on device|Read-only file system|Disk quota exceeded|could not .*: Permission denied`)

// lockDir locks dir until the file is closed. The lock is the kernel's, so it ends with the
// process at the latest.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // a path of ours
	if err != nil {
		return nil, notWritable(dir, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w in %s", ErrLocked, dir)
	}
	return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
}
