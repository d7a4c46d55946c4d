package llm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind says what went wrong with a model, in terms that call for different answers.
type Kind string

// The kinds of an [Error].
const (
	KindAuth        Kind = "auth"         // the key is refused, or may not use this model
	KindQuota       Kind = "quota"        // the account is used up; waiting does not help
	KindRateLimited Kind = "rate_limited" // too many calls; RetryAfter says how long to wait, where known
	KindUnreachable Kind = "unreachable"  // no connection, or it ended before the response
	KindUnavailable Kind = "unavailable"  // the upstream reports trouble of its own
	KindTimeout     Kind = "timeout"      // a deadline passed: the caller's or Config.Timeout
	KindStalled     Kind = "stalled"      // the response fell silent for Config.IdleTimeout
	KindTruncated   Kind = "truncated"    // the response ended before the answer did
	KindBadResponse Kind = "bad_response" // the response is not what was asked for, or too large
	KindRejected    Kind = "rejected"     // the upstream refuses the request, or redirects it
	KindTooLong     Kind = "too_long"     // the prompt does not fit the model
	KindFiltered    Kind = "filtered"     // the model or its filter will not answer this
	KindLength      Kind = "length"       // the answer was cut at the token limit
	KindEmpty       Kind = "empty"        // a whole answer without text
	KindUnverified  Kind = "unverified"   // the answer is not true, or has the wrong form
	KindCanceled    Kind = "canceled"     // the caller's context was canceled
)

// Error is what a model's failure comes back as. Its text is for the log: it can quote the
// upstream, but never the key.
type Error struct {
	Kind       Kind
	Status     int           // of the upstream's response; 0 where there was none
	Code       string        // the upstream's own error code; empty where it gave none
	RetryAfter time.Duration // how long the upstream asks to wait; 0 where it did not say
	Err        error         // the cause, never nil
}

// Error describes the failure.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("language model: ")
	b.WriteString(string(e.Kind))
	if e.Status != 0 {
		fmt.Fprintf(&b, ", status %d", e.Status)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, ", code %s", e.Code)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns the cause, so that errors.Is finds a context's error.
func (e *Error) Unwrap() error { return e.Err }

// newError makes an error of one sentence.
func newError(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// contextError says why ctx ended. The context's own error stays findable beside a custom cause.
func contextError(ctx context.Context) *Error {
	kind, err := KindCanceled, ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		kind = KindTimeout
	}
	if cause := context.Cause(ctx); !errors.Is(cause, err) {
		err = fmt.Errorf("%w: %w", err, cause)
	} else {
		err = cause
	}
	return &Error{Kind: kind, Err: err}
}

// maxErrorText is how much of an upstream's error message is kept: enough to find the cause.
const maxErrorText = 300

// upstreamError reads an error as upstreams word it: OpenAI's {"error":{"message","type","code"}},
// Ollama's {"error":"…"} and vLLM's {"object":"error","message","code"}. The status is 200 for an
// error inside a stream; there the code can be a status itself.
func upstreamError(status int, header http.Header, body []byte, key string) *Error {
	type detail struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Code    any    `json:"code"`
	}
	var outer struct {
		detail
		Error json.RawMessage `json:"error"`
	}
	// What is no JSON, or has other types, has no message either: the status must do.
	_ = json.Unmarshal(body, &outer)
	d := outer.detail
	if len(outer.Error) > 0 && json.Unmarshal(outer.Error, &d) != nil {
		_ = json.Unmarshal(outer.Error, &d.Message)
	}

	code, effective := "", status
	switch c := d.Code.(type) {
	case string:
		code = c
	case float64:
		code = strconv.Itoa(int(c))
	}
	if n, err := strconv.Atoi(code); err == nil && status == http.StatusOK {
		effective = n
	}
	code = cmp.Or(code, d.Type)

	e := &Error{Kind: kindOf(effective, code, d.Type), Status: status, Code: quote(code, key), RetryAfter: retryAfter(header)}
	message := quote(d.Message, key)
	if message == "" || e.Kind == KindAuth {
		message = "the upstream answers with an error" // about a key it may hold a part of that key
	}
	e.Err = errors.New(message)
	return e
}

// kindOf classifies an upstream's error. A known code says more than the status.
func kindOf(status int, code, errorType string) Kind {
	if kind, ok := errorCodes[code]; ok {
		return kind
	}
	if kind, ok := errorCodes[errorType]; ok {
		return kind
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return KindAuth
	case status == http.StatusPaymentRequired:
		return KindQuota
	case status == http.StatusTooManyRequests:
		return KindRateLimited
	case status == http.StatusRequestEntityTooLarge:
		return KindTooLong
	case status == http.StatusOK, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		return KindUnavailable
	case status < http.StatusMultipleChoices:
		return KindBadResponse
	default:
		return KindRejected
	}
}

// quote makes an upstream's text fit for a log line, without the key.
func quote(text, key string) string {
	if key != "" {
		text = strings.ReplaceAll(text, key, "[key]")
	}
	text = strings.TrimSpace(clean(text))
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "…"
	}
	return text
}

// retryAfter reads how long to wait: Retry-After in seconds or as a date (RFC 9110, section
// 10.2.3), or OpenAI's finer retry-after-ms. Zero where there is nothing to read.
func retryAfter(header http.Header) time.Duration {
	if ms, err := strconv.Atoi(header.Get("Retry-After-Ms")); err == nil {
		return max(0, time.Duration(ms)*time.Millisecond)
	}
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}
