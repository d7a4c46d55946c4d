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
	// maxBackoff ends the doubling of the pauses.
	maxBackoff = 5 * time.Second
	// maxRetryAfter is the longest pause that is made at a server's wish. The caller should hear
	// of a longer one at once.
	maxRetryAfter = 30 * time.Second
)

// doer sends the requests of the generated methods: with the token, within the time limits, again
// where that does no harm. It returns only answers of success.
type doer struct {
	client      *http.Client
	basePath    string
	token       string
	timeout     time.Duration
	idleTimeout time.Duration
	retries     int
	backoff     time.Duration
}

// Do sends a request. An answer that is not one of success is an [*Error].
func (d *doer) Do(r *http.Request) (*http.Response, error) {
	if d.token != "" {
		r.Header.Set("Authorization", "Bearer "+d.token)
	}
	response, err := d.try(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	return response, nil
}

// after calls f when the limit is over, unless it is stopped before. A limit of 0 is none.
func after(limit time.Duration, f func()) (stop func() bool) {
	if limit == 0 {
		return func() bool { return true }
	}
	return time.AfterFunc(limit, f).Stop
}

// try sends a request until it succeeds or there is no sense in another attempt.
func (d *doer) try(r *http.Request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		response, err := d.attempt(r)
		if err == nil {
			return response, nil
		}
		ctx := r.Context()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		idempotent := r.Method == http.MethodGet || r.Method == http.MethodHead
		if !idempotent || attempt == d.retries || !passing(err) {
			return nil, err
		}
		select {
		case <-time.After(d.pause(attempt, err)):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w, while waiting to try again after: %w", context.Cause(ctx), err)
		}
	}
}

// attempt sends a request once, within the time limit.
func (d *doer) attempt(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := after(d.timeout, func() {
		cancel(fmt.Errorf("no response within %s: %w", d.timeout, context.DeadlineExceeded))
	})
	defer stop() // once all has come, or the head of a stream
	response, err := d.send(r.WithContext(ctx))
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

// send sends a request once, and reads the answer if it is JSON.
func (d *doer) send(r *http.Request) (*http.Response, error) {
	response, err := d.client.Do(r)
	if err != nil {
		return nil, err
	}
	if !isSuccess(r, response) {
		return nil, readError(response)
	}
	if mediaType(response) != "application/json" {
		return response, nil
	}
	document, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	document = bytes.TrimPrefix(document, byteOrderMark)
	response.Body = io.NopCloser(bytes.NewReader(document))
	shape, promised := shapeOf(r.Method, strings.TrimPrefix(r.URL.Path, d.basePath), response.StatusCode)
	if !promised || checkJSON(document, shape) != nil {
		return nil, readError(response)
	}
	response.Header.Set("Content-Type", "application/json") // the generated code looks for lower case
	return response, nil
}

// isSuccess says whether a response is what an operation promises: by its status, and by its media
// type, for a page of HTML is somebody else's whatever its status. Text and no content are promised
// by /ai/ask alone.
func isSuccess(request *http.Request, response *http.Response) bool {
	if response.StatusCode/100 != 2 {
		return false
	}
	asked := strings.HasSuffix(request.URL.Path, "/ai/ask")
	switch mediaType(response) {
	case "application/json":
		return true
	case "text/event-stream", "text/plain":
		return asked
	}
	return asked && response.StatusCode == http.StatusNoContent
}

// mediaType is the response's, in lower case and without parameters.
func mediaType(response *http.Response) string {
	t, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// passing says whether a failure may be over at the next attempt. A time-out is not repeated: that
// would multiply the wait.
func passing(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		return true // the network's
	}
	switch refusal.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return refusal.RetryAfter <= maxRetryAfter
	}
	return false
}

// pause is how long to wait after a failed attempt, counted from 0. What the server asks for comes
// on top, so that those who were refused together do not come back together.
func (d *doer) pause(attempt int, err error) time.Duration {
	wait := d.backoff
	for range attempt {
		wait = min(2*wait, maxBackoff)
	}
	wait = wait/2 + rand.N(wait/2+1) //nolint:gosec // jitter need not be unpredictable
	if refusal, ok := errors.AsType[*Error](err); ok {
		wait += refusal.RetryAfter
	}
	return wait
}

// body is an answer's body. It limits the wait for each Read: only that for the server, not what the
// caller does between two of them.
type body struct {
	io.ReadCloser
	ctx         context.Context // its cause says which limit was passed
	cancel      context.CancelCauseFunc
	idleTimeout time.Duration
}

// Read reads what has come.
func (b *body) Read(p []byte) (int, error) {
	stop := after(b.idleTimeout, func() {
		b.cancel(fmt.Errorf("the server was silent for %s: %w", b.idleTimeout, context.DeadlineExceeded))
	})
	defer stop()
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && b.ctx.Err() != nil { //nolint:errorlint // io.Reader returns io.EOF itself
		err = context.Cause(b.ctx)
	}
	return n, err
}

// Close ends the call.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
