package upstream

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
)

// errorEvent is the name of an event whose data is an error in any form.
const errorEvent = "error"

// eventStream reads server-sent events (WHATWG HTML, section 9.2) as far as upstreams use them: only
// the name and the data matter. It is more tolerant than the standard of servers that leave out the
// empty line between events. A first line of data that is a whole document is an event.
type eventStream struct {
	lines *bufio.Reader
	begun bool
	name  string // of the current event
	data  []byte // of the current event, if it has several lines
}

// eventLine matches a first line that only an event stream has. A page of HTML does not begin so.
var eventLine = regexp.MustCompile(`^((data|event|id|retry)?:|(data|event|id|retry)$)`)

func (s *eventStream) next() (document, error) {
	s.data = s.data[:0]
	for {
		line, err := s.line()
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

// line reads a line, of which the last one may have no line break.
func (s *eventStream) line() ([]byte, error) {
	line, err := s.lines.ReadBytes('\n')
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil
	}
	if errors.Is(err, io.EOF) && len(s.data) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return bytes.TrimRight(line, "\r\n"), err
}

// take reads a line of an event, and returns the event once it is complete.
func (s *eventStream) take(line []byte) (document, bool) {
	if name, ok := bytes.CutPrefix(line, []byte("event:")); ok {
		s.name = string(bytes.TrimSpace(name))
		return document{}, false
	}
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	data = bytes.TrimSpace(data)
	switch {
	case len(line) == 0:
		// The event has several lines, is malformed, or is an error without data.
		doc := document{event: s.name, data: s.data, valid: len(s.data) > 0 && json.Valid(s.data)}
		s.name = ""
		return doc, len(s.data) > 0 || doc.event == errorEvent
	case !ok || len(data) == 0:
		return document{}, false // a comment or another field
	case len(s.data) == 0 && string(data) == doneMark:
		return document{data: data}, true
	case len(s.data) == 0 && json.Valid(data):
		return document{event: s.name, data: data, valid: true}, true
	default:
		// The lines are only validated at the empty line. After each line it would take quadratic time.
		s.data = append(append(s.data, data...), '\n')
		return document{}, false
	}
}
