package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxRetries: what has failed three times within seconds is better reported.
	maxRetries = 2
	// retryBase is the first wait; each further one doubles it. Trouble that a retry cures, such
	// as a closed connection or a full worker, is over in a fraction of a second.
	retryBase = 200 * time.Millisecond
	// maxRetryWait is the longest a caller is kept waiting because the upstream asks for it. With
	// more he had better be told.
	maxRetryWait = 10 * time.Second
	// maxErrorBody is how much of an error's body is read.
	maxErrorBody = 64 << 10
	// userAgent tells the upstream's operator who calls.
	userAgent = "pagila-api"
)

// dialect is how one kind of upstream is spoken to over HTTP.
type dialect interface {
	// edit changes a request that the adapter has written into one that the upstream understands.
	edit(body map[string]json.RawMessage, x *exchange, format replyFormat) error
	// accepts says whether a response can hold what was asked for.
	accepts(mediaType string, x *exchange) bool
	// decoder reads a response. Each call returns what the adapter gets in place of the next
	// piece, then io.EOF after a good end. What it learns goes to the exchange.
	decoder(body io.Reader, x *exchange) func() ([]byte, error)
	// refusesFormat says whether an error is about the format that the reply should have.
	refusesFormat(status int, body []byte) bool
}

// doer sends an adapter's requests and checks the responses before the adapter sees them. It
// retries, but only before the first byte of an answer.
type doer struct {
	client   *http.Client
	dialect  dialect
	key      string // empty: no Authorization is sent
	idle     time.Duration
	maxBytes int64
	logger   *slog.Logger
	format   atomic.Int32 // the strongest replyFormat that the upstream has not refused
}

func newDoer(cfg *Config, d dialect) *doer {
	return &doer{client: cfg.httpClient(), dialect: d, key: cfg.APIKey, idle: cfg.IdleTimeout, maxBytes: cfg.MaxBytes, logger: cfg.Logger}
}

// RoundTrip is Do under the name that http.Client wants, for Ollama's adapter.
func (d *doer) RoundTrip(r *http.Request) (*http.Response, error) { return d.Do(r) }

// Do sends a request. It returns responses of status 200 only.
func (d *doer) Do(r *http.Request) (*http.Response, error) {
	x := exchangeOf(r.Context())
	resp, err := d.send(r, x)
	if err != nil {
		if r.Context().Err() == nil { // else the guard says it better
			x.fail(err)
		}
		return nil, err
	}
	return resp, nil
}

func (d *doer) send(r *http.Request, x *exchange) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the adapter's request: %w", err)
	}
	if err := r.Body.Close(); err != nil {
		return nil, fmt.Errorf("close the adapter's request: %w", err)
	}
	for retries := 0; ; {
		format := replyFormat(d.format.Load())
		resp, e, formatRefused := d.try(r, x, body, format)
		if e == nil {
			return resp, nil
		}
		if formatRefused && format < formatPrompt {
			if d.format.CompareAndSwap(int32(format), int32(format+1)) {
				d.logger.WarnContext(r.Context(), "the language model refuses a reply format, using a weaker one from now on",
					"refused", format, "next", format+1, "error", e)
			}
			continue
		}
		wait, ok := retryWait(r.Context(), e, retries)
		if !ok {
			return nil, e
		}
		retries++
		x.retry(e.Kind)
		d.logger.InfoContext(r.Context(), "retrying the language model", "retry", retries, "wait", wait, "error", e)
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return nil, e
		}
	}
}

// retryWait says how long to wait before the next try, if there is to be one.
func retryWait(ctx context.Context, e *Error, retries int) (time.Duration, bool) {
	switch e.Kind {
	case KindUnreachable, KindUnavailable, KindRateLimited:
	default:
		return 0, false
	}
	backoff := retryBase << retries
	// Half of it is chance, so that callers who failed together do not come back together.
	wait := max(e.RetryAfter, backoff/2+rand.N(backoff/2)) //nolint:gosec // jitter need not be unpredictable
	deadline, limited := ctx.Deadline()
	late := limited && time.Until(deadline) <= wait
	return wait, retries < maxRetries && wait <= maxRetryWait && !late && ctx.Err() == nil
}

// try sends the request once.
func (d *doer) try(r *http.Request, x *exchange, body []byte, format replyFormat) (_ *http.Response, _ *Error, formatRefused bool) {
	ctx, cancel := context.WithCancelCause(r.Context())
	kept := false // the response's body needs the context until it is closed
	defer func() {
		if !kept {
			cancel(nil)
		}
	}()
	req, err := d.request(ctx, r, x, body, format)
	if err != nil {
		return nil, &Error{Kind: KindRejected, Err: err}, false
	}
	resp, err := d.client.Do(req) //nolint:gosec // G704: the address is the operator's own, from the configuration
	if err != nil {
		return nil, connectionError(err), false
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		if err != nil {
			text = nil // the status must do
		}
		refused := x.schema != nil && d.dialect.refusesFormat(resp.StatusCode, text)
		return nil, upstreamError(resp.StatusCode, resp.Header, text, d.key), refused
	}
	if contentType := resp.Header.Get("Content-Type"); !d.dialect.accepts(contentType, x) {
		mediaType, _, _ := strings.Cut(contentType, ";")
		_ = resp.Body.Close() // it is refused as it is
		return nil, &Error{Kind: KindBadResponse, Status: resp.StatusCode, Err: fmt.Errorf("unexpected content type %q", identifier(mediaType, d.key))}, false
	}
	kept = true
	resp.Body = newCheckedBody(ctx, cancel, resp.Body, x, d)
	resp.ContentLength = -1 // the adapter reads other bytes than the upstream sent
	resp.Header.Del("Content-Length")
	return resp, nil, false
}

// request makes the request to send from the adapter's.
func (d *doer) request(ctx context.Context, r *http.Request, x *exchange, body []byte, format replyFormat) (*http.Request, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("read the adapter's request: %w", err)
	}
	if err := d.dialect.edit(fields, x, format); err != nil {
		return nil, fmt.Errorf("edit the adapter's request: %w", err)
	}
	edited, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	req := r.Clone(ctx)
	req.ContentLength = int64(len(edited))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(edited)), nil }
	req.Body = io.NopCloser(bytes.NewReader(edited))
	req.Header.Set("User-Agent", userAgent)
	if d.key == "" {
		req.Header.Del("Authorization") // the adapter insists on one
	}
	return req, nil
}

// connectionError says why there is no response.
func connectionError(err error) *Error {
	kind := KindUnreachable
	// A dial that timed out may still be retried. A response that did not come in time may have
	// been paid for, and would be again.
	dial, dialing := errors.AsType[*net.OpError](err)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && (!dialing || dial.Op != "dial") {
		kind = KindTimeout
	}
	return &Error{Kind: kind, Err: transportError(err)}
}
