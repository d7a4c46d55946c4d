package localpg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// maxSocketPath is the limit of macOS in bytes. The limit of Linux is 107.
	maxSocketPath = 103
	// maxLog is the size in bytes above which a start truncates the log.
	maxLog = 10 << 20
	// logTailSize is how many bytes of the log an error contains.
	logTailSize = 2 << 10
)

// settings are the settings of every server.
var settings = []string{
	"listen_addresses=", // only the socket
	"max_connections=100",
	"timezone=UTC", // the same results on every machine
}

// disposableSettings are for data that may be lost: they trade safety for speed. They also keep the files
// small, which are often in memory.
var disposableSettings = []string{
	"fsync=off",
	"synchronous_commit=off",
	"full_page_writes=off",
	"wal_level=minimal",
	"max_wal_senders=0",
	"min_wal_size=32MB",
	"max_wal_size=128MB",
	"max_connections=300",             // many tests at once, each with a pool
	"dynamic_shared_memory_type=mmap", // in files of the cluster, so that none remain elsewhere
}

// cluster is a database cluster on disk, with the programs that work on it.
type cluster struct {
	dir        string
	binDir     string
	major      int // of the programs in binDir
	disposable bool
	account    account
	logged     int64 // the size of the log before the last start
}

func dataDir(dir string) string { return filepath.Join(dir, "data") }

func (c *cluster) dataDir() string { return dataDir(c.dir) }

func (c *cluster) logFile() string { return filepath.Join(c.dir, "log") }

// prepare creates the cluster, or checks the existing one.
func (c *cluster) prepare(ctx context.Context, progress func(string)) error {
	version, err := os.ReadFile(filepath.Join(c.dataDir(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		// Remove fails if the directory is not empty.
		if err := os.Remove(c.dataDir()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s contains something other than a PostgreSQL cluster: set DATA_DIR to another directory, or remove this one", c.dataDir())
		}
		progress("creating a PostgreSQL cluster in " + c.dir)
		return c.create(ctx)
	}
	if err != nil {
		return fmt.Errorf("read the cluster's version: %w", err)
	}
	if v := strings.TrimSpace(string(version)); v != strconv.Itoa(c.major) {
		return fmt.Errorf("the database in %s was made by PostgreSQL %s, but %s is PostgreSQL %d: set PG_BINDIR to version %s, set DATA_DIR to another directory, or remove this one",
			c.dir, v, c.binDir, c.major, v)
	}
	if c.account, err = accountOf(c.dataDir()); err != nil {
		return fmt.Errorf("open the cluster: %w", err)
	}
	return nil
}

// create creates a cluster. The cluster gets its name only when it is complete, so a process that is killed
// leaves nothing that looks like a cluster.
func (c *cluster) create(ctx context.Context) error {
	unfinished, err := filepath.Glob(filepath.Join(c.dir, "new-*"))
	if err != nil {
		return fmt.Errorf("look for unfinished clusters: %w", err)
	}
	for _, old := range unfinished {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("remove an unfinished cluster: %w", err)
		}
	}
	temp, err := os.MkdirTemp(c.dir, "new-")
	if err != nil {
		return notWritable(c.dir, err)
	}
	// By default, the environment decides about the locale and the encoding. Then text would sort differently
	// on each machine.
	args := []string{"--username", superuser, "--auth", "trust", "--encoding", "UTF8", "--no-locale"}
	if c.disposable {
		args = append(args, "--no-sync")
	}
	if c.account, err = accountFor(temp); err == nil {
		err = c.run(ctx, "initdb", temp, args...)
	}
	if err == nil {
		err = os.Rename(temp, c.dataDir())
	}
	if err != nil && full.MatchString(err.Error()) {
		err = notWritable(c.dir, err)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("create a cluster: %w", err), os.RemoveAll(temp))
	}
	return nil
}

// run runs a PostgreSQL program on a data directory, and waits until it ends.
func (c *cluster) run(ctx context.Context, name, data string, args ...string) error {
	cmd, held, err := c.command(ctx, name, data, args...)
	if err != nil {
		return err
	}
	defer held.Close()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	p, err := startProcess(ctx, cmd)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := p.wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, errors.Join(ctx.Err(), err), bytes.TrimSpace(output.Bytes()))
	}
	return nil
}

