package main

import (
	"io"
	"sync"
	"time"
)

const (
	// maxBacklog is how much output waits for a reader, in bytes: some thousands of lines.
	maxBacklog = 1 << 20
	// flushOutput is how long the program waits for a reader of its output before it ends.
	flushOutput = time.Second
)

// lossyWriter passes on what is written to it without making the writer wait. A pipe whose reader
// has stopped reading is full after 64 KiB and then blocks for ever. Lines beyond the backlog are
// lost and counted.
type lossyWriter struct {
	to io.Writer

	mu      sync.Mutex
	backlog []byte
	passing bool
	idle    chan struct{} // closed when nothing is left to pass on
	lost    int
	onLoss  func(lost int)
}

func newLossyWriter(to io.Writer) *lossyWriter { return &lossyWriter{to: to} }

// Write never fails: the program does not end because its output is not read.
func (w *lossyWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.backlog)+len(p) > maxBacklog {
		w.lost++
		return len(p), nil
	}
	w.backlog = append(w.backlog, p...)
	if !w.passing {
		w.passing, w.idle = true, make(chan struct{})
		go w.pass()
	}
	return len(p), nil
}

// pass writes what has been collected until there is nothing left.
func (w *lossyWriter) pass() {
	for {
		w.mu.Lock()
		p, lost, report := w.backlog, w.lost, w.onLoss
		w.backlog, w.lost = nil, 0
		if len(p) == 0 {
			w.passing = false
			close(w.idle)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		if lost > 0 && report != nil {
			report(lost) // now that the backlog has room for it, behind p
		}
		_, _ = w.to.Write(p) // a reader that has left misses it
	}
}

// setOnLoss sets what is called with the number of lost writes. It may write to w.
func (w *lossyWriter) setOnLoss(report func(lost int)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onLoss = report
}

// flush waits until everything is written, but no longer than flushOutput.
func (w *lossyWriter) flush() {
	w.mu.Lock()
	idle, passing := w.idle, w.passing
	w.mu.Unlock()
	if !passing {
		return
	}
	select {
	case <-idle:
	case <-time.After(flushOutput):
	}
}
