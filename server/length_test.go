package server_test

import (
	"io"
	"net/http"
	"testing"
)

// Large responses have a Content-Length, so that a client knows how long they are, and they need no last chunk. Only a
// stream is sent in chunks.
func TestContentLength(t *testing.T) {
	t.Parallel()
	a := start(t)
	for path, chunked := range map[string]bool{
		"/films":                          false,
		"/films/1":                        false,
		"/openapi.yaml":                   false,
		"/docs/swagger-ui.css":            false,
		"/ai/ask?question=Which+comedies": true,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			request, err := http.NewRequestWithContext(t.Context(), method, a.URL+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("%s %s: %d, %v", method, path, response.StatusCode, err)
			}
			known := response.ContentLength >= 0
			if method == http.MethodGet && (known == chunked || known && response.ContentLength != int64(len(body))) {
				t.Errorf("%s has %d bytes, and Content-Length says %d", path, len(body), response.ContentLength)
			}
			if method == http.MethodHead && known == chunked {
				t.Errorf("HEAD %s: Content-Length is %d", path, response.ContentLength)
			}
		}
	}
}
