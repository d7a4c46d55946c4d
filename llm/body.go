package llm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// drainBytes and drainTime are for what follows a good end, normally the last chunk of five
	// bytes. Once that is read the connection can serve the next call.
	drainBytes = 4 << 10
	drainTime  = 50 * time.Millisecond

	// maxThoughtBytes is how much of a response may be thoughts, which do not count otherwise. No
	// model in use thinks for longer.
	maxThoughtBytes = 16 << 20
	// thoughtTokenBytes is ample for one token of thoughts within the text, framing included.
	thoughtTokenBytes = 1 << 10
)

// checkedBody is a response's body as the adapter sees it. It yields what the dialect has checked,
// fails with an [*Error], and ends well only where the answer does.
type checkedBody struct {
	ctx      context.Context // the request's; its cause says who ended it
	cancel   context.CancelCauseFunc
	upstream io.ReadCloser
	header   http.Header
	patience *patience
	meter    *meter
	frames   *frames
	dialect  dialect
	key      string
	exchange *exchange
	framed   bool        // HTTP says where the body ends
	text     []byte      // that has come
	deltas   bool        // some of it came in parts
	finished bool        // a reason for the end has come
	wholly   bool        // the whole answer has come in one document
	buffer   []byte      // checked, and not read yet
	done     atomic.Bool // the answer has ended well, and Read is through with the upstream
}

// newCheckedBody takes over the upstream's response. The cancel function ends the request.
func newCheckedBody(ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response, p *patience, x *exchange, d *doer) *checkedBody {
	b := &checkedBody{
		ctx: ctx, cancel: cancel, upstream: resp.Body, header: resp.Header, patience: p, dialect: d.dialect, key: d.key, exchange: x,
		framed: resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 || resp.ProtoMajor >= 2,
	}
	b.meter = &meter{reader: resp.Body, patience: p, limit: d.maxBytes + int64(x.room)*thoughtTokenBytes, thoughts: maxThoughtBytes}
	b.frames = newFrames(b.meter, p.live)
	return b
}

// start reads as far as the first text, or the end where that comes first. What fails until then can
// still be tried again.
func (b *checkedBody) start() *Error {
	piece, err := b.next()
	b.buffer = piece
	if err != nil && !errors.Is(err, io.EOF) {
		return b.reason(err)
	}
	return nil
}

// Read returns checked bytes.
func (b *checkedBody) Read(p []byte) (int, error) {
	for len(b.buffer) == 0 {
		piece, err := b.next()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			e := b.reason(err)
			e = e.worded(e.refusal.words)
			if _, impatient := errors.AsType[*Error](context.Cause(b.ctx)); impatient || b.ctx.Err() == nil {
				b.exchange.fail(e)
			} // else the caller's context has ended, which the guard sees for itself
			return 0, e
		}
		b.buffer = piece
	}
	n := copy(p, b.buffer)
	b.buffer = b.buffer[n:]
	return n, nil
}

// next returns what the adapter gets for the next text, then for the end, then io.EOF.
func (b *checkedBody) next() ([]byte, error) {
	for !b.done.Load() {
		f, err := b.frames.next()
		if err != nil {
			f, err = b.ended(err)
		}
		if err != nil {
			return nil, err
		}
		p, err := b.parse(f)
		if err != nil {
			return nil, err
		}
		wake, last := b.dialect.adapterGets(b.exchange)
		if b.take(p); p.end {
			b.done.Store(true)
			return last, nil
		}
		if p.text != "" && len(wake) > 0 {
			return wake, nil
		}
	}
	return nil, io.EOF
}

// ended is what an error of the frames stands for, io.EOF included. After the reason for the answer's end
// a body without a mark of its own is whole, unless the connection's end is its only end: that may be a
// cut. Where documents are not in events, or the answer came in one, there is no mark to wait for, and
// what cannot be read after the reason is no part of the answer.
func (b *checkedBody) ended(err error) (frame, error) {
	unmarked := b.frames.bare || b.wholly
	malformed := isKind(err, KindBadResponse) && !errors.Is(err, errTooLarge)
	whole := errors.Is(err, io.EOF) || errors.Is(err, errEndInEvent)
	silent := isKind(context.Cause(b.ctx), KindStalled)
	switch {
	case b.finished && whole && (unmarked || b.framed), b.finished && unmarked && (malformed || silent):
		return frame{data: []byte(doneMark)}, nil
	case errors.Is(err, io.EOF):
		return frame{}, io.ErrUnexpectedEOF
	}
	return frame{}, err
}

