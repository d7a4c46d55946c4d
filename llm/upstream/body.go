package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// drainBytes and drainTime limit what is read after a good end, which normally is the last chunk
	// of five bytes. After that the connection can serve the next call.
	drainBytes = 4 << 10
	drainTime  = 50 * time.Millisecond
)

// checkedBody is the body of a response as the adapter sees it. It yields what the dialect has
// checked, fails with an [*Error], and ends with io.EOF only if the answer has ended.
type checkedBody struct {
	ctx       context.Context // the request's; its cause says who ended it
	cancel    context.CancelCauseFunc
	upstream  io.ReadCloser
	header    http.Header
	watchdog  *watchdog
	meter     *meter
	documents *documents
	dialect   dialect
	key       string
	exchange  *exchange
	hasText   bool        // some text has arrived
	hasFinish bool        // a finish reason has arrived
	hasWhole  bool        // the whole answer has arrived in one document
	checked   []byte      // not read yet
	done      atomic.Bool // the answer has ended, and Read does not use the upstream any more
}

// newCheckedBody takes over the upstream's response. The cancel function ends the request.
func newCheckedBody(ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response, w *watchdog, x *exchange, d *doer) *checkedBody {
	b := &checkedBody{
		ctx: ctx, cancel: cancel, upstream: resp.Body, header: resp.Header, watchdog: w, dialect: d.dialect, key: d.key, exchange: x,
	}
	b.meter = newMeter(resp.Body, w, d.maxBytes, x.budget)
	b.documents = newDocuments(b.meter, w.contentArrived)
	return b
}

// start reads up to the first text, or to the end if there is none. A request that fails before that
// can be sent again.
func (b *checkedBody) start() *Error {
	checked, err := b.next()
	b.checked = checked
	if err != nil && !errors.Is(err, io.EOF) {
		return b.cause(err)
	}
	return nil
}

// Read returns checked bytes.
func (b *checkedBody) Read(p []byte) (int, error) {
	for len(b.checked) == 0 {
		checked, err := b.next()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			e := b.cause(err)
			// If the caller's context has ended, the guard sees that for itself.
			if _, timedOut := errors.AsType[*Error](context.Cause(b.ctx)); timedOut || b.ctx.Err() == nil {
				b.exchange.fail(e)
			}
			return 0, e
		}
		b.checked = checked
	}
	n := copy(p, b.checked)
	b.checked = b.checked[n:]
	return n, nil
}

// next returns what the adapter gets for the next text, then what it gets for the end, then io.EOF.
func (b *checkedBody) next() ([]byte, error) {
	for !b.done.Load() {
		doc, err := b.documents.next()
		if errors.Is(err, io.EOF) {
			doc, err = b.atEOF()
		}
		if err != nil {
			return nil, err
		}
		p, err := b.parse(doc)
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

// atEOF decides what a body that ends without an end mark means. If the documents are not in events,
// or the answer came in one document, nothing but the finish reason marks the end.
func (b *checkedBody) atEOF() (document, error) {
	if b.hasFinish && (b.documents.bare || b.hasWhole) {
		return document{data: []byte(doneMark)}, nil
	}
	return document{}, io.ErrUnexpectedEOF
}

// parse reads a document as a piece of the answer.
func (b *checkedBody) parse(doc document) (piece, error) {
	if doc.done() {
		return piece{end: true}, nil // the guard sees whether there was a finish reason
	}
	if e := inBandError(doc, b.header, b.key); e != nil {
		return piece{}, e
	}
	if skip, err := skippable(doc); skip || err != nil {
		return piece{}, err
	}
	p, err := b.dialect.parse(doc.data)
	if err != nil {
		return piece{}, malformedError()
	}
	if p.refusal {
		return piece{}, &Error{Kind: KindFiltered, Status: http.StatusOK, Err: errors.New("the model refuses to answer")}
	}
	if p.whole && b.hasText {
		p.text = "" // it repeats what was streamed
	}
	p.end = p.end || p.whole && b.documents.bare
	if p.thought && p.text == "" {
		b.meter.allow(len(doc.data))
	}
	return p, nil
}

// skippable says whether a document cannot have text or an error in it: it is not an object, or it
// belongs to an event of another name.
func skippable(doc document) (bool, error) {
	if doc.valid {
		return doc.data[0] != '{', nil
	}
	if doc.event != "" && doc.event != "message" {
		return true, nil
	}
	return false, malformedError()
}

// take records what a piece contains.
func (b *checkedBody) take(p piece) {
	if p.text != "" || p.thought || p.finish != "" {
		b.watchdog.contentArrived()
	}
	b.hasText = b.hasText || p.text != ""
	b.hasFinish = b.hasFinish || p.finish != ""
	b.hasWhole = b.hasWhole || p.whole
	b.exchange.take(p)
}

// cause finds the true cause of an error.
func (b *checkedBody) cause(err error) *Error {
	if timeout, ok := errors.AsType[*Error](context.Cause(b.ctx)); ok {
		return timeout
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	// Whatever breaks a body has cut the answer.
	return &Error{Kind: KindTruncated, Status: http.StatusOK, Err: transportError(err)}
}

// Close ends the request. After a good end it leaves the connection usable.
func (b *checkedBody) Close() error {
	if b.done.Load() {
		b.watchdog.idle.Reset(drainTime)
		// This fails only if the upstream continues after its end. Then the connection is closed.
		_, _ = io.CopyN(io.Discard, b.upstream, drainBytes)
	}
	b.watchdog.stop()
	b.cancel(nil)
	return b.upstream.Close()
}
