package upstream

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// errorEvent is the name of an event whose data is an error in any form.
const errorEvent = "error"

// eventStream reads server-sent events (WHATWG HTML, section 9.2) as far as upstreams use them: only the
// name and the data matter. Unlike the standard, it accepts events without an empty line between them. A
// first line of data that is a whole document is an event.
type eventStream struct {
	body     *bufio.Reader
	begun    bool
	line     []byte // the current line
	returned bool   // the last line ended with a carriage return, which a line feed may complete
	name     string // of the current event
	data     []byte // of the current event, if it has several lines
}

// errEndInEvent is the error of a body that is complete as HTTP frames it, but ends within an event.
var errEndInEvent = fmt.Errorf("within an event: %w", io.ErrUnexpectedEOF)

// eventLine matches a first line that only an event stream has. An HTML page does not begin like this.
var eventLine = regexp.MustCompile(`^((data|event|id|retry)?:|(data|event|id|retry)$)`)

func (s *eventStream) next() (document, error) {
	s.data = s.data[:0]
	for {
		line, err := s.nextLine()
		if err != nil {
			return document{}, err
		}
		if !s.begun && !eventLine.Match(line) {
			return document{}, malformedError()
		}
		s.begun = true
		if doc, ok := s.take(line); ok {
			s.name = ""
			return doc, nil
		}
	}
}

// nextLine reads a line. The last line may have no line end.
func (s *eventStream) nextLine() ([]byte, error) {
	line, err := s.readLine()
	switch {
	case !errors.Is(err, io.EOF):
		return line, err
	case len(line) > 0:
		return line, nil
	case len(s.data) > 0:
		return nil, errEndInEvent
	}
	return nil, io.EOF
}

// readLine reads up to a line end, which is a line feed, a carriage return or both. It does not wait for
// what follows a carriage return.
func (s *eventStream) readLine() ([]byte, error) {
	s.line = s.line[:0]
	for {
		c, err := s.body.ReadByte()
		if err != nil {
			return s.line, err
		}
		completes := c == '\n' && s.returned
		s.returned = c == '\r'
		switch {
		case completes:
		case c == '\n', c == '\r':
			return s.line, nil
		default:
			s.line = append(s.line, c)
		}
	}
}

// complete returns the event that an empty line completes. It has several lines, is malformed, or is an
// error without data. All other events have already been returned by take.
func (s *eventStream) complete() (document, bool) {
	doc := document{event: s.name, data: s.data, valid: len(s.data) > 0 && json.Valid(s.data)}
	s.name = ""
	return doc, len(s.data) > 0 || doc.event == errorEvent
}

// take reads a line of an event, and returns the event once it is complete.
func (s *eventStream) take(line []byte) (document, bool) {
	if len(line) == 0 {
		return s.complete()
	}
	if name, ok := bytes.CutPrefix(line, []byte("event:")); ok {
		s.name = string(bytes.TrimSpace(name))
		return document{}, false
	}
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	data = bytes.TrimSpace(data)
	if ok && len(data) > 0 && !beginsLikeJSON(s.data) {
		s.data = s.data[:0] // a ping or the like, without an empty line after it
	}
	switch {
	case !ok || len(data) == 0:
		return document{}, false // a comment or another field
	case len(s.data) == 0 && document{data: data}.done():
		return document{data: data}, true
	case len(s.data) == 0 && json.Valid(data):
		return document{event: s.name, data: data, valid: true}, true
	default:
		// The lines are only validated at the empty line. After each line it would take quadratic time.
		s.data = append(append(s.data, data...), '\n')
		return document{}, false
	}
}
