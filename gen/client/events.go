package client

import (
	"bufio"
	"bytes"
	"io"
	"iter"
)

// maxEventLine is the longest line of a stream, in bytes. A piece of an answer is a few words.
const maxEventLine = 1 << 20

// serverEvent is a server-sent event (HTML Standard, section 9.2).
type serverEvent struct {
	name string
	data []byte
}

// events reads server-sent events until the stream ends. The end is an error too, the last thing
// it yields: whoever knows which event is the last one stops there. Lines end with LF or CRLF, as
// those of our server and of every proxy do; comments and the fields id and retry are passed over.
func events(stream io.Reader) iter.Seq2[serverEvent, error] {
	return func(yield func(serverEvent, error) bool) {
		lines := bufio.NewScanner(stream)
		lines.Buffer(nil, maxEventLine)
		var event serverEvent
		for lines.Scan() {
			if len(lines.Bytes()) == 0 { // the end of an event
				if len(event.data) > 0 && !yield(event, nil) {
					return
				}
				event = serverEvent{}
				continue
			}
			field, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(field) {
			case "event":
				event.name = string(value)
			case "data":
				if len(event.data) > 0 {
					event.data = append(event.data, '\n')
				}
				event.data = append(event.data, value...)
			}
		}
		err := lines.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		yield(serverEvent{}, err)
	}
}
