package llm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// drainBytes and drainTime are for what follows a good end, normally the last chunk of five
	// bytes. Once that is read the connection can serve the next call.
	drainBytes = 4 << 10
	drainTime  = 50 * time.Millisecond
)

// checkedBody is a response's body as the adapter sees it. It yields what the decoder has checked,
// fails with an [*Error], and ends well only where the answer does.
type checkedBody struct {
	ctx      context.Context // the request's; its cause says who ended it
	cancel   context.CancelCauseFunc
	upstream io.ReadCloser
	idle     *time.Timer
	next     func() ([]byte, error)
	exchange *exchange
	buffer   []byte      // checked, and not read yet
	done     atomic.Bool // the answer has ended well, and Read is through with the upstream
}

// newCheckedBody takes over the upstream's body. The cancel function ends the request.
func newCheckedBody(ctx context.Context, cancel context.CancelCauseFunc, upstream io.ReadCloser, x *exchange, d *doer) *checkedBody {
	b := &checkedBody{ctx: ctx, cancel: cancel, upstream: upstream, exchange: x}
	b.idle = time.AfterFunc(d.idle, func() {
		cancel(&Error{Kind: KindStalled, Status: http.StatusOK, Err: errors.New("no data for " + d.idle.String())})
	})
	m := &meter{reader: upstream, idle: b.idle, pause: d.idle, limit: d.maxBytes}
	b.next = d.dialect.decoder(m, x)
	return b
}

// Read returns checked bytes.
func (b *checkedBody) Read(p []byte) (int, error) {
	for len(b.buffer) == 0 {
		if b.done.Load() {
			return 0, io.EOF
		}
		piece, err := b.next()
		if errors.Is(err, io.EOF) {
			b.done.Store(true)
			continue
		}
		if err != nil {
			return 0, b.fail(err)
		}
		b.buffer = piece
	}
	n := copy(p, b.buffer)
	b.buffer = b.buffer[n:]
	return n, nil
}

// fail finds the true reason for an error and tells it to the guard, since adapters lose it.
func (b *checkedBody) fail(err error) error {
	if stalled, ok := errors.AsType[*Error](context.Cause(b.ctx)); ok {
		err = stalled
	} else if b.ctx.Err() != nil {
		return err // the caller's context has ended, which the guard sees for itself
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		// Whatever breaks a body, the answer has been cut.
		e = &Error{Kind: KindTruncated, Status: http.StatusOK, Err: transportError(err)}
	}
	b.exchange.fail(e)
	return e
}

// Close ends the request. After a good end it leaves the connection usable.
func (b *checkedBody) Close() error {
	if b.done.Load() {
		b.idle.Reset(drainTime)
		// Only an upstream that goes on after its end fails here, and its connection is then closed.
		_, _ = io.CopyN(io.Discard, b.upstream, drainBytes)
	}
	b.idle.Stop()
	b.cancel(nil)
	return b.upstream.Close()
}

// meter watches a body: each byte pushes the idle timer back, and too many are an error.
type meter struct {
	reader io.Reader
	idle   *time.Timer
	pause  time.Duration
	limit  int64
	count  int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.reader.Read(p)
	if n > 0 {
		m.idle.Reset(m.pause)
	}
	m.count += int64(n)
	if m.count > m.limit {
		return 0, &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errTooLarge}
	}
	return n, err
}

var errTooLarge = errors.New("the response is larger than the limit")
