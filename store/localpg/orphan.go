package localpg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// dialTimeout is far longer than it takes to connect to a socket on the same machine.
	dialTimeout = time.Second
	// strangerAfter is how long the process in a left-over postmaster.pid may run without accepting
	// connections before it counts as another program. A server starts or stops faster.
	strangerAfter = 2 * time.Second
	// orphanTimeout is how long the fast shutdown of an orphan may take.
	orphanTimeout = 20 * time.Second
	// orphanInterval is the time between two checks of an orphan.
	orphanInterval = 20 * time.Millisecond
)

// pidFile is the content of postmaster.pid, in which a postmaster describes itself.
type pidFile struct {
	pid       int
	port      int
	socketDir string // "" before it listens
}

// readPIDFile reads the postmaster.pid of a cluster. Its lines are the process id, the data directory, the
// start time, the port, the socket directory, and more. The error is fs.ErrNotExist if no server runs and the
// last one was shut down properly.
func readPIDFile(data string) (pidFile, error) {
	f, err := os.Open(filepath.Join(data, "postmaster.pid")) //nolint:gosec // a path of ours
	if err != nil {
		return pidFile{}, fmt.Errorf("look for a running server: %w", err)
	}
	defer f.Close()
	var lines [5]string
	s := bufio.NewScanner(f)
	for i := 0; i < len(lines) && s.Scan(); i++ {
		lines[i] = s.Text()
	}
	if err := s.Err(); err != nil {
		return pidFile{}, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	p := pidFile{socketDir: lines[4]}
	// Numbers that are not written yet become 0.
	p.pid, _ = strconv.Atoi(lines[0])
	p.port, _ = strconv.Atoi(lines[3])
	p.pid = max(p.pid, 0) // kill treats a negative number as a process group
	return p, nil
}

// answers reports whether a server listens on the socket.
func (p pidFile) answers(ctx context.Context) bool {
	if p.socketDir == "" {
		return false
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", filepath.Join(p.socketDir, fmt.Sprintf(".s.PGSQL.%d", p.port)))
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was said
	return true
}

// stopOrphan stops a server whose parent process was killed. The caller holds the lock, so no other process
// uses a server that still accepts connections.
//
// PostgreSQL refuses to start while a process has the id in postmaster.pid. That may be another program which
// got the same id later, as happens in a restarted container, or a killed postmaster that nobody has waited
// for. stopOrphan returns such an id as stale.
func stopOrphan(ctx context.Context, data string, progress func(string)) (stale int, err error) {
	o := &orphan{data: data, progress: progress, begin: time.Now()}
	tick := time.NewTicker(orphanInterval)
	defer tick.Stop()
	for {
		p, err := readPIDFile(data)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if stale, gone, err := o.end(ctx, p); gone || err != nil {
			return stale, err
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for the server of an earlier run, process %d: %w", p.pid, ctx.Err())
		case <-tick.C:
		}
	}
}

// orphan is the state of stopOrphan.
type orphan struct {
	data     string
	progress func(string)
	begin    time.Time
	asked    time.Time // when the server was first asked to stop, or zero
}

// end takes the next step to stop the orphan. Once it is gone, at most a stale process id is left of it.
func (o *orphan) end(ctx context.Context, p pidFile) (stale int, gone bool, err error) {
	switch {
	case p.pid > 0 && errors.Is(syscall.Kill(p.pid, 0), syscall.ESRCH):
		return 0, true, nil // PostgreSQL replaces the file itself
	case p.pid > 0 && p.answers(ctx):
		return 0, false, o.stop(p.pid)
	case time.Since(o.begin) <= strangerAfter, time.Since(o.asked) <= strangerAfter:
		return 0, false, nil
	case p.pid > 0:
		return p.pid, true, nil
	}
	// The file is empty: the machine crashed while PostgreSQL wrote it.
	if err := os.Remove(filepath.Join(o.data, "postmaster.pid")); err != nil {
		return 0, false, fmt.Errorf("remove an empty postmaster.pid: %w", err)
	}
	return 0, true, nil
}

// stop requests a fast shutdown once, and an immediate one after orphanTimeout.
func (o *orphan) stop(pid int) error {
	signal := syscall.Signal(0)
	switch {
	case o.asked.IsZero():
		o.progress("stopping the PostgreSQL server of an earlier run")
		o.asked, signal = time.Now(), syscall.SIGINT
	case time.Since(o.asked) > orphanTimeout:
		signal = syscall.SIGQUIT
	}
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop the server of an earlier run, process %d: %w", pid, err)
	}
	return nil
}
