package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// drainBytes and drainTime limit what is read after a good end, which normally is the last chunk
	// of five bytes. After that the connection can serve the next call.
	drainBytes = 4 << 10
	drainTime  = 50 * time.Millisecond
)

// checkedBody reads the body of a response, checks it, and adds the answer to the exchange.
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
	framed    bool   // HTTP says where the body ends
	text      []byte // all that has arrived
	hasDeltas bool   // some of the text arrived in parts
	hasFinish bool   // a finish reason has arrived
	hasWhole  bool   // the whole answer has arrived in one document
	done      bool   // the answer has ended
}

// newCheckedBody takes over the upstream's response. The cancel function ends the request.
func newCheckedBody(ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response, w *watchdog, x *exchange, d *doer) *checkedBody {
	b := &checkedBody{
		ctx: ctx, cancel: cancel, upstream: resp.Body, header: resp.Header, watchdog: w, dialect: d.dialect, key: d.key, exchange: x,
		framed: resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 || resp.ProtoMajor >= 2,
	}
	b.meter = newMeter(resp.Body, w, d.maxBytes, x.budget)
	b.documents = newDocuments(b.meter, w.contentArrived)
	return b
}

// start reads up to the first text, or to the end if there is none. A request that fails before that
// can be sent again.
func (b *checkedBody) start() *Error {
	if err := b.next(); err != nil && !errors.Is(err, io.EOF) {
		return b.cause(err)
	}
	return nil
}

// next reads up to the next text if the answer is streamed, or to its end. After that it returns io.EOF.
func (b *checkedBody) next() error {
	for !b.done {
		doc, err := b.documents.next()
		if err != nil {
			doc, err = b.atEnd(err)
		}
		if err != nil {
			return err
		}
		f, err := b.parse(doc)
		if err != nil {
			return err
		}
		if err := b.take(f); err != nil {
			return err
		}
		b.done = f.end
		if f.text != "" && b.exchange.stream {
			return nil
		}
	}
	return io.EOF
}

// atEnd decides what an error of the documents means, including io.EOF. After the finish reason, a body
// without an end mark is whole, unless only the end of the connection ends it: it may be cut short. If the
// documents are not in events, or the answer came in one document, there is no mark to wait for, and
// whatever cannot be read after the finish reason is not part of the answer.
func (b *checkedBody) atEnd(err error) (document, error) {
	unmarked := b.documents.bare || b.hasWhole
	malformed := isKind(err, KindBadResponse) && !errors.Is(err, errTooLarge)
	ended := errors.Is(err, io.EOF) || errors.Is(err, errEndInEvent)
	silent := isKind(context.Cause(b.ctx), KindStalled)
	switch {
	case b.hasFinish && ended && (unmarked || b.framed), b.hasFinish && unmarked && (malformed || silent):
		return document{data: []byte(doneMark)}, nil
	case errors.Is(err, io.EOF):
		return document{}, io.ErrUnexpectedEOF
	}
	return document{}, err
}

// parse reads the fragment of the answer that is in a document.
func (b *checkedBody) parse(doc document) (fragment, error) {
	if doc.done() {
		return fragment{end: true}, nil // the guard sees whether there was a finish reason
	}
	if e := inBandError(doc, b.header, b.key); e != nil {
		return fragment{}, e
	}
	if skip, err := b.skippable(doc); skip || err != nil {
		return fragment{}, err
	}
	f, err := b.dialect.parse(doc.data)
	if err != nil {
		return fragment{}, malformedError()
	}
	if f.refusal {
		return fragment{}, &Error{Kind: KindFiltered, Status: http.StatusOK, Err: errors.New("the model refuses to answer")}
	}
	if !b.exchange.tools {
		f.calls = nil // no tools were offered
	}
	return b.align(f, len(doc.data)), nil
}

// align relates a fragment, from a document of size bytes, to the answer so far. What repeats the answer is
// removed.
func (b *checkedBody) align(f fragment, size int) fragment {
	if f.whole {
		f.text = b.unseen(f.text)
	}
	// If no stream was asked for, one document is the whole answer.
	f.end = f.end || f.whole && (f.finish != "" || len(f.calls) > 0) && b.documents.bare && !b.exchange.stream
	if f.thought && f.text == "" {
		b.meter.allow(size)
	}
	return f
}

// skippable reports whether a document cannot have text or an error in it: it is not an object, or it
// belongs to an event of another name. Data that does not even begin like JSON is a ping or a comment.
// Malformed JSON may have been text, unless the answer has ended.
func (b *checkedBody) skippable(doc document) (bool, error) {
	if doc.valid {
		return doc.data[0] != '{', nil
	}
	if b.hasFinish || doc.event != "" && doc.event != "message" || !beginsLikeJSON(doc.data) {
		return true, nil
	}
	return false, malformedError()
}

// unseen returns what the text of a whole answer adds to the text so far. Some servers repeat the answer at
// its end, some send in each document all the text so far, and some write just the next part where the
// whole belongs.
func (b *checkedBody) unseen(text string) string {
	rest, extends := strings.CutPrefix(text, string(b.text))
	if extends {
		return rest
	}
	repeated := []byte(strings.TrimSpace(text))
	if b.hasDeltas && (bytes.HasPrefix(b.text, repeated) || bytes.HasSuffix(bytes.TrimSpace(b.text), repeated)) {
		return "" // the whole answer is trimmed, or lacks the thoughts
	}
	return text
}

// take records what a fragment contains.
func (b *checkedBody) take(f fragment) error {
	if f.text != "" || len(f.calls) > 0 || f.thought || f.finish != "" {
		b.watchdog.contentArrived()
	}
	b.text = append(b.text, f.text...)
	b.hasDeltas = b.hasDeltas || f.text != "" && !f.whole
	_, ended := kindOfReason(f.finish)
	// A document that is not in an event has all calls of the answer.
	b.hasFinish = b.hasFinish || ended || f.whole && len(f.calls) > 0 && b.documents.bare
	b.hasWhole = b.hasWhole || f.whole
	return b.exchange.take(f)
}

// cause finds the true cause of an error.
func (b *checkedBody) cause(err error) *Error {
	if timeout, ok := errors.AsType[*Error](context.Cause(b.ctx)); ok {
		return timeout
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	// Any other error means that the answer is cut.
	return &Error{Kind: KindTruncated, Status: http.StatusOK, Err: transportError(err)}
}

// fail returns the true cause of an error in an answer that had begun. If the caller's context has ended, the guard
// has a better error.
func (b *checkedBody) fail(caller context.Context, err error) *Error {
	e := b.cause(err)
	e = e.withKindByWords(e.refusal.kindByWords)
	if caller.Err() == nil {
		b.exchange.fail(e)
	}
	return e
}

// Close ends the request. After a good end it leaves the connection usable.
func (b *checkedBody) Close() error {
	if b.done {
		b.watchdog.idle.Reset(drainTime)
		// This fails only if the upstream continues after its end. Then the connection is closed.
		_, _ = io.CopyN(io.Discard, b.upstream, drainBytes)
	}
	b.watchdog.stop()
	b.cancel(nil)
	return b.upstream.Close()
}
