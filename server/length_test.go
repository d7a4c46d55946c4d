package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Large responses have a Content-Length, so that a client knows how long they are, and they need no last chunk. Only a
// stream is sent in chunks.
func TestContentLength(t *testing.T) {
	t.Parallel()
	a := start(t)
	unknown := url.Values{}
	for i := range 60 {
		unknown.Set(fmt.Sprint("unknown", i), "")
	}
	for path, want := range map[string]struct {
		status  int
		chunked bool
	}{
		"/films":                          {200, false},
		"/openapi.yaml":                   {200, false},
		"/docs/swagger-ui.css":            {200, false},
		"/films?" + unknown.Encode():      {400, false}, // a large problem document
		"/ai/ask?question=Which+comedies": {200, true},
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
			if err != nil || response.StatusCode != want.status {
				t.Errorf("%s %s: %d, %v", method, path, response.StatusCode, err)
			}
			known := response.ContentLength >= 0
			if method == http.MethodGet && !want.chunked && len(body) <= 2048 {
				t.Errorf("%s has %d bytes, for which net/http alone sets the header", path, len(body))
			}
			if method == http.MethodGet && (known == want.chunked || known && response.ContentLength != int64(len(body))) {
				t.Errorf("%s has %d bytes, and Content-Length says %d", path, len(body), response.ContentLength)
			}
			if method == http.MethodHead && known == want.chunked {
				t.Errorf("HEAD %s: Content-Length is %d", path, response.ContentLength)
			}
		}
	}
}

// So does a large response to an MCP client.
func TestContentLengthOfMCP(t *testing.T) {
	t.Parallel()
	a := start(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/mcp",
		strings.NewReader(`{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || len(body) < 4096 || response.ContentLength != int64(len(body)) {
		t.Errorf("%d with %d bytes, and Content-Length says %d: %v", response.StatusCode, len(body), response.ContentLength, err)
	}
}
