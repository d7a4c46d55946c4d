// Package localpg runs a private PostgreSQL server as a child process.
//
// The server listens only on a Unix socket, so it needs no port and other users cannot reach it. It ends with
// the process that started it, even if that process is killed. If the process is root, the server runs as an
// ordinary user, because PostgreSQL refuses to run as root.
//
// One directory holds everything:
//
//	data/    the database cluster
//	socket/  the socket
//	log      the server's log
//	lock     is locked while a process runs the server
//
// The socket is in /tmp instead if the path of the directory is too long for a socket, contains a comma, or
// is not accessible to the server's user.
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

// ErrLocked says that another process runs the database in the directory.
var ErrLocked = errors.New("another process runs the database")

const (
	// superuser is the role that initdb creates. It needs no password, because other users cannot enter the
	// directory of the socket.
	superuser = "postgres"
	// port is only a part of the socket's name. It is PostgreSQL's default, so clients may omit it.
	port = 5432
	// readyInterval is short, because a start takes some 60 ms.
	readyInterval = 10 * time.Millisecond
	// startTimeout is how long a server may take until it accepts connections or reports that it recovers.
	startTimeout = time.Minute
	// occupiedTimeout is how long a start waits for the sessions of a server that was killed, and occupiedInterval the
	// time between two attempts.
	occupiedTimeout  = 20 * time.Second
	occupiedInterval = 100 * time.Millisecond
	// cannotConnectNow is the SQLSTATE of a server that starts, recovers or shuts down.
	cannotConnectNow = "57P03"
	// quitTimeout is how long an immediate shutdown may take. It is quick, because it writes nothing.
	quitTimeout = 5 * time.Second
)

// Options say which server to start.
type Options struct {
	// Dir is the directory of the server. Start creates it if it does not exist.
	Dir string
	// BinDir is the directory of PostgreSQL's programs. If it is empty, binaries.Find looks for them.
	BinDir string
	// Disposable is for tests: nothing is synced to disk, and Stop removes Dir.
	Disposable bool
	// Timeout bounds the wait until the server accepts connections. The default is one minute.
	Timeout time.Duration
	// Progress is called with each step, for a person who waits. It may be nil.
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

// Start starts the server. If o.Dir has no cluster, Start creates one. It returns once the server accepts
// connections. ctx bounds the start, but not the life of the server.
//
// The error is ErrLocked if another process runs the database in o.Dir, and binaries.ErrNotFound if the
// machine has no PostgreSQL. Start refuses a cluster of another major version of PostgreSQL and does not
// change it.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	c, err := newCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	// Other users may pass through the directory, because root runs the server as another user. They cannot
	// enter what is inside.
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

// newCluster returns the cluster that the options describe. It does not touch the disk.
func newCluster(ctx context.Context, o Options) (*cluster, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the database directory: %w", err)
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

// start starts the server. If it fails, the caller calls cleanUp.
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
	tick := time.NewTicker(occupiedInterval)
	defer tick.Stop()
	for deadline := time.Now().Add(occupiedTimeout); ; {
		err := s.launch(ctx, o, stale)
		if err == nil || !occupied.MatchString(err.Error()) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// occupied matches PostgreSQL's message that sessions of a server that was killed are still there. They end as soon as
// they notice that they have no server.
var occupied = regexp.MustCompile(`pre-existing shared memory block .* is still in use`)

// launch starts the server's process, and waits until it accepts connections.
func (s *Server) launch(ctx context.Context, o Options, stale int) (err error) {
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

// waitReady returns once the server accepts connections. It gives up when the server refuses a connection
// permanently, or after timeout. The timeout restarts whenever the server reports that it is starting or
// recovering.
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
			return fmt.Errorf("it accepts no connections after %s: %w", timeout, err)
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

// attempt tries once to connect.
func (s *Server) attempt(ctx context.Context, deadline time.Time) (*pgx.Conn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return s.Connect(ctx, "postgres")
}

// URL returns the postgres:// URL of a database, in a form that pgx, lib/pq and psql understand. The role is
// the superuser postgres.
func (s *Server) URL(database string) string { return socketURL(s.socketDir, port, database) }

func socketURL(socketDir string, port int, database string) string {
	query := url.Values{"host": {socketDir}, "port": {strconv.Itoa(port)}, "sslmode": {"disable"}}
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // libpq and pgx take a plus literally
	return u.String()
}

// BinDir returns the directory of the PostgreSQL programs that the server runs from.
func (s *Server) BinDir() string { return s.cluster.binDir }

// Major returns the server's major version, such as 15 for PostgreSQL 15.18.
func (s *Server) Major() int { return s.cluster.major }

// Done returns a channel that is closed when the server's process has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.postmaster.done }

// Stop closes the server's connections, writes everything to disk, and ends the server. Once ctx is done, it
// no longer waits for the writes, and the next start recovers the database. Stop removes the directory of a
// disposable server. It may be called again, and after the server has ended.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() {
		s.postmaster.end(ctx)
		s.stopErr = s.cleanUp()
	})
	return s.stopErr
}

// cleanUp removes what the next start does not need, and releases the lock on the directory.
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

// Running reports whether this process or another one runs a server in dir. If so, url returns the URLs of
// its databases, as Server.URL does.
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

// staleAfter is the age from which an unlocked directory of a disposable server is taken to be left by a
// killed process. A new directory is locked much sooner.
const staleAfter = time.Minute

// RemoveStale removes the directories of disposable servers that killed processes have left: those that match
// the pattern of filepath.Glob, are not new, are not in use, and belong to this user.
func RemoveStale(ctx context.Context, pattern string) error {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("look for directories that killed processes have left: %w", err)
	}
	for _, dir := range found {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < staleAfter {
			continue // another process was faster, or the directory is too new
		}
		err = Remove(ctx, dir)
		if errors.Is(err, ErrLocked) || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			continue // the directory is in use, gone, or another user's
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Remove removes the directory of a disposable server whose process was killed, and ends the server if it
// still runs. The error is ErrLocked if the server is in use.
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

// notWritable says that a directory cannot hold the database.
func notWritable(dir string, err error) error {
	return fmt.Errorf("the database cannot be stored in %s: set DATA_DIR to a writable directory with 200 MB of free space: %w", dir, err)
}

// Explain adds to the error of a connection that the disk is full, if the server's log says so. The server
// may end without an error message to its clients.
func (s *Server) Explain(err error) error {
	tail := s.cluster.logTail()
	if err == nil || !full.MatchString(tail) {
		return err
	}
	return fmt.Errorf("%w%s", notWritable(s.cluster.dir, err), tail)
}

// full matches the messages of PostgreSQL's programs when they cannot write to the disk.
var full = regexp.MustCompile(`No space left on device|Read-only file system|Disk quota exceeded|could not .*: Permission denied`)

// lockDir locks dir until the returned file is closed. The kernel holds the lock, so it ends with the process
// at the latest.
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
