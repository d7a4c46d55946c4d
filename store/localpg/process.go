package localpg

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// process is a child process that does not outlive this process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // the result of Wait; valid once done is closed
}

// watchdog interrupts the process group $0 when its standard input ends. Only this process holds the other
// end, so the kernel closes it whenever this process ends, even by kill -9.
const watchdog = `read -r _; kill -s INT -- "-$0"`

// startProcess starts cmd with a watchdog. The process gets a process group of its own, so that Ctrl-C at the
// terminal reaches only this process, which then shuts the other one down properly.
func startProcess(ctx context.Context, cmd *exec.Cmd) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = quitTimeout
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}

	//nolint:gosec // the argument is a process id
	dog := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", watchdog, strconv.Itoa(cmd.Process.Pid))
	dog.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dog.Dir = "/"
	stdin, err := dog.StdinPipe()
	if err == nil {
		err = dog.Start()
	}
	if err != nil {
		p.signal(syscall.SIGKILL)
		_ = cmd.Wait() // it was killed
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	go func() {
		p.err = cmd.Wait()
		// Do not end it by closing its input: by now, the process id may belong to another process.
		_ = dog.Process.Kill()
		_ = dog.Wait()    // it was killed
		_ = stdin.Close() // it has no reader
		close(p.done)
	}()
	return p, nil
}

// wait waits until the process has ended, and returns its error.
func (p *process) wait() error {
	<-p.done
	return p.err
}

// end requests a fast shutdown of PostgreSQL and, once ctx is done, an immediate one.
func (p *process) end(ctx context.Context) {
	p.signal(syscall.SIGINT)
	select {
	case <-p.done:
		return
	case <-ctx.Done():
	}
	p.signal(syscall.SIGQUIT)
	select {
	case <-p.done:
	case <-time.After(quitTimeout):
		p.signal(syscall.SIGKILL)
		<-p.done
	}
}

// signal sends a signal to the process. It does not matter if the process has ended.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }
