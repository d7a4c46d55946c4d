package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// instructionCounter counts the instructions that this process executes in user space. Nil counts nothing.
type instructionCounter struct {
	files []int // one for each thread
}

func newInstructionCounter() (*instructionCounter, error) {
	c, err := openCounter(unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_INSTRUCTIONS)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, errors.New("this machine has no hardware counter, as most virtual machines")
	}
	return c, err
}

// openCounter opens a counter for the threads that there are, and for those that they start.
func openCounter(kind uint32, config uint64) (*instructionCounter, error) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	attributes := unix.PerfEventAttr{
		Type: kind, Config: config, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Bits: unix.PerfBitInherit | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	c := &instructionCounter{}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return nil, err
		}
		file, err := unix.PerfEventOpen(&attributes, id, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if errors.Is(err, unix.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			c.close()
			return nil, fmt.Errorf("perf_event_open: %w", err)
		}
		c.files = append(c.files, file)
	}
	return c, nil
}

// read returns the instructions so far, or 0 if they are not counted.
func (c *instructionCounter) read() int {
	if c == nil {
		return 0
	}
	sum := 0
	var value [8]byte
	for _, file := range c.files {
		if n, err := unix.Read(file, value[:]); err == nil && n == len(value) {
			sum += int(binary.NativeEndian.Uint64(value[:]))
		}
	}
	return sum
}

func (c *instructionCounter) close() {
	if c == nil {
		return
	}
	for _, file := range c.files {
		unix.Close(file)
	}
}

// The counter counts in all threads. It is tested with a clock, because few machines of developers count instructions.
func TestInstructionCounter(t *testing.T) {
	t.Parallel()
	c, err := openCounter(unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK)
	if err != nil {
		t.Skipf("this machine does not count anything: %v", err)
	}
	defer c.close()
	before, done := c.read(), make(chan int)
	go func() {
		x := 1
		for i := range 10_000_000 {
			x += i * x
		}
		done <- x
	}()
	<-done
	if c.read() <= before {
		t.Errorf("%d before and %d after a computation", before, c.read())
	}
}
