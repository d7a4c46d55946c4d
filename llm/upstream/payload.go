package upstream

import (
	"io"
	"sync"
)

// payload is the body of a request. net/http keeps a request until the end of its response, so what has been sent
// is not kept with it: with tools and their results, it is the largest part of the memory of a stream.
type payload struct {
	mu   sync.Mutex
	data []byte // nil once it is certain that the request is not sent again
}

// open returns a reader of the whole body.
func (p *payload) open() io.ReadCloser {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &payloadReader{rest: p.data}
}

// release says that the body will not be opened again.
func (p *payload) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data = nil
}

// payloadReader reads a payload. The transport may close it while another of its goroutines reads.
type payloadReader struct {
	mu   sync.Mutex
	rest []byte // nil at the end
}

// Read reads the next bytes.
func (r *payloadReader) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	if len(r.rest) == 0 {
		r.rest = nil
		return n, io.EOF
	}
	return n, nil
}

// Close ends the reading.
func (r *payloadReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest = nil
	return nil
}
