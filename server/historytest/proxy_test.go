package historytest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// dropEvery is how many responses to writes the proxy sends on for each that it drops.
const dropEvery = 15

// idHeader identifies an attempt for the proxy and in the servers' logs.
const idHeader = "X-Request-ID"

// proxy is a load balancer in front of the servers, on a network that loses responses: it closes the client's
// connection when it has received the whole response of the server, which has committed by then. Likewise the
// client gets no response if the server is killed. The proxy remembers what became of such an attempt.
type proxy struct {
	url       string
	transport *http.Transport
	ctx       context.Context // of the test
	writes    chan *program   // where each write goes to, if anybody is waiting for one

	mu    sync.Mutex
	live  []*program
	next  int
	fates map[string]fate // by the attempt's id, if the client got no response
}

// fate is what became of an attempt whose client got no response.
type fate struct {
	status int // of the response that was dropped
	body   []byte
	killed *program // or the server that was killed
	err    error    // or why the proxy cannot say more
}

func newProxy(t *testing.T, programs ...*program) *proxy {
	t.Helper()
	p := &proxy{
		transport: &http.Transport{MaxIdleConnsPerHost: inspector}, ctx: t.Context(), writes: make(chan *program),
		live: programs, fates: map[string]fate{},
	}
	server := httptest.NewServer(p)
	t.Cleanup(p.transport.CloseIdleConnections)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// replace sends new requests to another server instead. With nil they go to those that are left.
func (p *proxy) replace(old, other *program) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var live []*program
	for _, each := range append(p.live, other) {
		if each != old && each != nil {
			live = append(live, each)
		}
	}
	p.live = live
}

// pick returns the next server in turn.
func (p *proxy) pick() *program {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	return p.live[p.next%len(p.live)]
}

// waitWrite waits until a write is on its way to a server, or until ctx is done.
func (p *proxy) waitWrite(ctx context.Context, to *program) {
	for {
		select {
		case busy := <-p.writes:
			if busy == to {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// fate returns what became of an attempt whose client got no response.
func (p *proxy) fate(id string) (fate, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, ok := p.fates[id]
	return f, ok
}

// lose closes the client's connection.
func (p *proxy) lose(r *http.Request, f fate) {
	p.mu.Lock()
	p.fates[r.Header.Get(idHeader)] = f
	p.mu.Unlock()
	panic(http.ErrAbortHandler)
}

// ServeHTTP forwards a request.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.lose(r, fate{err: err})
	}
	for {
		to := p.pick()
		response, err := p.forward(r, to, body)
		switch {
		case err == nil && r.Method != http.MethodGet && rand.IntN(dropEvery+1) == 0:
			p.lose(r, fate{status: response.status, body: response.body})
		case err == nil:
			w.Header().Set("Content-Type", response.contentType)
			w.WriteHeader(response.status)
			w.Write(response.body)
			return
		case undelivered(err), r.Method == http.MethodGet:
			// Another server gets the request, or the same one until it is known to have ended.
		default:
			p.lose(r, fate{killed: to})
		}
		if err := cmp.Or(r.Context().Err(), p.ctx.Err()); err != nil {
			p.lose(r, fate{err: err})
		}
	}
}

type forwarded struct {
	status      int
	contentType string
	body        []byte
}

func (p *proxy) forward(r *http.Request, to *program, body []byte) (forwarded, error) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, to.URL+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return forwarded{}, err
	}
	out.Header = r.Header.Clone()
	if r.Method != http.MethodGet {
		select {
		case p.writes <- to:
		default:
		}
	}
	response, err := p.transport.RoundTrip(out)
	if err != nil {
		return forwarded{}, err
	}
	defer response.Body.Close()
	received, err := io.ReadAll(response.Body)
	return forwarded{response.StatusCode, response.Header.Get("Content-Type"), received}, err
}

// undelivered reports whether the error says that the server got no byte of the request.
func undelivered(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "dial"
}
