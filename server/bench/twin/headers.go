package twin

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

// withHeaders adds the headers that all responses of the API have, so that clients receive the same bytes.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var id [16 + 8 + 8]byte
		_, _ = rand.Read(id[:]) // it never fails
		header := w.Header()
		header.Set("Cache-Control", "no-store") // unless the response sets it
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Traceparent", "00-"+hex.EncodeToString(id[:16])+"-"+hex.EncodeToString(id[16:24])+"-01")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Request-Id", hex.EncodeToString(id[24:]))
		next.ServeHTTP(w, r)
	})
}
