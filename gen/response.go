package gen

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/segmentio/encoding/json"
)

// body is the JSON of a response. Its memory is used again for other responses.
type body []byte

var bodies = sync.Pool{New: func() any { return new(body) }}

// encode encodes a response. The encoder takes a quarter of the time of encoding/json, with the same result.
func encode(v any) (*body, error) {
	b := bodies.Get().(*body)
	encoded, err := json.Append((*b)[:0], v, json.EscapeHTML|json.SortMapKeys)
	if err != nil {
		return nil, err
	}
	*b = append(encoded, '\n')
	return b, nil
}

// write sends the response, all at once and with a Content-Length. Without one, net/http sends a large response in
// chunks, of which the last, empty one takes a system call and a packet of its own.
func (b *body) write(w http.ResponseWriter, status int) error {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(*b)))
	w.WriteHeader(status)
	if _, err := w.Write(*b); err != nil {
		return err // w may still read the memory
	}
	bodies.Put(b)
	return nil
}
