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
	"net/url"
	"time"
)

const (
	// maxRetries: what has failed three times within seconds is better reported.
	maxRetries = 2
	// retryBase is the first wait; each further one doubles it. Trouble that a retry cures, such
	// as a closed connection or a full worker, is over in a fraction of a second.
	retryBase = 200 * time.Millisecond
	// maxRetryWait is the longest a caller is kept waiting because the upstream asks for it. A caller
	// who would have to wait longer gets the error at once.
	maxRetryWait = 10 * time.Second
	// maxErrorBody is how much of an error's body is read.
	maxErrorBody = 64 << 10
	// userAgent tells the upstream's operator who calls.
	userAgent = "pagila-api"
)

// dialect is how one kind of upstream is spoken to over HTTP.
type dialect interface {
	// edit changes a request that the adapter has written into one that the upstream understands.
	edit(body map[string]json.RawMessage, x *exchange, s shape) error
	// weakest is what a request can do without.
	weakest(x *exchange) shape
	// parse reads one document of a response. An error means that it is not one of the dialect's.
	parse(data []byte) (piece, error)
	// adapterGets is what the adapter gets for a piece of text, and at the end. The text itself goes
	// past it.
	adapterGets(x *exchange) (wake, last []byte)
	// listing is the path of the list of models, below the base URL.
	listing() string
	// sameModel says whether a name in that list may be the model's. Both are plain names.
	sameModel(listed, model string) bool
	// remedy is what the operator can do where the upstream does not have the model.
	remedy(model string) string
}

// doer sends an adapter's requests and checks the responses before the adapter sees them. It
// retries, but only before the first byte of an answer.
type doer struct {
	client   *http.Client
	dialect  dialect
	base     *url.URL
	model    string
	key      string // empty: no Authorization is sent
	first    time.Duration
	idle     time.Duration
	maxBytes int64
	logger   *slog.Logger
	lesson   lesson
	presence presence
}

func newDoer(cfg *Config, base *url.URL, d dialect, known shape) *doer {
	return &doer{
		client: cfg.httpClient(), dialect: d, base: base, model: cfg.Model, key: cfg.APIKey, first: cfg.FirstByteTimeout,
		idle: cfg.IdleTimeout, maxBytes: cfg.MaxBytes, logger: cfg.Logger, lesson: lesson{shape: known},
	}
}

// RoundTrip is Do under the name that http.Client wants, for Ollama's adapter.
func (d *doer) RoundTrip(r *http.Request) (*http.Response, error) { return d.Do(r) }

// Do sends a request. It returns responses of status 200 only, whose answer has begun.
func (d *doer) Do(r *http.Request) (*http.Response, error) {
	x := exchangeOf(r.Context())
	body, err := readAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the adapter's request: %w", err)
	}
	resp, e := d.send(r, x, body)
	d.called(e)
	if e == nil {
		return resp, nil
	}
	if r.Context().Err() == nil { // else the guard says it better
		x.fail(e)
	}
	return nil, e
}

func readAll(body io.ReadCloser) ([]byte, error) {
	defer body.Close()
	return io.ReadAll(body)
}

// send tries a request until it succeeds, or no further try would help.
func (d *doer) send(r *http.Request, x *exchange, body []byte) (*http.Response, *Error) {
	search := newSearch(d.lesson.get(), d.dialect.weakest(x))
	for retries := 0; ; {
		resp, e := d.try(r, x, body, search.current)
		if e == nil {
			d.learn(r.Context(), search)
			return resp, nil
		}
		if r.Context().Err() == nil && search.weaken(e) {
			continue
		}
		wait, ok := retryWait(r.Context(), e, retries)
		if !ok {
			return nil, d.explain(search.err(e))
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

// learn keeps what has helped a request to succeed.
func (d *doer) learn(ctx context.Context, s *search) {
	if s.first == nil {
		return
	}
	if news := d.lesson.add(s.current); len(news) > 0 {
		d.logger.WarnContext(ctx, "the language model refuses a part of the requests, leaving it out or using a weaker one from now on",
			"part", news, "reply_format", s.current.format().String(), "error", s.first)
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

// try sends the request once, and reads as far as the first text.
func (d *doer) try(r *http.Request, x *exchange, body []byte, s shape) (*http.Response, *Error) {
	x.reset(s)
	ctx, cancel := context.WithCancelCause(r.Context())
	req, err := d.request(ctx, r, x, body, s)
	if err != nil {
		cancel(nil)
		return nil, &Error{Kind: KindRejected, Err: err}
	}
	patience := newPatience(cancel, d.first, d.idle)
	resp, err := d.client.Do(req) //nolint:gosec // G704: the address is the operator's own, from the configuration
	if err != nil {
		defer cancel(nil)
		defer patience.stop()
		if late, ok := errors.AsType[*Error](context.Cause(ctx)); ok {
			return nil, late
		}
		return nil, connectionError(err)
	}
	checked := newCheckedBody(ctx, cancel, resp, patience, x, d)
	e := d.refusal(resp)
	if e == nil {
		e = checked.start()
	}
	if e != nil {
		_ = checked.Close() // it has failed already
		return nil, e
	}
	resp.Body = checked
	resp.ContentLength = -1 // the adapter reads other bytes than the upstream sent
	resp.Header.Del("Content-Length")
	return resp, nil
}

// refusal is the error that a response's status stands for, or nil.
func (d *doer) refusal(resp *http.Response) *Error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		text = nil // the status must do
	}
	return upstreamError(resp.StatusCode, resp.Header, text, d.key)
}

// explain adds to an error what only the operator can do about it.
func (d *doer) explain(e *Error) *Error {
	if e.Kind == KindNoModel {
		e.Err = fmt.Errorf("%s does not have the model %q: %s", d.base.Host, d.model, d.dialect.remedy(d.model))
	}
	return e
}

// request makes the request to send from the adapter's.
func (d *doer) request(ctx context.Context, r *http.Request, x *exchange, body []byte, s shape) (*http.Request, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("read the adapter's request: %w", err)
	}
	if err := d.dialect.edit(fields, x, s); err != nil {
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
