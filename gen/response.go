package gen

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/segmentio/encoding/json"
)

// buffers are for encoded responses.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// writeJSON writes a response with the JSON of v, all at once. It writes nothing if v cannot be encoded. Its encoder takes
// a quarter of the time of encoding/json, with the same result. The response has a Content-Length. Without one, net/http
// sends a large response in chunks, of which the last, empty one takes a system call and a packet of its own.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	body, err := json.Append((*buffer)[:0], v, json.EscapeHTML|json.SortMapKeys)
	if err != nil {
		return err
	}
	body = append(body, '\n')
	*buffer = body
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}
