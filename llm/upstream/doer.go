package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxRetries is low: after three failures within seconds it is better to report the error.
	maxRetries = 2
	// retryBase is the first wait, which doubles with each retry. Problems that a retry solves, such as
	// a closed connection or a busy worker, pass within a fraction of a second.
	retryBase = 200 * time.Millisecond
	// maxRetryWait is the longest wait that an upstream may ask for. If it asks for more, the caller gets
	// the error at once.
	maxRetryWait = 10 * time.Second
	// maxErrorBody is how much of the body of an error is read.
	maxErrorBody = 64 << 10
	// userAgent tells the upstream's operator who calls.
	userAgent = "pagila-api"
)

// doer sends an adapter's requests and checks the responses. It retries, but only until the first byte of an
// answer.
type doer struct {
	client       *http.Client
	dialect      dialect
	base         *url.URL
	model        string
	key          string // empty if no Authorization is sent
	firstTimeout time.Duration
	idleTimeout  time.Duration
	maxBytes     int64
	logger       *slog.Logger
	accepted     acceptedShape
	presence     presence
}

func newDoer(cfg *Config, base *url.URL, key string, d dialect, known shape) *doer {
	return &doer{
		client: cfg.httpClient(), dialect: d, base: base, model: cfg.Model, key: key, firstTimeout: cfg.FirstByteTimeout,
		idleTimeout: cfg.IdleTimeout, maxBytes: cfg.MaxBytes, logger: cfg.Logger, accepted: acceptedShape{shape: known},
	}
}

// Do sends a request. Once the answer has begun, the exchange gets the body of the response, and the adapter an
// empty answer.
func (d *doer) Do(r *http.Request) (*http.Response, error) {
	x := exchangeOf(r.Context())
	request, err := readAll(r)
	if err != nil {
		return nil, fmt.Errorf("read the adapter's request: %w", err)
	}
	body, e := d.send(r, x, request)
	d.recordOutcome(e)
	if e != nil {
		if r.Context().Err() == nil { // otherwise the guard has the better error
			x.fail(e)
		}
		return nil, e
	}
	x.body = body
	answer := io.NopCloser(strings.NewReader(d.dialect.adapterGets(x)))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: answer, ContentLength: -1}, nil
}

// readAll reads the body of a request, whose length is known.
func readAll(r *http.Request) ([]byte, error) {
	defer r.Body.Close()
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

// send tries a request until it succeeds or no further attempt would help.
func (d *doer) send(r *http.Request, x *exchange, body []byte) (*checkedBody, *Error) {
	search := newSearch(d.accepted.get(), x.weakest())
	for retries := 0; ; {
		answer, e := d.try(r, x, body, search.current)
		if e == nil {
			d.learn(r.Context(), search)
			if x.tools && search.current.without(optTools) {
				_ = answer.Close() // an answer without tools is not wanted here
				return nil, noTools(search.first)
			}
			return answer, nil
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

// learn remembers the shape with which a request succeeded.
func (d *doer) learn(ctx context.Context, s *search) {
	if s.first == nil {
		return
	}
	if refused := d.accepted.weaken(s.current); len(refused) > 0 {
		d.logger.WarnContext(ctx, "the language model refuses a part of the requests, which are sent without it from now on",
			"part", refused, "reply_format", s.current.format().String(), "error", s.first)
	}
}

// retryWait returns how long to wait before the next attempt, and whether to make one.
func retryWait(ctx context.Context, e *Error, retries int) (time.Duration, bool) {
	switch e.Kind {
	case KindUnreachable, KindUnavailable, KindRateLimited:
	default:
		return 0, false
	}
	backoff := retryBase << retries
	// Half of the wait is random, so that callers who failed together do not retry together.
	wait := max(e.RetryAfter, backoff/2+rand.N(backoff/2)) //nolint:gosec // jitter need not be unpredictable
	deadline, limited := ctx.Deadline()
	late := limited && time.Until(deadline) <= wait
	return wait, retries < maxRetries && wait <= maxRetryWait && !late && ctx.Err() == nil
}

// try sends the request once and reads the response up to the first text.
func (d *doer) try(r *http.Request, x *exchange, body []byte, s shape) (*checkedBody, *Error) {
	x.reset(s)
	ctx, cancel := context.WithCancelCause(r.Context())
	req, sent, err := d.request(ctx, r, x, body, s)
	if err != nil {
		cancel(nil)
		return nil, &Error{Kind: KindRejected, Err: err}
	}
	watchdog := newWatchdog(cancel, d.firstTimeout, d.idleTimeout)
	resp, err := d.client.Do(req) //nolint:gosec,bodyclose // the operator's own address; checkedBody closes it
	sent.release()
	if err != nil {
		defer cancel(nil)
		defer watchdog.stop()
		if timeout, ok := errors.AsType[*Error](context.Cause(ctx)); ok {
			return nil, timeout
		}
		return nil, connectionError(err)
	}
	checked := newCheckedBody(ctx, cancel, resp, watchdog, x, d)
	e := d.statusError(resp)
	if e == nil {
		e = checked.start()
	}
	if e != nil {
		_ = checked.Close() // the request has failed already
		return nil, e
	}
	return checked, nil
}

// statusError returns the error for a response's status, or nil.
func (d *doer) statusError(resp *http.Response) *Error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		text = nil // only the status can be used
	}
	return upstreamError(resp.StatusCode, resp.Header, text, d.key)
}

// explain adds to an error what only the operator can change.
func (d *doer) explain(e *Error) *Error {
	if e.Kind == KindNoModel {
		e.Err = fmt.Errorf("%s does not have the model %q: %s", d.base.Host, d.model, d.dialect.remedy(d.model))
	}
	return e
}

// request makes the request to send from the adapter's request.
func (d *doer) request(
	ctx context.Context, r *http.Request, x *exchange, body []byte, s shape,
) (*http.Request, *payload, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, nil, fmt.Errorf("read the adapter's request: %w", err)
	}
	if err := d.dialect.edit(fields, x, s); err != nil {
		return nil, nil, fmt.Errorf("edit the adapter's request: %w", err)
	}
	edited, err := json.Marshal(fields)
	if err != nil {
		return nil, nil, fmt.Errorf("write the request: %w", err)
	}
	sent := &payload{data: edited}
	req := r.Clone(ctx)
	req.ContentLength = int64(len(edited))
	req.Body, req.GetBody = sent.open(), func() (io.ReadCloser, error) { return sent.open(), nil }
	req.Header.Set("User-Agent", userAgent)
	if d.key == "" {
		req.Header.Del("Authorization") // the adapter insists on a key
	}
	return req, sent, nil
}
