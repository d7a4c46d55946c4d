package upstream

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"time"
)

const (
	// maxThoughtBytes is how much of a response may be thoughts, which otherwise do not count. No
	// current model thinks for longer.
	maxThoughtBytes = 16 << 20
	// thoughtTokenBytes is ample for one token of the thoughts within the text, including framing.
	thoughtTokenBytes = 1 << 10
)

// watchdog ends a request that waits too long, first for its first content and then for each further
// byte.
type watchdog struct {
	first, idle *time.Timer
	idleTimeout time.Duration
	started     bool // there has been content; only the goroutine that reads the response uses this
}

// newWatchdog starts to wait for the first content, without limit if first is 0.
func newWatchdog(cancel context.CancelCauseFunc, first, idle time.Duration) *watchdog {
	if first == 0 {
		first = math.MaxInt64
	}
	after := func(d time.Duration, kind Kind, what string) *time.Timer {
		return time.AfterFunc(d, func() { cancel(newError(kind, "%s for %s", what, d)) })
	}
	w := &watchdog{
		first: after(first, KindTimeout, "no content"), idle: after(idle, KindStalled, "no data"), idleTimeout: idle,
	}
	w.idle.Stop()
	return w
}

// contentArrived says that there is content. From then on only silence counts.
func (w *watchdog) contentArrived() {
	if !w.started {
		w.started = true
		w.first.Stop()
		w.idle.Reset(w.idleTimeout)
	}
}

// dataArrived says that there are more bytes.
func (w *watchdog) dataArrived() {
	if w.started {
		w.idle.Reset(w.idleTimeout)
	}
}

func (w *watchdog) stop() {
	w.first.Stop()
	w.idle.Stop()
}

// meter counts the bytes of a body. Each byte shows that the upstream is alive, and too many are an
// error.
type meter struct {
	reader   io.Reader
	watchdog *watchdog
	limit    int64
	thoughts int64 // how many more bytes may be thoughts, which raise the limit
	count    int64
}

// newMeter makes a meter with a limit that leaves room for a budget of thoughts within the text.
func newMeter(body io.Reader, w *watchdog, limit int64, budget int) *meter {
	return &meter{reader: body, watchdog: w, limit: limit + int64(budget)*thoughtTokenBytes, thoughts: maxThoughtBytes}
}

// allow raises the limit by a number of bytes that are thoughts.
func (m *meter) allow(n int) {
	more := min(int64(n), m.thoughts)
	m.limit += more
	m.thoughts -= more
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.reader.Read(p)
	if n > 0 {
		m.watchdog.dataArrived()
	}
	m.count += int64(n)
	if m.count > m.limit {
		return 0, &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errTooLarge}
	}
	return n, err
}

var errTooLarge = errors.New("the response is larger than the limit")
