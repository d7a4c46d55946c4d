package upstream

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
)

// lineSize is large enough for most lines. It is the initial size of a buffer, not a limit.
const lineSize = 512

// doneMark is the data of the event after the last one. Some servers write it in other forms.
const doneMark = "[DONE]"

var doneMarks = regexp.MustCompile(`^(?i:"?\[?done\]?"?)$`)

// document is one document of a response.
type document struct {
	event string // the name of its event, or empty
	data  []byte // valid until the next document is read
	valid bool   // the data is JSON
}

// done reports whether this is the mark after the last document.
func (d document) done() bool { return len(d.data) <= len(doneMark)+2 && doneMarks.Match(d.data) }

// beginsLikeJSON reports whether data begins like an object, a list, a string or a number.
func beginsLikeJSON(data []byte) bool {
	return len(data) > 0 && bytes.IndexByte([]byte(`{["-0123456789`), data[0]) >= 0
}

// documents reads a response as a sequence of JSON documents. They are framed as server-sent events,
// as one document per line, or not at all. The bytes decide which, since upstreams and the proxies in
// front of them label their responses with all kinds of media types.
type documents struct {
	body      *bufio.Reader
	onContent func()                   // is called once it is certain that an answer has begun
	bare      bool                     // the documents are not in events, so a whole answer is the last one
	next      func() (document, error) // io.EOF after the last document, whether or not the answer has ended
}

func newDocuments(body io.Reader, onContent func()) *documents {
	d := &documents{body: bufio.NewReaderSize(body, lineSize), onContent: onContent}
	d.next = d.first
	return d
}

// first finds out how the documents are framed, and returns the first one.
func (d *documents) first() (document, error) {
	begin, err := d.skipBlank()
	if err != nil {
		return document{}, err
	}
	if begin == '{' || begin == '[' {
		d.onContent()
		d.bare = true
		decoder := json.NewDecoder(d.body)
		d.next = func() (document, error) { return d.decode(decoder) }
	} else {
		d.next = (&eventStream{body: d.body}).next
	}
	return d.next()
}

// skipBlank skips what has no meaning at the beginning: whitespace, which some servers send to keep a
// connection alive, a byte order mark, and null. It returns the first byte after that.
func (d *documents) skipBlank() (byte, error) {
	for {
		begin, err := d.body.Peek(1)
		if err != nil {
			return 0, err
		}
		blank := 0
		switch begin[0] {
		case ' ', '\t', '\r', '\n':
			blank = 1
		case '\xef', 'n':
			for _, skipped := range []string{"\ufeff", "null"} {
				if start, _ := d.body.Peek(len(skipped)); string(start) == skipped {
					blank = len(skipped)
				}
			}
		}
		if blank == 0 {
			return begin[0], nil
		}
		if _, err := d.body.Discard(blank); err != nil {
			return 0, err
		}
	}
}

// decode reads the next of several JSON documents, with or without line breaks in or between them.
func (d *documents) decode(decoder *json.Decoder) (document, error) {
	var data json.RawMessage
	err := decoder.Decode(&data)
	if _, malformed := errors.AsType[*json.SyntaxError](err); malformed {
		return d.bareDoneMark(decoder)
	}
	return document{data: data, valid: true}, err
}

// bareDoneMark reads the mark of an event stream, which some servers also send after bare documents.
func (d *documents) bareDoneMark(decoder *json.Decoder) (document, error) {
	d.body = bufio.NewReader(io.MultiReader(decoder.Buffered(), d.body))
	if _, err := d.skipBlank(); err != nil {
		return document{}, malformedError()
	}
	if mark, _ := d.body.Peek(len(doneMark)); string(mark) != doneMark {
		return document{}, malformedError()
	}
	return document{data: []byte(doneMark)}, nil
}

func malformedError() *Error {
	return &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errMalformed}
}
