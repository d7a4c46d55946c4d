// Package load sends requests to an HTTP server and measures how long the responses take. It uses little CPU, because
// it shares the machine with the server: a connection is a goroutine that writes prepared bytes.
package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Request is a request as it is sent, and the status that its response should have.
type Request struct {
	Bytes  []byte
	Status int // 0 if any will do
	// Read is called with the status and the body of the response, unless it is nil.
	Read func(status int, body []byte) error
}

// Source returns the next request, or false if there are no more. It is called concurrently.
type Source func() (Request, bool)

// Result is what a run has measured. The latencies are sorted.
type Result struct {
	Elapsed   time.Duration
	Latencies []time.Duration
}

// Rate returns the number of requests in a second.
func (r Result) Rate() float64 { return float64(len(r.Latencies)) / r.Elapsed.Seconds() }

// Quantile returns the latency that this part of the requests did not exceed.
func (r Result) Quantile(q float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[int(q*float64(len(r.Latencies)-1))]
}

// Clients are keep-alive connections to a server.
type Clients struct {
	conns   []net.Conn
	readers []*bufio.Reader
}

// Dial opens n connections. They are closed when ctx ends, and a run on them then fails.
func Dial(ctx context.Context, address string, n int) (*Clients, error) {
	c := &Clients{}
	for range n {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("connect to the server under load: %w", err)
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		c.conns = append(c.conns, conn)
		c.readers = append(c.readers, bufio.NewReaderSize(conn, 64<<10))
	}
	return c, nil
}

// Close closes the connections.
func (c *Clients) Close() {
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

// Closed sends requests for a while. Each connection sends its next request when it has read the response to the one
// before, so the server is never idle and never overloaded.
func (c *Clients) Closed(d time.Duration, next Source) (Result, error) {
	start := time.Now()
	end := start.Add(d)
	return c.run(start, func() (time.Time, bool) {
		now := time.Now()
		return now, now.Before(end)
	}, next)
}

// Open sends requests at a fixed rate, whether or not the responses to earlier ones have arrived. A latency is counted
// from the time at which the request was due, so it includes the wait for a connection.
func (c *Clients) Open(rate float64, d time.Duration, next Source) (Result, error) {
	due, stop := make(chan time.Time, int(rate*d.Seconds())), make(chan struct{})
	start := time.Now()
	var late error
	var pacing sync.WaitGroup
	pacing.Go(func() { late = pace(start, rate, due, stop) })
	result, err := c.run(start, func() (time.Time, bool) {
		t, ok := <-due
		return t, ok
	}, next)
	close(stop)
	pacing.Wait()
	return result, errors.Join(err, late)
}

// pace fills due with the times at which requests are due, each when it has come. Then it closes due.
func pace(start time.Time, rate float64, due chan<- time.Time, stop <-chan struct{}) error {
	defer close(due)
	a, err := newAlarm()
	if err != nil {
		return err
	}
	defer a.close()
	for i := range cap(due) {
		t := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if err := a.sleepUntil(t); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case due <- t:
		}
	}
	return nil
}

// run sends requests over all connections until turn or next returns false.
func (c *Clients) run(start time.Time, turn func() (time.Time, bool), next Source) (Result, error) {
	var (
		wg   sync.WaitGroup
		each = make([][]time.Duration, len(c.conns))
		errs = make([]error, len(c.conns))
	)
	for i := range c.conns {
		wg.Go(func() { each[i], errs[i] = c.work(i, turn, next) })
	}
	wg.Wait()
	r := Result{Elapsed: time.Since(start), Latencies: slices.Concat(each...)}
	slices.Sort(r.Latencies)
	return r, errors.Join(errs...)
}

func (c *Clients) work(i int, turn func() (time.Time, bool), next Source) (latencies []time.Duration, err error) {
	for {
		begin, ok := turn()
		if !ok {
			return latencies, nil
		}
		request, ok := next()
		if !ok {
			return latencies, nil
		}
		status, body, err := c.exchange(i, request)
		if err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(begin))
		if request.Read != nil {
			if err := request.Read(status, body); err != nil {
				return latencies, err
			}
		}
	}
}

// exchange sends a request over a connection and reads the response. It returns the body if the request reads it.
func (c *Clients) exchange(i int, r Request) (status int, body []byte, err error) {
	if _, err := c.conns[i].Write(r.Bytes); err != nil {
		return 0, nil, fmt.Errorf("send a request: %w", err)
	}
	response, err := http.ReadResponse(c.readers[i], nil)
	if err != nil {
		return 0, nil, fmt.Errorf("read a response: %w", err)
	}
	defer response.Body.Close()
	status = response.StatusCode
	expected := r.Status == 0 || status == r.Status
	if expected && r.Read == nil {
		_, err = io.Copy(io.Discard, response.Body)
		return status, nil, err
	}
	body, err = io.ReadAll(response.Body)
	if err == nil && !expected {
		err = fmt.Errorf("the response to %.80q has status %d, not %d: %s", r.Bytes, status, r.Status, body)
	}
	return status, body, err
}
