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
	// dialTimeout is plenty for a socket on the same machine.
	dialTimeout = time.Second
	// strangerAfter is how long the process of a left-over postmaster.pid may exist without
	// answering. A server that starts or stops takes less.
	strangerAfter = 2 * time.Second
	// orphanTimeout is how long an orphan may take for a fast shutdown.
	orphanTimeout = 20 * time.Second
	// orphanInterval is how often an orphan's end is looked for.
	orphanInterval = 20 * time.Millisecond
)

// pidFile is what a postmaster says about itself in postmaster.pid.
type pidFile struct {
	pid       int
	port      int
	socketDir string // "" before it listens
}

// readPIDFile reads postmaster.pid of a cluster. Its lines are: process id, data directory, start
// time, port, socket directory, and more. The error is fs.ErrNotExist if no server runs and the
// last one ended in order.
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
	// What is not written yet is 0.
	p.pid, _ = strconv.Atoi(lines[0])
	p.port, _ = strconv.Atoi(lines[3])
	p.pid = max(p.pid, 0) // a negative number is a group to kill
	return p, nil
}

// answers tells whether a server listens on the socket.
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

// stopOrphan ends a server that a killed run has left. The caller holds the lock, so a server that
// answers is nobody's.
//
// PostgreSQL refuses to start while a process has the number in postmaster.pid. That may be a
// stranger who got the number later, as happens in a restarted container, or a killed postmaster
// whom nobody has waited for. Such a number is returned as stale.
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

// orphan is what stopOrphan knows of the server that a killed run may have left.
type orphan struct {
	data     string
	progress func(string)
	begin    time.Time
	asked    time.Time // when it was asked to stop; zero if it was not
}

// end takes the next step to end the orphan. gone says that nothing of it is left but a stale number.
func (o *orphan) end(ctx context.Context, p pidFile) (stale int, gone bool, err error) {
	switch {
	case p.pid > 0 && errors.Is(syscall.Kill(p.pid, 0), syscall.ESRCH):
		return 0, true, nil // PostgreSQL sees to it
	case p.pid > 0 && p.answers(ctx):
		return 0, false, o.stop(p.pid)
	case time.Since(o.begin) <= strangerAfter, time.Since(o.asked) <= strangerAfter:
		return 0, false, nil
	case p.pid > 0:
		return p.pid, true, nil
	}
	// Nothing in it: the machine went down in the moment it was written.
	if err := os.Remove(filepath.Join(o.data, "postmaster.pid")); err != nil {
		return 0, false, fmt.Errorf("remove an empty file: %w", err)
	}
	return 0, true, nil
}

// stop asks the process to shut down: once fast, and immediately after orphanTimeout.
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
