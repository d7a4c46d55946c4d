package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Kind says what went wrong, as far as the difference matters to callers.
type Kind string

// The kinds of an [Error].
const (
	KindAuth        Kind = "auth"         // the key was refused or does not allow this model
	KindQuota       Kind = "quota"        // the account has no credit left; waiting does not help
	KindRateLimited Kind = "rate_limited" // too many calls; RetryAfter is the time to wait, if known
	KindUnreachable Kind = "unreachable"  // no connection, or it was closed before the response
	KindUnavailable Kind = "unavailable"  // the upstream reported a failure of its own
	KindTimeout     Kind = "timeout"      // a deadline passed: the caller's or one of the Config
	KindStalled     Kind = "stalled"      // the response was silent for Config.IdleTimeout
	KindTruncated   Kind = "truncated"    // the response ended before the answer did
	KindBadResponse Kind = "bad_response" // the response is malformed, too large or not what was asked for
	KindRejected    Kind = "rejected"     // the upstream refused the request or redirected it
	KindNoModel     Kind = "no_model"     // the upstream does not have the model
	KindNoTools     Kind = "no_tools"     // the upstream refuses the tools; it answers without them
	KindTooLong     Kind = "too_long"     // the prompt is too long for the model
	KindFiltered    Kind = "filtered"     // the model or a content filter refused to answer
	KindLength      Kind = "length"       // the answer was cut at the token limit
	KindEmpty       Kind = "empty"        // the answer is whole but has no text
	KindCanceled    Kind = "canceled"     // the caller's context was canceled
)

// Error is a failure of a language model. Its text is meant for the log. It contains nothing of what
// the upstream wrote except identifiers such as an error code, since the sentences of an upstream can
// quote the question, the prompt or the key.
type Error struct {
	Kind       Kind
	Status     int           // of the upstream's response; 0 if there was none
	Code       string        // the upstream's own error code; empty if it gave none
	RetryAfter time.Duration // how long the upstream asks to wait; 0 if it did not say
	Err        error         // the cause, never nil

	refusal refusal
}

// refusal is what is known about an error that may concern an optional part of the request.
type refusal struct {
	status      int                 // of the response, or the status that an error within the response states
	named       [optionalCount]bool // the parts that the error mentions
	hasWords    bool
	kindByWords Kind // what the words say about the kind; empty if they say nothing
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

// Unwrap returns the cause, so that errors.Is finds the error of a context.
func (e *Error) Unwrap() error { return e.Err }

func newError(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

func isKind(err error, kind Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}

// errMalformed replaces the decoder's error, which can quote the response.
var errMalformed = errors.New("a malformed response")

// ContextError says why ctx ended. errors.Is finds both the context's error and a custom cause.
func ContextError(ctx context.Context) *Error {
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

// connectionError says why there is no response.
func connectionError(err error) *Error {
	kind := KindUnreachable
	// After a timeout while dialing it is safe to retry. A response that was only late may already have
	// been billed, and would be billed again.
	dial, dialing := errors.AsType[*net.OpError](err)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && (!dialing || dial.Op != "dial") {
		kind = KindTimeout
	}
	return &Error{Kind: kind, Err: transportError(err)}
}

// transportError is an error of the connection in a form that may be logged. net/http quotes a
// response that it cannot parse, so only errors that never quote it keep their text.
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
