package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

const (
	// maxBackoff limits the doubling of the pauses.
	maxBackoff = 5 * time.Second
	// maxRetryAfter is the longest Retry-After that is honored. Beyond it, the error is returned
	// immediately.
	maxRetryAfter = 30 * time.Second
)

// The media types of the API.
const (
	mediaJSON    = "application/json"
	mediaEvents  = "text/event-stream"
	mediaProblem = "application/problem+json"
)

// doer makes exchanges with a server. It adds the token, enforces the timeouts, and retries if that is
// safe.
type doer struct {
	client      *http.Client
	baseURL     string // without a slash at the end
	token       string
	timeout     time.Duration
	idleTimeout time.Duration
	retries     int
	backoff     time.Duration
	bookmark    bookmark
}

// do makes an exchange. It decodes JSON into the exchange's result. For a stream, the caller reads and
// closes the response.
func (d *doer) do(ctx context.Context, e exchange) (*http.Response, error) {
	r, err := e.request(ctx, d.baseURL)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "pagila-api-go/"+Version)
	if d.token != "" {
		r.Header.Set("Authorization", "Bearer "+d.token)
	}
	response, err := d.try(r, e)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	return response, nil
}

// after calls f when the limit has passed, unless the caller stops it first. A limit of 0 means no limit.
func after(limit time.Duration, f func()) (stop func() bool) {
	if limit == 0 {
		return func() bool { return true }
	}
	return time.AfterFunc(limit, f).Stop
}

// try sends a request until it succeeds or cannot be retried.
func (d *doer) try(r *http.Request, e exchange) (*http.Response, error) {
	ctx := r.Context()
	open := false // whether an attempt may have been carried out
	for attempt := 0; ; attempt++ {
		response, err := d.attempt(r, e)
		if err == nil {
			return response, nil
		}
		if open && e.readRepeated(err) {
			return &http.Response{Body: http.NoBody}, nil
		}
		if ctx.Err() != nil || attempt == d.retries || !e.canRetry(err) {
			return nil, err
		}
		open = open || leavesOpen(err)
		select {
		case <-time.After(d.pause(attempt, err)):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w while waiting to retry after: %s", context.Cause(ctx), err.Error())
		}
	}
}

// attempt sends a request once. The timeout applies to the complete response, or to the headers of a stream.
func (d *doer) attempt(r *http.Request, e exchange) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := after(d.timeout, func() {
		cancel(&TimeoutError{Limit: d.timeout, what: "no response within"})
	})
	defer stop()
	r = r.WithContext(ctx)
	if r.GetBody != nil {
		r.Body, _ = r.GetBody() // an attempt reads the body; that of bytes in memory has no errors
	}
	response, err := d.send(r, e)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		cancel(nil)
		return nil, err
	}
	response.Body = &body{ReadCloser: response.Body, ctx: ctx, cancel: cancel, idleTimeout: d.idleTimeout}
	return response, nil
}

// send sends a request once, and reads the response if it is JSON.
func (d *doer) send(r *http.Request, e exchange) (*http.Response, error) {
	sent := d.bookmark.addTo(r)
	response, err := d.client.Do(r)
	if err != nil {
		return nil, &NetworkError{Err: err}
	}
	d.bookmark.keep(response, sent)
	if !e.isExpected(response) {
		return nil, readError(response)
	}
	if e.result == nil {
		return response, nil
	}
	document, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, &NetworkError{Err: err}
	}
	if !e.read(response.StatusCode, bytes.TrimPrefix(document, byteOrderMark)) {
		response.Body = io.NopCloser(bytes.NewReader(document))
		return nil, readError(response)
	}
	return response, nil
}

// mediaType returns the response's media type in lower case and without parameters.
func mediaType(response *http.Response) string {
	t, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// canRetry reports whether the exchange may be repeated after this error. A read that timed out is not repeated,
// because that would multiply the wait. A write is, because its outcome is unknown.
func (e exchange) canRetry(err error) bool {
	if e.repeat.code != "" {
		_, timedOut := errors.AsType[*TimeoutError](err)
		return timedOut || transient(err)
	}
	return (e.method == http.MethodGet || e.method == http.MethodHead) && transient(err)
}

// leavesOpen reports whether a request that failed with this error may have been carried out. With every problem except
// outcome_unknown, the server says that nothing was written.
func leavesOpen(err error) bool {
	problem, ok := errors.AsType[*ProblemError](err)
	return !ok || problem.Code == ProblemCodeOutcomeUnknown
}

// transient reports whether a retry may succeed.
func transient(err error) bool {
	if _, ok := errors.AsType[*NetworkError](err); ok {
		return true
	}
	e, ok := errors.AsType[*HTTPError](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return e.RetryAfter <= maxRetryAfter
	}
	return false
}

// pause returns how long to wait after a failed attempt, counted from 0. Retry-After is added to the backoff, so
// that clients that failed at the same time do not retry at the same time.
func (d *doer) pause(attempt int, err error) time.Duration {
	wait := d.backoff
	for range attempt {
		wait = min(2*wait, maxBackoff)
	}
	wait = wait/2 + rand.N(wait/2+1) //nolint:gosec // jitter need not be unpredictable
	if e, ok := errors.AsType[*HTTPError](err); ok {
		wait += e.RetryAfter
	}
	return wait
}

// body is a response's body. It limits how long each Read waits for the server. The time between two reads
// does not count.
type body struct {
	io.ReadCloser
	ctx         context.Context // its cause says which timeout has passed
	cancel      context.CancelCauseFunc
	idleTimeout time.Duration
}

// Read reads from the body, and limits the wait.
func (b *body) Read(p []byte) (int, error) {
	stop := after(b.idleTimeout, func() {
		b.cancel(&TimeoutError{Limit: b.idleTimeout, what: "the server was silent for"})
	})
	defer stop()
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && b.ctx.Err() != nil { //nolint:errorlint // io.Reader returns io.EOF itself
		err = context.Cause(b.ctx)
	}
	return n, err
}

// Close closes the body and ends the call.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
