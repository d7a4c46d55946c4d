package client

import (
	"bufio"
	"bytes"
	"io"
	"iter"
)

// maxEvent is the longest line, and the most data of an event, in bytes. A chunk of an answer is a few
// words.
const maxEvent = 1 << 20

// serverEvent is a server-sent event (HTML Standard, section 9.2).
type serverEvent struct {
	name    string
	data    []byte
	hasData bool // an event without data is not dispatched
}

// add adds a line to the event. Comments and the fields id and retry are ignored.
func (e *serverEvent) add(line []byte) {
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "event":
		e.name = string(value)
	case "data":
		if e.hasData {
			e.data = append(e.data, '\n')
		}
		e.data = append(e.data, value...)
		e.hasData = true
	}
}

// events reads server-sent events. After an error the iteration ends. The end of the stream is an error too
// ([io.ErrUnexpectedEOF]), because the caller stops at the last event of an answer. If an event is too long,
// the error is [bufio.ErrTooLong], and the event has the beginning of its data.
func events(stream io.Reader) iter.Seq2[serverEvent, error] {
	return func(yield func(serverEvent, error) bool) {
		lines := bufio.NewScanner(withoutByteOrderMark(stream))
		lines.Buffer(nil, maxEvent)
		lines.Split((&lineSplitter{}).split)
		var event serverEvent
		for lines.Scan() {
			if line := lines.Bytes(); len(line) > 0 {
				event.add(line)
			} else { // the end of the event
				if event.hasData && !yield(event, nil) {
					return
				}
				event = serverEvent{}
			}
			if len(event.data) > maxEvent {
				yield(event, bufio.ErrTooLong)
				return
			}
		}
		err := lines.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		yield(event, err)
	}
}

var byteOrderMark = []byte("\ufeff")

// withoutByteOrderMark skips the byte order mark that a stream may begin with.
func withoutByteOrderMark(stream io.Reader) io.Reader {
	r := bufio.NewReader(stream)
	if begin, err := r.Peek(len(byteOrderMark)); err == nil && bytes.Equal(begin, byteOrderMark) {
		_, _ = r.Discard(len(byteOrderMark)) // cannot fail, because the bytes are buffered
	}
	return r
}

// lineSplitter splits at CR, LF and CRLF. A line that ends with CR is complete immediately, because an
// LF may never follow.
type lineSplitter struct {
	afterCR bool
}

// split is a [bufio.SplitFunc]. It ignores a last line that is not terminated.
func (s *lineSplitter) split(data []byte, _ bool) (int, []byte, error) {
	skipped := 0
	if s.afterCR && len(data) > 0 {
		s.afterCR = false
		if data[0] == '\n' {
			skipped = 1
		}
	}
	end := bytes.IndexAny(data[skipped:], "\r\n")
	if end < 0 {
		return skipped, nil, nil
	}
	end += skipped
	s.afterCR = data[end] == '\r'
	return end + 1, data[skipped:end], nil
}
