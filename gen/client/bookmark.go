package client

import (
	"net/http"
	"sync"
)

// bookmarkName is the name of the cookie.
const bookmarkName = "pagila_bookmark"

// bookmark is the cookie with which a client reads its own writes.
type bookmark struct {
	mu    sync.Mutex
	value string // empty if there is none
}

// addTo adds the cookie to a request, and returns its value.
func (b *bookmark) addTo(r *http.Request) (sent string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.value != "" {
		r.Header.Set("Cookie", bookmarkName+"="+b.value)
	}
	return b.value
}

// keep keeps the cookie of a response. If the client has got another one since it sent the request, it keeps the later
// of the two, which is the greater string.
func (b *bookmark) keep(response *http.Response, sent string) {
	for _, cookie := range response.Cookies() {
		if cookie.Name != bookmarkName {
			continue
		}
		b.mu.Lock()
		if b.value == sent || cookie.Value > b.value {
			b.value = cookie.Value
		}
		b.mu.Unlock()
	}
}
