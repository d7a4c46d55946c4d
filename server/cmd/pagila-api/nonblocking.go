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
	// outputDelay is how long output waits for more, so that both are written by one call. Each write also wakes the
	// reader, which costs as much as a part of the response. A program that is killed loses what waits.
	outputDelay = 10 * time.Millisecond
)

// nonblockingWriter forwards what is written to it without blocking. A pipe whose reader has stopped reading is
// full after 64 KiB, and then blocks forever. Lines beyond the backlog are dropped and counted.
type nonblockingWriter struct {
	to io.Writer

	mu      sync.Mutex
	backlog []byte
	spare   []byte        // the backlog that was written last, to be used again
	busy    bool          // forward is running
	idle    chan struct{} // closed when everything has been forwarded
	hurry   chan struct{} // has a value if the output should no longer wait
	lost    int           // writes that were dropped since the last report
	onLoss  func(lost int)
}

func newNonblockingWriter(to io.Writer) *nonblockingWriter {
	return &nonblockingWriter{to: to, hurry: make(chan struct{}, 1)}
}

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
	delay := time.NewTimer(outputDelay)
	defer delay.Stop()
	for ; ; delay.Reset(outputDelay) {
		select {
		case <-delay.C:
		case <-w.hurry:
		}
		w.mu.Lock()
		p, lost, report := w.backlog, w.lost, w.onLoss
		w.backlog, w.spare, w.lost = w.spare[:0], nil, 0
		w.mu.Unlock()
		if lost > 0 && report != nil {
			report(lost) // the backlog has room for it now, after p
		}
		_, _ = w.to.Write(p) // there may be no reader any more
		if w.rest(p) {
			return
		}
	}
}

// rest ends forward if there is no backlog. It keeps the memory of what was written.
func (w *nonblockingWriter) rest(written []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spare = written
	if len(w.backlog) > 0 {
		return false
	}
	w.busy = false
	close(w.idle)
	return true
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
	case w.hurry <- struct{}{}:
	default:
	}
	select {
	case <-idle:
	case <-time.After(outputFlushTimeout):
	}
}
