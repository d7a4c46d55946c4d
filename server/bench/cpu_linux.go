package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime returns the CPU time of a process so far, to the nanosecond, or false if it is unknown. /proc has it in
// hundredths of a second.
func processTime(pid int) (time.Duration, bool) {
	const perProcess = 2 // CPUCLOCK_SCHED of the kernel, for the whole process
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|perProcess), &t) //nolint:gosec // a process id has 22 bits
	return time.Duration(t.Nano()), err == nil
}
