package llm

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
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

// Error is what a model's failure comes back as. Its text is for the log. Of what the upstream
// wrote it holds identifiers alone, such as an error's code: the sentences of an upstream can quote
// the question, the prompt or the key.
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

// upstreamError reads an error as upstreams word it: OpenAI's {"error":{"message","type","code"}},
// Ollama's {"error":"…"} and vLLM's {"object":"error","message","code"}. The status is 200 for an
// error inside a stream; there the code can be a status itself.
func upstreamError(status int, header http.Header, body []byte, key string) *Error {
	type detail struct {
		Type string `json:"type"`
		Code any    `json:"code"`
	}
	var outer struct {
		detail
		Error json.RawMessage `json:"error"`
	}
	// What is no JSON, or has other types, has no code either: the status must do.
	_ = json.Unmarshal(body, &outer)
	d := outer.detail
	_ = json.Unmarshal(outer.Error, &d) // an error that is a mere text says nothing that is kept

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

	return &Error{
		Kind: kindOf(effective, code, d.Type), Status: status, Code: identifier(code, key), RetryAfter: retryAfter(header),
		Err: errUpstream,
	}
}

// errUpstream stands for the upstream's own sentence, which is not kept.
var errUpstream = errors.New("the upstream answers with an error")

// errMalformed stands for the decoder's own error, which can quote the response.
var errMalformed = errors.New("a malformed response")

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

// identifiers are what upstreams use for codes, finish reasons and media types. There is no space in
// them, so no sentence passes for one.
var identifiers = regexp.MustCompile(`^[A-Za-z0-9_./+-]{1,64}$`)

// identifier returns an upstream's text if it is an identifier, and no part of the key; else nothing.
func identifier(text, key string) string {
	if !identifiers.MatchString(text) || (key != "" && (strings.Contains(text, key) || strings.Contains(key, text))) {
		return ""
	}
	return text
}

// transportError is an error of the connection as it may be logged. net/http quotes a response that
// it cannot read, so only errors that are known to quote nothing of it keep their text.
func transportError(err error) error {
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		return operation
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificate
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, known) {
			return known
		}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return errors.New("no response in time")
	}
	return errors.New("the response cannot be read")
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
