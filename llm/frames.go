package llm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
)

// lineSize holds a line as most are. It is a size to begin with, no limit.
const lineSize = 512

// doneMark is the data of the event after the last one. Servers write it in other forms too.
const doneMark = "[DONE]"

var doneMarks = regexp.MustCompile(`^(?i:"?\[?done\]?"?)$`)

// errorEvent is the name of an event whose data is an error, whatever its form.
const errorEvent = "error"

// frame is one document of a response.
type frame struct {
	event string // the name of its event; empty where it has none
	data  []byte // good until the next frame
	valid bool   // the data is JSON
}

// done says whether the frame is the mark after the last one.
func (f frame) done() bool { return len(f.data) <= len(doneMark)+2 && doneMarks.Match(f.data) }

// beginsLikeJSON says whether data is an object, a list, a string or a number, or was going to be one.
func beginsLikeJSON(data []byte) bool {
	return len(data) > 0 && bytes.IndexByte([]byte(`{["-0123456789`), data[0]) >= 0
}

// frames reads a response as a sequence of documents, each one JSON. The bytes decide how the
// documents are framed, since upstreams and the proxies before them label their responses with all
// sorts of media types: server-sent events, a document to a line, or one document.
type frames struct {
	body *bufio.Reader
	live func()                // is called once it is known that an answer begins
	bare bool                  // the documents are not in events, so a whole answer is the last one
	next func() (frame, error) // io.EOF after the last frame, whether or not the answer has ended
}

func newFrames(body io.Reader, live func()) *frames {
	f := &frames{body: bufio.NewReaderSize(body, lineSize), live: live}
	f.next = f.first
	return f
}

// first finds out how the response is framed.
func (f *frames) first() (frame, error) {
	begin, err := f.skipBlanks()
	if err != nil {
		return frame{}, err
	}
	if begin == '{' || begin == '[' {
		f.live()
		f.bare = true
		documents := json.NewDecoder(f.body)
		f.next = func() (frame, error) { return f.document(documents) }
	} else {
		f.next = (&eventStream{lines: f.body}).next
	}
	return f.next()
}

// skipBlanks passes over what carries nothing at the beginning: whitespace, with which some servers
// keep a connection alive, a byte order mark, and null. It returns the first byte after that.
func (f *frames) skipBlanks() (byte, error) {
	for {
		begin, err := f.body.Peek(1)
		if err != nil {
			return 0, err
		}
		blank := 0
		switch begin[0] {
		case ' ', '\t', '\r', '\n':
			blank = 1
		case '\xef', 'n':
			for _, skipped := range []string{"\ufeff", "null"} {
				if start, _ := f.body.Peek(len(skipped)); string(start) == skipped {
					blank = len(skipped)
				}
			}
		}
		if blank == 0 {
			return begin[0], nil
		}
		if _, err := f.body.Discard(blank); err != nil {
			return 0, err
		}
	}
}

// document reads the next of several JSON documents, with or without line breaks in or between them.
func (f *frames) document(documents *json.Decoder) (frame, error) {
	var data json.RawMessage
	err := documents.Decode(&data)
	if _, malformed := errors.AsType[*json.SyntaxError](err); malformed {
		f.body = bufio.NewReader(io.MultiReader(documents.Buffered(), f.body))
		if _, err := f.skipBlanks(); err != nil {
			return frame{}, malformedError()
		}
		if mark, _ := f.body.Peek(len(doneMark)); string(mark) != doneMark {
			return frame{}, malformedError()
		}
		return frame{data: []byte(doneMark)}, nil
	}
	return frame{data: data, valid: true}, err
}

func malformedError() *Error {
	return &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errMalformed}
}

// errEndInEvent stands for a body that ends as HTTP has it, but within an event.
var errEndInEvent = fmt.Errorf("within an event: %w", io.ErrUnexpectedEOF)

// eventStream reads server-sent events (WHATWG HTML, section 9.2), as far as upstreams use them:
// the name and the data count. It is more patient than the standard with servers that leave out the
// empty line between events: a first line of data that is whole is an event.
type eventStream struct {
	lines    *bufio.Reader
	begun    bool
	line     []byte
	returned bool   // the line before ended with a carriage return, which a line feed may complete
	name     string // of the event that is being read
	data     []byte
}

// eventLine is a line as only a stream of events begins. A page of HTML does not.
var eventLine = regexp.MustCompile(`^((data|event|id|retry)?:|(data|event|id|retry)$)`)

func (s *eventStream) next() (frame, error) {
	s.data = s.data[:0]
	for {
		line, err := s.readLine()
		last := errors.Is(err, io.EOF)
		if last && len(line) == 0 && len(s.data) > 0 {
			return frame{}, errEndInEvent
		}
		if last && len(line) == 0 || err != nil && !last {
			return frame{}, err
		}
		if !s.begun && !eventLine.Match(line) {
			return frame{}, malformedError()
		}
		s.begun = true
		if f, ok := s.take(line); ok {
			s.name = ""
			return f, nil
		}
	}
}

// readLine reads a line, which ends with a line feed, a carriage return or both. It does not wait for
// what follows a carriage return.
func (s *eventStream) readLine() ([]byte, error) {
	s.line = s.line[:0]
	for {
		c, err := s.lines.ReadByte()
		switch {
		case err != nil:
			return s.line, err
		case c == '\n' && s.returned:
			s.returned = false
			continue
		}
		s.returned = c == '\r'
		if c == '\n' || c == '\r' {
			return s.line, nil
		}
		s.line = append(s.line, c)
	}
}

// take reads a line. It returns an event once that is whole.
func (s *eventStream) take(line []byte) (frame, bool) {
	if name, ok := bytes.CutPrefix(line, []byte("event:")); ok {
		s.name = string(bytes.TrimSpace(name))
		return frame{}, false
	}
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	data = bytes.TrimSpace(data)
	if ok && len(data) > 0 && !beginsLikeJSON(s.data) {
		s.data = s.data[:0] // a ping or the like, without the empty line after it
	}
	switch {
	case len(line) == 0:
		// An event of several lines, a malformed one, or an error that does not say which.
		f := frame{event: s.name, data: s.data, valid: len(s.data) > 0 && json.Valid(s.data)}
		s.name = ""
		return f, len(s.data) > 0 || f.event == errorEvent
	case !ok || len(data) == 0:
		return frame{}, false // a comment, or another field
	case len(s.data) == 0 && (frame{data: data}).done():
		return frame{data: data}, true
	case len(s.data) == 0 && json.Valid(data):
		return frame{event: s.name, data: data, valid: true}, true
	default:
		// Whether these lines are whole together is not asked before the empty line: to ask at each
		// takes quadratic time.
		s.data = append(append(s.data, data...), '\n')
		return frame{}, false
	}
}
