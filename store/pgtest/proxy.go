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
	// proxyDialTimeout is far longer than it takes to connect to a server on the same machine.
	proxyDialTimeout = 5 * time.Second
	// proxyBuffer is the maximum number of bytes that are forwarded at once.
	proxyBuffer = 32 << 10
)

// Proxy forwards TCP connections to a PostgreSQL server, and can break them as networks do. Its methods may
// be called at any time, concurrently.
type Proxy struct {
	listener net.Listener
	url      string
	ctx      context.Context // ends with the test
	wg       sync.WaitGroup

	mu      sync.Mutex
	network string // of the server, for new connections
	address string
	delay   time.Duration
	flowing chan struct{} // is closed unless forwarding is stopped
	links   map[*link]struct{}
}

// link is a client's connection, and the connection to the server that belongs to it.
type link struct {
	client net.Conn
	server net.Conn // nil until it is made; guarded by Proxy.mu
	frozen bool     // whether nothing is forwarded any more; guarded by Proxy.mu
}

// NewProxy starts a proxy in front of the server at the URL, which may use a Unix socket or TCP. The proxy
// ends with the test.
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
		_ = listener.Close() // the error does not matter
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

// URL returns the URL of NewProxy's database through the proxy.
func (p *Proxy) URL() string { return p.url }

// SetTarget makes new connections lead to the server at the URL, as after a failover. Existing connections do
// not change.
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

// SetDelay delays everything that is forwarded from now on.
func (p *Proxy) SetDelay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Stop stops forwarding silently, like a network that drops packets. The proxy still accepts connections.
func (p *Proxy) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flowing:
		p.flowing = make(chan struct{})
	default: // it is already stopped
	}
}

// Resume resumes forwarding, beginning with what was held back.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flowing:
	default:
		close(p.flowing)
	}
}

// Freeze permanently and silently stops forwarding on the existing connections, like a firewall that has
// forgotten them. New connections work.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.frozen = true
	}
}

// Len returns the number of connections.
func (p *Proxy) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// ResetAll resets all connections on both sides, and returns their number.
func (p *Proxy) ResetAll() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
	return len(p.links)
}

// ResetOne resets a random connection on both sides. It returns false if there is none.
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

// reset closes both connections, with an RST if they use TCP. The caller holds Proxy.mu.
func (l *link) reset() {
	for _, conn := range []net.Conn{l.client, l.server} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // it may be closed already
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
			return // the listener is closed
		}
		l := &link{client: client}
		p.mu.Lock()
		p.links[l] = struct{}{}
		p.mu.Unlock()
		if p.ctx.Err() != nil {
			p.drop(l) // the test has ended, and ResetAll may have missed this connection
			return
		}
		p.wg.Go(func() { p.serve(l) })
	}
}

// serve forwards in both directions until one side closes its connection.
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
		_ = l.client.Close() // everything from the server is written
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
	l.server = server // if the client was reset meanwhile, a read from it fails at once
	return server, nil
}

// drop removes a link, and closes its connections if they are still open.
func (p *Proxy) drop(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
	_ = l.client.Close() // usually it is closed already
	if l.server != nil {
		_ = l.server.Close()
	}
}

// forward copies from one connection to the other until one of them ends.
func (p *Proxy) forward(l *link, to, from net.Conn) {
	buffer := make([]byte, proxyBuffer)
	for {
		n, readErr := from.Read(buffer)
		if n > 0 && !p.deliver(l, to, buffer[:n]) || readErr != nil {
			return
		}
	}
}

// deliver writes what was read. It returns false if nothing more can be written.
func (p *Proxy) deliver(l *link, to net.Conn, data []byte) bool {
	if !p.pass() {
		return false
	}
	if p.isFrozen(l) {
		return true
	}
	_, err := to.Write(data)
	return err == nil
}

// pass waits while forwarding is delayed or stopped. It returns false once the test has ended.
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

// detour returns databaseURL with another host and port. Its other parameters stay, such as the query mode.
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
