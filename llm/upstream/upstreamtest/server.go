// Package upstreamtest has scripted language model servers for tests, and what they send.
package upstreamtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Key is the API key of the tests.
const Key = "sk-verysecret"

// Server is a scripted server on a raw socket, because httptest cannot cut a body short. Each request
// has a connection of its own.
type Server struct {
	URL string

	mu       sync.Mutex
	scripts  []Script
	requests []Request
}

// Request is a request that the server received.
type Request struct {
	Path   string
	Header http.Header
	Body   []byte
}

// Script responds to one request. The connection is closed when it returns.
type Script func(conn net.Conn)

// Listen starts a server that responds to the first request with the first script and so on. The last
// script responds to all further requests.
func Listen(tb testing.TB, scripts ...Script) *Server {
	tb.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{URL: "http://" + listener.Addr().String(), scripts: scripts}
	var connections sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed below
			}
			connections.Go(func() {
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	tb.Cleanup(func() {
		cancel()
		_ = listener.Close()
		connections.Wait()
	})
	return s
}

func (s *Server) serve(conn net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return // the client closed the connection
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	script := s.scripts[min(len(s.requests), len(s.scripts)-1)]
	s.requests = append(s.requests, Request{r.URL.Path, r.Header, body})
	s.mu.Unlock()
	script(conn)
}

// Requests returns the requests so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Raw sends exactly these bytes.
func Raw(bytes string) Script {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, bytes) }
}

// UntilClosed sends bytes and then waits for the client to close the connection.
func UntilClosed(bytes string) Script {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, bytes)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// Status responds with a status, headers (each ending in \r\n) and a body.
func Status(code int, headers, body string) Script {
	return Raw(fmt.Sprintf("HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		code, http.StatusText(code), len(body), headers, body))
}

// RoundTripper is a function that carries out requests without a socket.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Client is an HTTP client without a socket.
func Client(f RoundTripper) *http.Client { return &http.Client{Transport: f} }
