package localpg

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// process is a program that does not outlive this process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; to be read once done is closed
}

// watchdog interrupts the process group $0 when its standard input ends. Its other end is held by
// this process alone, so the kernel ends it however this process dies, kill -9 included.
const watchdog = `read -r _; kill -s INT -- "-$0"`

// startProcess starts cmd with a watchdog. The process gets a group of its own, so that Ctrl-C at
// the terminal reaches us and not it: we end it in order.
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
		// Not by closing its input: the process's number may be another's by now.
		_ = dog.Process.Kill()
		_ = dog.Wait()    // it was killed
		_ = stdin.Close() // nobody reads it
		close(p.done)
	}()
	return p, nil
}

// wait returns how the process ended.
func (p *process) wait() error {
	<-p.done
	return p.err
}

// end shuts PostgreSQL down: fast, then, once ctx is done, immediately.
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

// signal signals the process. One that has ended needs none.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }
