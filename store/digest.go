package store

import (
	"crypto/sha256"
	"sync"

	"github.com/segmentio/encoding/json"
)

// digest returns the SHA-256 of the JSON of v, which consists of strings, numbers, decimals and times. The JSON is that
// of json.Marshal. It has to stay, because clients keep cursors and the versions of films, which contain digests.
func digest(v any) [sha256.Size]byte {
	buffer := digestBuffers.Get().(*[]byte)
	defer digestBuffers.Put(buffer)
	data, err := json.Append((*buffer)[:0], v, json.EscapeHTML|json.SortMapKeys)
	if err != nil {
		panic(err) // there is JSON for all of these
	}
	*buffer = data
	return sha256.Sum256(data)
}

// digestBuffers are at most as large as a request or a film.
var digestBuffers = sync.Pool{New: func() any { return new([]byte) }}