// parse reads a frame. Anything but an object carries neither text nor an error, and so does an event of
// another name. Data that does not even begin like JSON is a ping or a comment; data that does, and is
// malformed, may have been text.
func (b *checkedBody) parse(f frame) (piece, error) {
	if f.done() {
		return piece{end: true}, nil // whether there was a finish reason is for the guard to see
	}
	if e := inBandError(f, b.header, b.key); e != nil {
		return piece{}, e
	}
	switch {
	case !f.valid:
		if b.finished || f.event != "" && f.event != "message" || !beginsLikeJSON(f.data) {
			return piece{}, nil
		}
		return piece{}, malformedError()
	case f.data[0] != '{':
		return piece{}, nil
	}
	p, err := b.dialect.parse(f.data)
	switch {
	case err != nil:
		return piece{}, malformedError()
	case p.refusal:
		return piece{}, &Error{Kind: KindFiltered, Status: http.StatusOK, Err: errors.New("the model refuses")}
	case p.whole:
		p.text = b.news(p.text)
	}
	// Where no stream was asked for, one document is the answer, and nobody waits for more.
	p.end = p.end || p.whole && p.finish != "" && b.frames.bare && !b.exchange.stream
	if p.thought && p.text == "" {
		b.meter.allow(len(f.data))
	}
	return p, nil
}

// news is what a text that stands in the place of a whole answer adds to the text so far. Some servers
// repeat the answer at its end, some send in each document all that they have, and some only write a part
// where the whole belongs.
func (b *checkedBody) news(text string) string {
	rest, extends := strings.CutPrefix(text, string(b.text))
	switch repeated := strings.TrimSpace(text); {
	case extends:
		return rest
	case b.deltas && (bytes.HasPrefix(b.text, []byte(repeated)) || bytes.HasSuffix(bytes.TrimSpace(b.text), []byte(repeated))):
		return "" // trimmed, or without the thoughts
	}
	return text
}

// take notes what a piece says.
func (b *checkedBody) take(p piece) {
	if p.text != "" || p.thought || p.finish != "" {
		b.patience.live()
	}
	b.text = append(b.text, p.text...)
	b.deltas = b.deltas || p.text != "" && !p.whole
	b.finished = b.finished || worse("", p.finish) != ""
	b.wholly = b.wholly || p.whole
	b.exchange.take(p)
}

// reason finds the true reason for an error.
func (b *checkedBody) reason(err error) *Error {
	if impatient, ok := errors.AsType[*Error](context.Cause(b.ctx)); ok {
		return impatient
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	// Whatever breaks a body, the answer has been cut.
	return &Error{Kind: KindTruncated, Status: http.StatusOK, Err: transportError(err)}
}

// Close ends the request. After a good end it leaves the connection usable.
func (b *checkedBody) Close() error {
	if b.done.Load() {
		b.patience.idle.Reset(drainTime)
		// Only an upstream that goes on after its end fails here, and its connection is then closed.
		_, _ = io.CopyN(io.Discard, b.upstream, drainBytes)
	}
	b.patience.stop()
	b.cancel(nil)
	return b.upstream.Close()
}

// patience ends a request that takes too long: first to begin with its answer, then between two
// bytes.
type patience struct {
	first, idle *time.Timer
	pause       time.Duration
	alive       bool // the answer has begun; used only by the goroutine that reads the response
}

// newPatience begins with the wait for the answer, without limit where that is 0.
func newPatience(cancel context.CancelCauseFunc, first, pause time.Duration) *patience {
	if first == 0 {
		first = math.MaxInt64
	}
	after := func(d time.Duration, kind Kind, what string) *time.Timer {
		return time.AfterFunc(d, func() { cancel(newError(kind, "%s for %s", what, d)) })
	}
	p := &patience{first: after(first, KindTimeout, "no content"), idle: after(pause, KindStalled, "no data"), pause: pause}
	p.idle.Stop()
	return p
}

// live says that the answer has begun. From then on, silence is what counts.
func (p *patience) live() {
	if !p.alive {
		p.alive = true
		p.first.Stop()
		p.idle.Reset(p.pause)
	}
}

// noise says that something has come.
func (p *patience) noise() {
	if p.alive {
		p.idle.Reset(p.pause)
	}
}

func (p *patience) stop() {
	p.first.Stop()
	p.idle.Stop()
}

// meter watches a body: each byte shows that the upstream is there, and too many are an error.
type meter struct {
	reader   io.Reader
	patience *patience
	limit    int64
	thoughts int64 // how much of the body may still be thoughts beside that
	count    int64
}

// allow takes bytes for thoughts, which do not count.
func (m *meter) allow(n int) {
	more := min(int64(n), m.thoughts)
	m.limit += more
	m.thoughts -= more
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.reader.Read(p)
	if n > 0 {
		m.patience.noise()
	}
	m.count += int64(n)
	if m.count > m.limit {
		return 0, &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errTooLarge}
	}
	return n, err
}

var errTooLarge = errors.New("the response is larger than the limit")
