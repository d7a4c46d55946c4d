package main

import (
	"io"
	"sync"
	"time"
)

const (
	// maxBacklog limits the output that waits for a reader, in bytes. It holds several thousand lines.
	maxBacklog = 1 << 20
	// outputFlushTimeout is how long the program waits for a reader of its output at the end.
	outputFlushTimeout = time.Second
)

// nonblockingWriter forwards what is written to it without blocking. A pipe whose reader has stopped reading is
// full after 64 KiB, and then blocks forever. Lines beyond the backlog are dropped and counted.
type nonblockingWriter struct {
	to io.Writer

	mu      sync.Mutex
	backlog []byte
	busy    bool          // forward is running
	idle    chan struct{} // closed when everything has been forwarded
	lost    int           // writes that were dropped since the last report
	onLoss  func(lost int)
}

func newNonblockingWriter(to io.Writer) *nonblockingWriter { return &nonblockingWriter{to: to} }

// Write never fails, so that the program does not end because nobody reads its output.
func (w *nonblockingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.backlog)+len(p) > maxBacklog {
		w.lost++
		return len(p), nil
	}
	w.backlog = append(w.backlog, p...)
	if !w.busy {
		w.busy, w.idle = true, make(chan struct{})
		go w.forward()
	}
	return len(p), nil
}

// forward writes the backlog until it is empty.
func (w *nonblockingWriter) forward() {
	for {
		w.mu.Lock()
		p, lost, report := w.backlog, w.lost, w.onLoss
		w.backlog, w.lost = nil, 0
		if len(p) == 0 {
			w.busy = false
			close(w.idle)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		if lost > 0 && report != nil {
			report(lost) // the backlog has room for it now, after p
		}
		_, _ = w.to.Write(p) // there may be no reader any more
	}
}

// setOnLoss sets the function that reports the number of lost writes. It may write to w.
func (w *nonblockingWriter) setOnLoss(report func(lost int)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onLoss = report
}

// flush waits until everything has been written, for outputFlushTimeout at most.
func (w *nonblockingWriter) flush() {
	w.mu.Lock()
	idle, busy := w.idle, w.busy
	w.mu.Unlock()
	if !busy {
		return
	}
	select {
	case <-idle:
	case <-time.After(outputFlushTimeout):
	}
}
