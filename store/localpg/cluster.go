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
	// maxSocketPath is macOS's limit in bytes. Linux has 107.
	maxSocketPath = 103
	// maxLog is the size from which a start begins the log anew, in bytes.
	maxLog = 10 << 20
	// logTailSize is how much of the log goes into an error, in bytes.
	logTailSize = 2 << 10
)

// settings of every server.
var settings = []string{
	"listen_addresses=", // the socket alone
	"max_connections=100",
	"timezone=UTC", // the same answers on every machine
}

// disposableSettings are for data that nobody misses: they trade safety for speed, and keep small
// what is often in memory.
var disposableSettings = []string{
	"fsync=off",
	"synchronous_commit=off",
	"full_page_writes=off",
	"wal_level=minimal",
	"max_wal_senders=0",
	"min_wal_size=32MB",
	"max_wal_size=128MB",
	"max_connections=300",             // many tests at once, each with a pool
	"dynamic_shared_memory_type=mmap", // files in the cluster, so nothing is left elsewhere
}

// cluster is a database cluster on disk, and how to run PostgreSQL's programs on it.
type cluster struct {
	dir        string
	binDir     string
	major      int // of the programs in binDir
	disposable bool
	account    account
}

func dataDir(dir string) string { return filepath.Join(dir, "data") }

func (c *cluster) dataDir() string { return dataDir(c.dir) }

func (c *cluster) logFile() string { return filepath.Join(c.dir, "log") }

// prepare makes the cluster if there is none, and checks the one there is.
func (c *cluster) prepare(ctx context.Context, progress func(string)) error {
	version, err := os.ReadFile(filepath.Join(c.dataDir(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		// Only an empty folder can be removed so.
		if err := os.Remove(c.dataDir()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s has other things in it than a PostgreSQL cluster: set DATA_DIR to another folder, or remove this one", c.dataDir())
		}
		progress("creating a PostgreSQL cluster in " + c.dir)
		return c.create(ctx)
	}
	if err != nil {
		return fmt.Errorf("read the cluster's version: %w", err)
	}
	if v := strings.TrimSpace(string(version)); v != strconv.Itoa(c.major) {
		return fmt.Errorf("the database in %s was made by PostgreSQL %s, and %s is PostgreSQL %d: set PG_BINDIR to version %s, set DATA_DIR to another folder, or remove this one",
			c.dir, v, c.binDir, c.major, v)
	}
	if c.account, err = accountOf(c.dataDir()); err != nil {
		return fmt.Errorf("open the cluster: %w", err)
	}
	return nil
}

// create makes a new cluster. It gets its name when it is whole, so a start that is killed leaves
// nothing that looks like one.
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
	folder, err := os.MkdirTemp(c.dir, "new-")
	if err != nil {
		return notWritable(c.dir, err)
	}
	// Without --no-locale and an encoding they are those of the environment, and text sorts
	// differently on each machine.
	args := []string{"--username", superuser, "--auth", "trust", "--encoding", "UTF8", "--no-locale"}
	if c.disposable {
		args = append(args, "--no-sync")
	}
	if c.account, err = accountFor(folder); err == nil {
		err = c.run(ctx, "initdb", folder, args...)
	}
	if err == nil {
		err = os.Rename(folder, c.dataDir())
	}
	if err != nil && full.MatchString(err.Error()) {
		err = notWritable(c.dir, err)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("create a cluster: %w", err), os.RemoveAll(folder))
	}
	return nil
}

// run runs a program of PostgreSQL's on a data directory to its end.
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

// command is a program of PostgreSQL's with a data directory, to be run as the cluster's account.
// held is to be closed once it has started.
func (c *cluster) command(ctx context.Context, name, data string, args ...string) (_ *exec.Cmd, held *os.File, err error) {
	if held, err = os.Open(data); err != nil { //nolint:gosec // a path of ours
		return nil, nil, fmt.Errorf("open the cluster: %w", err)
	}
	if !c.reachable() {
		if heldDir == "" {
			_ = held.Close() // nothing was written
			return nil, nil, fmt.Errorf("as root, PostgreSQL runs as another user, who cannot reach %s: set DATA_DIR to a folder that is open to others", c.dir)
		}
		data = heldDir
	}
	program := filepath.Join(c.binDir, name)
	cmd := exec.CommandContext(ctx, program, append([]string{"-D", data}, args...)...) //nolint:gosec // PostgreSQL's
	cmd.Dir = "/"                                                                      // ours may be closed to the account
	// libpq's variables set defaults of the server too.
	cmd.Env = append(WithoutLibpq(os.Environ()), "LC_ALL=C", "TZ=UTC")
	cmd.ExtraFiles = []*os.File{held}
	cmd.SysProcAttr = c.account.attributes()
	return cmd, held, nil
}

// start starts the server. stale is the number that stopOrphan has found in postmaster.pid.
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
		// PostgreSQL then takes over a postmaster.pid with this number, and still makes sure that
		// no connection of the old server is at work, as it would not if we removed the file.
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
	return log, nil
}

// logTail is the end of the log, for an error: from a new line on, or nothing.
func (c *cluster) logTail() string {
	f, err := os.Open(c.logFile())
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > logTailSize {
		if _, err := f.Seek(-logTailSize, io.SeekEnd); err != nil {
			return ""
		}
	}
	tail, err := io.ReadAll(f)
	if err != nil || len(tail) == 0 {
		return ""
	}
	return fmt.Sprintf("\nthe end of %s:\n%s", f.Name(), bytes.TrimSpace(tail))
}

// reachable tells whether the account can get to the cluster's folder.
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

// makeSocketDir makes the folder of the socket, closed to other users.
func (c *cluster) makeSocketDir() (string, error) {
	folder := filepath.Join(c.dir, "socket")
	// PostgreSQL takes a comma for the end of a folder's name.
	if len(folder)+len("/.s.PGSQL.5432") > maxSocketPath || strings.Contains(folder, ",") || !c.reachable() {
		folder = farSocketDir(c.dir)
	}
	if err := os.RemoveAll(folder); err != nil { // a killed server's
		return "", fmt.Errorf("remove an old socket: %w", err)
	}
	// This fails if somebody else was faster to make it, which in /tmp could be anybody.
	err := os.Mkdir(folder, 0o700)
	if err == nil {
		err = c.account.own(folder)
	}
	if err != nil {
		return "", fmt.Errorf("make the folder of the socket: %w", err)
	}
	return folder, nil
}

// farSocketDir is the folder of the socket where dir's path is too long for one, has a comma, or is
// closed to the server's user. Its name follows from dir, so a start finds what a killed one has left. It is in
// /tmp because TMPDIR may be as long or as closed as dir.
func farSocketDir(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return fmt.Sprintf("/tmp/pagila-api-socket-%x", sum[:8])
}
