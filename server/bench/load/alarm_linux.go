package load

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm waits for a time. It is a timer of the kernel, because Go's own are late by half a millisecond on average: the
// runtime waits for whole milliseconds. That would hide the difference between two fast servers.
type alarm struct{ file *os.File }

func newAlarm() (alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return alarm{}, fmt.Errorf("make a timer: %w", err)
	}
	return alarm{os.NewFile(uintptr(fd), "timer")}, nil
}

// sleepUntil waits until t. Like a read from a network connection, it occupies no thread.
func (a alarm) sleepUntil(t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return nil
	}
	raw, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		once := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
		failed = unix.TimerfdSettime(int(fd), 0, &once, nil)
	})
	if err != nil || failed != nil {
		return fmt.Errorf("set a timer: %w", errors.Join(err, failed))
	}
	var expirations [8]byte
	_, err = a.file.Read(expirations[:])
	return err
}

func (a alarm) close() { _ = a.file.Close() } // nothing was written