// command returns a command that runs a PostgreSQL program on a data directory as the cluster's account. The
// caller closes held once the command has started.
func (c *cluster) command(ctx context.Context, name, data string, args ...string) (_ *exec.Cmd, held *os.File, err error) {
	if held, err = os.Open(data); err != nil { //nolint:gosec // a path of ours
		return nil, nil, fmt.Errorf("open the cluster: %w", err)
	}
	if !c.reachable() {
		if heldDir == "" {
			_ = held.Close() // nothing was written
			return nil, nil, fmt.Errorf("root must run PostgreSQL as another user, who has no access to %s: set DATA_DIR to a directory that other users can access", c.dir)
		}
		data = heldDir
	}
	program := filepath.Join(c.binDir, name)
	cmd := exec.CommandContext(ctx, program, append([]string{"-D", data}, args...)...) //nolint:gosec // PostgreSQL's
	cmd.Dir = "/"                                                                      // ours may be inaccessible to the account
	// Some of libpq's variables set defaults of the server too.
	cmd.Env = append(WithoutLibpq(os.Environ()), "LC_ALL=C", "TZ=UTC")
	cmd.ExtraFiles = []*os.File{held}
	cmd.SysProcAttr = c.account.attributes()
	return cmd, held, nil
}

// start starts the server. stale is the process id that stopOrphan has returned.
func (c *cluster) start(ctx context.Context, socketDir string, stale int) (*process, error) {
	args := []string{"-k", socketDir, "-p", strconv.Itoa(port)}
	all := settings
	if c.disposable {
		all = append(all[:len(all):len(all)], disposableSettings...)
	}
	for _, setting := range all {
		args = append(args, "-c", setting)
	}
	cmd, held, err := c.command(context.WithoutCancel(ctx), "postgres", c.dataDir(), args...)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	if stale != 0 {
		// With this variable, PostgreSQL takes over a postmaster.pid with this process id. It still makes
		// sure that no session of the old server is running. If we removed the file, it would not.
		cmd.Env = append(cmd.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(stale))
	}
	log, err := c.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	p, err := startProcess(ctx, cmd)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return p, nil
}

func (c *cluster) openLog() (*os.File, error) {
	flags := os.O_CREATE | os.O_APPEND | os.O_WRONLY
	if info, err := os.Stat(c.logFile()); err == nil && info.Size() > maxLog {
		flags |= os.O_TRUNC
	}
	log, err := os.OpenFile(c.logFile(), flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	if info, err := log.Stat(); err == nil {
		c.logged = info.Size()
	}
	return log, nil
}

// logTail returns the end of what was logged since the last start, for an error message, on a new line. It is empty if
// there is nothing.
func (c *cluster) logTail() string {
	f, err := os.Open(c.logFile())
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	if _, err := f.Seek(max(c.logged, info.Size()-logTailSize), io.SeekStart); err != nil {
		return ""
	}
	tail, err := io.ReadAll(f)
	if err != nil || len(tail) == 0 {
		return ""
	}
	return fmt.Sprintf("\nthe end of %s:\n%s", f.Name(), bytes.TrimSpace(tail))
}

// reachable reports whether the account has access to the cluster's directory.
func (c *cluster) reachable() bool {
	if c.account.credential == nil {
		return true
	}
	for path := c.dir; ; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if path == filepath.Dir(path) {
			return true
		}
	}
}

// makeSocketDir creates the directory of the socket. Other users cannot enter it.
func (c *cluster) makeSocketDir() (string, error) {
	dir := filepath.Join(c.dir, "socket")
	// PostgreSQL treats a comma as the end of the name.
	if len(dir)+len("/.s.PGSQL.5432") > maxSocketPath || strings.Contains(dir, ",") || !c.reachable() {
		dir = farSocketDir(c.dir)
	}
	if err := os.RemoveAll(dir); err != nil { // a killed server may have left it
		return "", fmt.Errorf("remove an old socket: %w", err)
	}
	// This fails if another process has just created the directory. In /tmp, any user can do so.
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = c.account.own(dir)
	}
	if err != nil {
		return "", fmt.Errorf("create the directory of the socket: %w", err)
	}
	return dir, nil
}

// farSocketDir returns the directory of the socket for a dir that cannot contain it. The name is derived from
// dir, so that a start finds what a killed process has left. The directory is in /tmp, because the path of
// TMPDIR may be as unsuitable as that of dir.
func farSocketDir(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return fmt.Sprintf("/tmp/pagila-api-socket-%x", sum[:8])
}
