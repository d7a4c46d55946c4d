package client

import (
	"net/http"
	"testing"
)

// A body that is optional and not given is not sent, nor is its media type.
func TestRequestWithoutABody(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]any{"none": nil, "a nil pointer": (*Question)(nil)} {
		r, err := exchange{method: http.MethodPut, path: "/x", body: body}.request(t.Context(), "http://localhost")
		if err != nil {
			t.Fatal(err)
		}
		if r.Body != nil || r.Header.Get("Content-Type") != "" {
			t.Errorf("%s: the request has a body of type %q", name, r.Header.Get("Content-Type"))
		}
	}
}
