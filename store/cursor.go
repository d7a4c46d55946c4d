package store

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// position is the place of a row in an order.
type position struct {
	ID  int32   `json:"id"`
	Key *string `json:"key,omitempty"` // the text of the row's sort key; nil if it is NULL
}

// A cursor is base64url without padding. It consists of a head and a body. The head has the sign, the version,
// and the length and the checksum of the body. The body has the fingerprint of the query and the compressed
// JSON of the position. It needs no secret: whoever makes one up can read what any query returns, no more.
const (
	cursorSign      = 'f'
	cursorVersion   = 1
	cursorHead      = 1 + 1 + 4 + 4
	fingerprintSize = 8
	// maxPosition bounds the memory for a cursor that was made up. idx_title refuses titles that are longer.
	maxPosition = 1 << 20
)

// The reasons why a cursor is refused.
var (
	errNoCursor        = errors.New("the value is not a cursor of this operation")
	errCursorVersion   = errors.New("the cursor is of another version of this API: begin with the first page")
	errCursorTruncated = errors.New("the cursor is truncated")
	errCursorExtended  = errors.New("the cursor continues after its end")
	errCursorChanged   = errors.New("the cursor was changed")
	errCursorForeign   = errors.New("the cursor belongs to a request with other conditions or another order")
)

// encode returns the cursor for what follows the position. Compression is most of its cost, so it remembers the last
// cursors: a page that many clients read has the same one each time.
func (p position) encode(query [fingerprintSize]byte) string {
	place := cursorPlace{query: query, id: p.ID}
	if p.Key != nil {
		place.key, place.known = *p.Key, true
	}
	if len(place.key) > maxKept {
		return seal(query, p.json())
	}
	cursor, ok := cursors.Get(place)
	if !ok {
		cursor = seal(query, p.json())
		place.key = strings.Clone(place.key) // it shares the memory of all texts of its row
		cursors.Add(place, cursor)
	}
	return cursor
}

// cursorPlace is what a cursor is made from.
type cursorPlace struct {
	query [fingerprintSize]byte
	id    int32
	key   string
	known bool // the key is not NULL
}

// maxKept is the size of the longest sort key whose cursor is kept, in bytes. It bounds the memory for all of them to
// about a megabyte.
const maxKept = 200

var cursors = func() *lru.Cache[cursorPlace, string] {
	c, err := lru.New[cursorPlace, string](1000)
	if err != nil {
		panic(err) // the size is positive
	}
	return c
}()

// json returns the JSON of the position.
func (p position) json() []byte {
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // a number and a string
	}
	return data
}

// seal returns the cursor with the JSON of a position.
func seal(query [fingerprintSize]byte, data []byte) string {
	cursor := bytes.NewBuffer(make([]byte, cursorHead, 128)) // more than most have
	cursor.Write(query[:])
	w := compressors.Get().(*flate.Writer)
	defer compressors.Put(w)
	w.Reset(cursor)
	_, err := w.Write(data)
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	head, body := cursor.Bytes()[:cursorHead], cursor.Bytes()[cursorHead:]
	head[0], head[1] = cursorSign, cursorVersion
	binary.BigEndian.PutUint32(head[2:], uint32(len(body))) //nolint:gosec // far below 4 GB
	binary.BigEndian.PutUint32(head[6:], crc32.ChecksumIEEE(body))
	return base64.RawURLEncoding.EncodeToString(cursor.Bytes())
}

// compressors and decompressors are reused: a new compressor allocates 800 kB, and a decompressor 40 kB.
var (
	compressors = sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, flate.DefaultCompression)
		if err != nil {
			panic(err) // the level is valid
		}
		return w
	}}
	decompressors = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

// decodePosition reads a cursor for a query.
func decodePosition(cursor string, query [fingerprintSize]byte, by order) (*position, error) {
	body, err := openCursor(cursor)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(body, query[:]) {
		return nil, errCursorForeign
	}
	r := decompressors.Get().(io.Reader)
	defer decompressors.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(body[fingerprintSize:]), nil); err != nil {
		return nil, errCursorChanged
	}
	data, err := io.ReadAll(io.LimitReader(r, maxPosition))
	if err != nil {
		return nil, errCursorChanged
	}
	var p position
	if json.Unmarshal(data, &p) != nil || p.ID < 1 || !by.accepts(p.Key) {
		return nil, errCursorChanged
	}
	return &p, nil
}

// openCursor checks the form of a cursor and returns its body.
func openCursor(cursor string) ([]byte, error) {
	whole := cursor
	if len(whole)%4 == 1 { // base64 has no such length, but a part of it may
		whole = whole[:len(whole)-1]
	}
	data, err := base64.RawURLEncoding.DecodeString(whole)
	switch {
	case err != nil || len(data) == 0 || data[0] != cursorSign:
		return nil, errNoCursor
	case len(data) > 1 && data[1] != cursorVersion:
		return nil, errCursorVersion
	case len(data) < cursorHead+fingerprintSize:
		return nil, errCursorTruncated
	}
	body := data[cursorHead:]
	length, checksum := binary.BigEndian.Uint32(data[2:]), binary.BigEndian.Uint32(data[6:])
	switch {
	case uint64(len(body)) < uint64(length):
		return nil, errCursorTruncated
	case uint64(len(body)) > uint64(length) || whole != cursor:
		return nil, errCursorExtended
	case crc32.ChecksumIEEE(body) != checksum || base64.RawURLEncoding.EncodeToString(data) != cursor:
		return nil, errCursorChanged
	}
	return body, nil
}
