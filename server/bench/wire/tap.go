// Package wire records what a client sends to PostgreSQL: a proxy between the two decodes the statements of each
// round trip, with their arguments.
package wire

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// RoundTrip is what a client sent before it waited for the server to be ready. A client that sends a second Sync
// before the response to the first makes two round trips of it.
type RoundTrip struct {
	// Statements are the statements that were executed, in order. It is empty if the client only prepared some.
	Statements []Statement
	// Prepared are the texts of the statements that were prepared. It is empty in steady state, if the client
	// keeps its prepared statements.
	Prepared []string
}

// Statement is a statement that was executed.
type Statement struct {
	SQL string
	// Args are the values, as the client encoded them. NULL is nil. A statement of the simple protocol has none.
	Args [][]byte
	// Formats has the format of each value: 0 is text, 1 is binary.
	Formats []int16
	// ResultFormats are the formats that the client asked for: none for text, one for all columns, or one for each.
	ResultFormats []int16
}

// Tap is a proxy in front of a PostgreSQL server. Its methods may be called concurrently.
type Tap struct {
	listener         net.Listener
	url              string
	network, address string // of the server
	ctx              context.Context
	cancel           context.CancelFunc
	wg               sync.WaitGroup

	mu    sync.Mutex
	trips []RoundTrip
}

// Listen starts a tap in front of the server at databaseURL, which may use a Unix socket or TCP, but not TLS. The
// tap ends when ctx is done or Close is called.
func Listen(ctx context.Context, databaseURL string) (*Tap, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for clients of the database: %w", err)
	}
	t := &Tap{listener: listener, url: through(databaseURL, config, listener.Addr())}
	t.network, t.address = pgconn.NetworkAddress(config.Host, config.Port)
	t.ctx, t.cancel = context.WithCancel(ctx)
	context.AfterFunc(t.ctx, func() { _ = listener.Close() })
	t.wg.Go(t.accept)
	return t, nil
}

// URL returns the URL of the database through the tap.
func (t *Tap) URL() string { return t.url }

// Take returns the round trips since the last call. Those that a client has the response to are among them.
func (t *Tap) Take() []RoundTrip {
	t.mu.Lock()
	defer t.mu.Unlock()
	trips := t.trips
	t.trips = nil
	return trips
}

// Close closes all connections, and waits until they are closed.
func (t *Tap) Close() {
	t.cancel()
	t.wg.Wait()
}

func (t *Tap) record(trip RoundTrip) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trips = append(t.trips, trip)
}

func (t *Tap) accept() {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return // the listener is closed
		}
		t.wg.Go(func() { t.serve(client) })
	}
}

// serve forwards in both directions until one side closes its connection.
func (t *Tap) serve(client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(t.ctx, t.network, t.address)
	if err != nil {
		return // the client finds its connection closed
	}
	defer server.Close()
	stop := context.AfterFunc(t.ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})
	defer stop()
	t.wg.Go(func() {
		_, _ = io.Copy(client, server) // an error ends the connection
		_ = client.Close()
	})
	t.forward(server, client)
}

// forward copies from the client to the server. What has been recorded is complete up to the bytes that the server
// has received, so the server's responses come later.
func (t *Tap) forward(server io.Writer, client io.Reader) {
	decoder := newDecoder(t.record)
	buffer := make([]byte, 32<<10)
	for {
		n, readErr := client.Read(buffer)
		if decoder.write(buffer[:n]) != nil { // it is not PostgreSQL's protocol
			return
		}
		if _, err := server.Write(buffer[:n]); err != nil || readErr != nil {
			return
		}
	}
}

// through returns databaseURL with the tap's address. Its other parameters stay, such as the query mode.
func through(databaseURL string, config *pgx.ConnConfig, tap net.Addr) string {
	query := url.Values{}
	if u, err := url.Parse(databaseURL); err == nil && u.Scheme != "" {
		query = u.Query()
	}
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	u := url.URL{Scheme: "postgres", User: url.User(config.User), Host: tap.String(), Path: "/" + config.Database}
	if config.Password != "" {
		u.User = url.UserPassword(config.User, config.Password)
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // libpq and pgx take a plus literally
	return u.String()
}
