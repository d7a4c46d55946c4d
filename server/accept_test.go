package server_test

import (
	"net/http"
	"testing"
)

// A client gets events only if it prefers them to plain text (RFC 9110, section 12.5.1).
func TestAccept(t *testing.T) {
	t.Parallel()
	a := start(t)
	const text, events = "text/plain; charset=utf-8", "text/event-stream"
	for _, tt := range []struct {
		accept []string // one for each header line
		want   string
	}{
		{nil, text},
		{[]string{""}, text},
		{[]string{"*/*"}, text},
		{[]string{"text/*"}, text},
		{[]string{"application/json"}, text},
		{[]string{"text/event-stream"}, events},
		{[]string{"TEXT/Event-Stream; charset=utf-8"}, events},

		// If the weights are equal, text wins.
		{[]string{"text/plain, text/event-stream, application/problem+json"}, text},
		{[]string{"text/event-stream, text/plain"}, text},
		{[]string{"text/event-stream, text/*"}, text},
		{[]string{"text/event-stream;q=0.5, */*;q=0.5"}, text},

		// The weights decide.
		{[]string{"text/event-stream;q=0.9, */*"}, text},
		{[]string{"text/event-stream, */*;q=0.1"}, events},
		{[]string{"text/event-stream;q=0.3,text/plain;Q=0.2"}, events},
		{[]string{"text/event-stream;q=0"}, text},
		{[]string{"text/event-stream, text/plain;q=0"}, events},

		// The most specific range counts, at any position.
		{[]string{"text/*;q=0.9, text/event-stream;q=0.2, */*"}, text},
		{[]string{"*/*;q=0.1, text/plain;q=0.2, text/*"}, events},
		{[]string{"*/*, text/plain;q=0.5"}, events},

		// Several header lines form one list.
		{[]string{"text/event-stream;q=0.4", "text/plain;q=0.6"}, text},
		{[]string{"text/plain;q=0.4", "text/event-stream;q=0.6"}, events},

		// A weight out of range counts as the nearest valid one. Malformed ranges are ignored.
		{[]string{"text/event-stream;q=7, text/plain"}, text},
		{[]string{"text/event-stream;q=-1"}, text},
		{[]string{"text/event-stream;q=NaN"}, text},
		{[]string{"text/event-stream;q=Inf, text/plain;q=0.1"}, text},
		{[]string{"text/event-stream, text/plain;q=high"}, events},
		{[]string{"text/event-stream;q=0.5, text/plain; q, */*;q=0.1"}, events},
		{[]string{",, text/event-stream ,"}, events},
		{[]string{`text/event-stream;note="a, text/plain, \", b"`}, events},
		{[]string{`text/plain;note="a, text/event-stream, b`}, text},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, a.URL+"/ai/ask?question=comedies", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Accept"] = tt.accept
		response := a.do(t, r).want(t, 200)
		if got := response.header.Get("Content-Type"); got != tt.want {
			t.Errorf("Accept %q: Content-Type is %s, want %s", tt.accept, got, tt.want)
		}
		if got := response.header.Get("Vary"); got != "Accept" {
			t.Errorf("Vary is %q", got)
		}
	}
}

// The index is the default, and only a client that prefers a page gets the shop page.
func TestAcceptIndex(t *testing.T) {
	t.Parallel()
	a := start(t)
	const index, page = "application/json", "text/html; charset=utf-8"
	for accept, want := range map[string]string{
		"":                                  index,
		"*/*":                               index,
		"application/json":                  index,
		"text/html, application/json":       index,
		"text/html;q=0.5, */*":              index,
		"text/html;q=0":                     index,
		"image/png":                         index,
		"text/html":                         page,
		"text/*":                            page,
		"application/json;q=0.9, text/html": page,
		browserAccept:                       page,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			response := a.call(t, method, "/", "", "Accept", accept).want(t, 200)
			if got := response.header.Get("Content-Type"); got != want {
				t.Errorf("%s with Accept: %s is %s, want %s", method, accept, got, want)
			}
			if got := response.header.Get("Vary"); got != "Accept" {
				t.Errorf("%s with Accept: %s has Vary: %s", method, accept, got)
			}
		}
	}
}
