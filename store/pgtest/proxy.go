package pgtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// proxyDialTimeout is plenty for a server on the same machine.
	proxyDialTimeout = 5 * time.Second
	// proxyBuffer is the size of the pieces that are forwarded, in bytes.
	proxyBuffer = 32 << 10
)

// Proxy forwards TCP connections to a PostgreSQL server, and breaks them as networks do. Its methods
// may be called at any time.
type Proxy struct {
	listener net.Listener
	url      string
	ctx      context.Context // ends with the test
	wg       sync.WaitGroup

	mu      sync.Mutex
	network string // where new connections go
	address string
	delay   time.Duration
	flowing chan struct{} // closed unless forwarding is stopped
	links   map[*link]struct{}
}

// link is a connection of a client, and the one to the server that belongs to it.
type link struct {
	client net.Conn
	server net.Conn // nil before there is one; guarded by Proxy.mu
	frozen bool     // nothing is forwarded any more; guarded by Proxy.mu
}

// NewProxy starts a proxy in front of the server at the URL, for the test alone. The server may be
// reached over a unix socket or TCP.
func NewProxy(tb testing.TB, databaseURL string) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{listener: listener, ctx: ctx, flowing: make(chan struct{}), links: map[*link]struct{}{}}
	close(p.flowing)
	p.wg.Go(p.accept)
	tb.Cleanup(func() {
		cancel()
		_ = listener.Close() // it is not used any more
		p.ResetAll()
		p.wg.Wait()
	})
	if err := p.SetTarget(databaseURL); err != nil {
		tb.Fatal(err)
	}
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	p.url = detour(databaseURL, config, "127.0.0.1", listener.Addr().(*net.TCPAddr).Port)
	return p
}

// URL is the URL given to NewProxy, by way of the proxy.
func (p *Proxy) URL() string { return p.url }

// SetTarget has new connections go to the server at the URL, as after a failover. Those that exist
// stay.
func (p *Proxy) SetTarget(databaseURL string) error {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return fmt.Errorf("parse the URL of the proxy's target: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.network, p.address = pgconn.NetworkAddress(config.Host, config.Port)
	return nil
}

// SetDelay has everything that is forwarded from now on wait so long before.
func (p *Proxy) SetDelay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Stop stops forwarding without a word, as a network does that drops packets. Connections are still
// accepted.
func (p *Proxy) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flowing:
		p.flowing = make(chan struct{})
	default: // it is stopped
	}
}

// Resume forwards again, and what has been held back first.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flowing:
	default:
		close(p.flowing)
	}
}

// Freeze stops forwarding for the connections that there are, for good and without a word, as a
// firewall does that has forgotten them. New ones are forwarded.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.frozen = true
	}
}

// Len is the number of connections.
func (p *Proxy) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// ResetAll resets all connections on both sides, and returns how many there were.
func (p *Proxy) ResetAll() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
	return len(p.links)
}

// ResetOne resets a connection at random on both sides. It returns false where there is none.
func (p *Proxy) ResetOne() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.links) == 0 {
		return false
	}
	skip := rand.IntN(len(p.links)) //nolint:gosec // no secret
	for l := range p.links {
		if skip == 0 {
			l.reset()
			break
		}
		skip--
	}
	return true
}

// reset sends RST where there is such a thing. The caller holds Proxy.mu.
func (l *link) reset() {
	for _, conn := range []net.Conn{l.client, l.server} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // it may be closed
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		l := &link{client: client}
		p.mu.Lock()
		p.links[l] = struct{}{}
		p.mu.Unlock()
		if p.ctx.Err() != nil {
			p.drop(l) // the test is over, and has reset what it knew of
			return
		}
		p.wg.Go(func() { p.serve(l) })
	}
}

// serve forwards both ways until either side ends.
func (p *Proxy) serve(l *link) {
	defer p.drop(l)
	if !p.pass() {
		return
	}
	server, err := p.dial(l)
	if err != nil {
		return
	}
	back := make(chan struct{})
	p.wg.Go(func() {
		defer close(back)
		p.forward(l, l.client, server)
		_ = l.client.Close() // what the server said is written
	})
	p.forward(l, server, l.client)
	_ = server.Close()
	<-back
}

// dial connects to the server on behalf of the client.
func (p *Proxy) dial(l *link) (net.Conn, error) {
	p.mu.Lock()
	network, address := p.network, p.address
	p.mu.Unlock()
	dialer := net.Dialer{Timeout: proxyDialTimeout}
	server, err := dialer.DialContext(p.ctx, network, address)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.server = server // if the client was reset meanwhile, reading from it fails at once
	return server, nil
}

// drop forgets a connection and closes what is still open of it.
func (p *Proxy) drop(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
	_ = l.client.Close() // mostly for the second time
	if l.server != nil {
		_ = l.server.Close()
	}
}

// forward copies until one side ends.
func (p *Proxy) forward(l *link, to, from net.Conn) {
	buffer := make([]byte, proxyBuffer)
	for {
		n, readErr := from.Read(buffer)
		if n > 0 {
			if !p.pass() {
				return
			}
			if p.isFrozen(l) {
				continue
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if readErr != nil {
			return
		}
	}
}

// pass waits while forwarding is delayed or stopped. It returns false at the end of the test.
func (p *Proxy) pass() bool {
	p.mu.Lock()
	delay, flowing := p.delay, p.flowing
	p.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.ctx.Done():
		}
	}
	select {
	case <-flowing:
	case <-p.ctx.Done():
	}
	return p.ctx.Err() == nil
}

func (p *Proxy) isFrozen(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.frozen
}

// detour is databaseURL by way of another host and port. What else it says, as on how to run
// queries, stays.
func detour(databaseURL string, config *pgx.ConnConfig, host string, port int) string {
	query := url.Values{}
	if u, err := url.Parse(databaseURL); err == nil && u.Scheme != "" {
		query = u.Query()
	}
	query.Set("host", host)
	query.Set("port", strconv.Itoa(port))
	query.Set("sslmode", "disable")
	u := url.URL{Scheme: "postgres", User: url.User(config.User), Path: "/" + config.Database}
	if config.Password != "" {
		u.User = url.UserPassword(config.User, config.Password)
	}
	u.RawQuery = encodeQuery(query)
	return u.String()
}
