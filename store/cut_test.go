package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// lateObserver holds the calls that have a connection until their time is up.
type lateObserver struct{}

func (lateObserver) ConnectionWanted() {}

func (lateObserver) ConnectionAcquired(ctx context.Context, _ time.Duration, _ bool) { <-ctx.Done() }

func (lateObserver) StatementExecuted(context.Context, string, time.Duration, bool) {}

// A call that gets its connection too late has found the database busy, whatever it wanted to do.
func TestLateConnection(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, err := store.Open(pgtest.AsServer(t, address), store.Options{Timeout: 2 * time.Second, Observer: lateObserver{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	version := readFilm(t, open(t, address), 1).Version
	var calls sync.WaitGroup
	defer calls.Wait()
	for name, call := range map[string]func() error{
		"read": func() error { _, err := s.Film(t.Context(), 1); return err },
		"page": func() error { _, err := s.Films(t.Context(), store.FilmQuery{}); return err },
		"rent a copy": func() error {
			_, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: 1, StaffID: 1})
			return err
		},
		"rent a film": func() error {
			_, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, FilmID: 1, StoreID: 1, StaffID: 1})
			return err
		},
		"return": func() error { _, err := s.ReturnRental(t.Context(), 1, 1); return err },
		"update": func() error {
			_, err := s.UpdateFilm(t.Context(), 1, []string{version}, store.FilmUpdate{StreamingAvailable: true})
			return err
		},
		"subscribe": func() error {
			_, err := s.CreateSubscription(t.Context(), store.NewSubscription{CustomerID: 1, PlanName: "basic"})
			return err
		},
		"cancel": func() error { _, err := s.CancelSubscription(t.Context(), 1, 1); return err },
	} {
		calls.Go(func() {
			if err := call(); kind(err) != "busy" {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// A connection can be lost before each message of the server. Whatever the server has done by then, a call succeeds on
// another connection, or says that the database could not be used.
func TestLostAtEachMessage(t *testing.T) {
	t.Parallel()
	for way, lose := range map[string]func(client net.Conn){
		"reset": func(client net.Conn) {
			client.(*net.TCPConn).SetLinger(0)
			client.Close()
		},
		"closed": func(client net.Conn) { client.Close() },
		"shut down": func(client net.Conn) {
			fatal := pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01", Message: "shut down"}
			message, _ := fatal.Encode(nil)
			client.Write(message)
			client.Close()
		},
		"silent": func(net.Conn) {},
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			address := pgtest.New(t)
			conn := pgtest.Connect(t, address)
			copyID := copiesInStock(t, conn, 1)[0]
			returned := pgtest.Value[int32](t, conn.QueryRow, `SELECT rental_id FROM rental WHERE customer_id = 1 AND return_date IS NOT NULL LIMIT 1`)
			timeout := 10 * time.Second
			if way == "silent" {
				timeout = time.Second // of which a write has half
			}
			for name, call := range map[string]func(*store.Store) error{
				"page": func(s *store.Store) error { _, err := s.Films(t.Context(), store.FilmQuery{}); return err },
				"rental": func(s *store.Store) error {
					_, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copyID, StaffID: 1})
					return err
				},
				"return again": func(s *store.Store) error {
					var already *store.AlreadyReturnedError
					if _, err := s.ReturnRental(t.Context(), 1, returned); !errors.As(err, &already) {
						return err
					}
					return nil
				},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					conn := pgtest.Connect(t, address)
					for n, ended := 0, false; !ended; {
						l := newLoser(t, address, n, lose)
						s, err := store.Open(pgtest.AsServer(t, l.url), store.Options{Timeout: timeout})
						if err != nil {
							t.Fatal(err)
						}
						err = call(s)
						if got := kind(err); got != "success" && (way != "silent" || got == "fault") {
							t.Errorf("lost before message %d: %v", n, err)
						}
						s.Close()
						switch lost := l.close(); {
						case lost:
							n++
						case kind(err) == "success":
							ended = true
						default: // too slow to get as far as that message
						}
						pgtest.Exec(t, conn.Exec, `UPDATE rental SET return_date = now() WHERE return_date IS NULL`)
					}
				})
			}
		})
	}
}

// loser is a proxy that loses its first connection before a message of the server.
type loser struct {
	t                *testing.T
	url              string
	network, address string // of the server
	before           int
	lose             func(client net.Conn)
	listener         net.Listener
	first, lost      atomic.Bool
	wg               sync.WaitGroup
}

func newLoser(t *testing.T, databaseURL string, before int, lose func(client net.Conn)) *loser {
	t.Helper()
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	l := &loser{t: t, before: before, lose: lose}
	l.network, l.address = pgconn.NetworkAddress(config.Host, config.Port)
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	l.url = "postgres://postgres@" + l.listener.Addr().String() + "/" + config.Database + "?sslmode=disable"
	l.wg.Go(l.accept)
	return l
}

// close ends the proxy, and reports whether it has lost the connection.
func (l *loser) close() bool {
	l.listener.Close()
	l.wg.Wait()
	return l.lost.Load()
}

func (l *loser) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(l.network, l.address)
		if err != nil {
			l.t.Error(err)
			client.Close()
			return
		}
		first := l.first.CompareAndSwap(false, true)
		l.wg.Go(func() {
			defer server.Close()
			io.Copy(struct{ io.Writer }{server}, client)
		})
		l.wg.Go(func() {
			if first {
				l.relay(client, server)
			} else {
				io.Copy(struct{ io.Writer }{client}, server)
				client.Close()
			}
		})
	}
}

// relay passes on the server's messages until it loses the connection.
func (l *loser) relay(client, server net.Conn) {
	for n := 0; ; n++ {
		head := make([]byte, 5) // the type, and the length without it
		if _, err := io.ReadFull(server, head); err != nil {
			client.Close()
			return
		}
		rest := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(server, rest); err != nil {
			client.Close()
			return
		}
		if n == l.before {
			l.lost.Store(true)
			l.lose(client)
			io.Copy(io.Discard, server)
			client.Close()
			return
		}
		client.Write(slices.Concat(head, rest))
	}
}
