package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxErrorBody is the number of bytes of an error's body that are kept. The server's own errors are well below
// 4 KiB.
const maxErrorBody = 64 << 10

// APIError is the interface of every error of a call: a [*ProblemError], [*HTTPError], [*NetworkError], [*TimeoutError]
// or [*IncompleteAnswerError], except for that of a context that has ended and of an argument that cannot be
// sent. Find it with [errors.AsType], because each error is wrapped with the request that it belongs to.
type APIError interface {
	error
	apiError()
}

// NetworkError means that the connection failed, or broke before the response was complete.
type NetworkError struct {
	// Err is the reason.
	Err error
}

func (*NetworkError) apiError() {}

// Error says why the connection failed.
func (e *NetworkError) Error() string { return "the connection failed: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *NetworkError) Unwrap() error { return e.Err }

// TimeoutError means that the server took longer than the client's timeout. The server may still have carried
// out the request.
type TimeoutError struct {
	// Limit is the timeout.
	Limit time.Duration

	what string
}

func (*TimeoutError) apiError() {}

// Error says what took too long.
func (e *TimeoutError) Error() string { return fmt.Sprintf("%s %s", e.what, e.Limit) }

// Unwrap returns [context.DeadlineExceeded].
func (*TimeoutError) Unwrap() error { return context.DeadlineExceeded }

// IncompleteAnswerError means that a streamed answer broke off, or that the model reached its token
// limit. A failure before the stream begins is returned as one of the other errors.
type IncompleteAnswerError struct {
	// Text is the part of the answer that arrived.
	Text string
	// Err is the reason: a [*ProblemError], [*TimeoutError], [*NetworkError], [*HTTPError] or
	// [ErrTokenLimit].
	Err error
}

func (*IncompleteAnswerError) apiError() {}

// Error says why the answer is incomplete.
func (e *IncompleteAnswerError) Error() string { return "the answer is incomplete: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *IncompleteAnswerError) Unwrap() error { return e.Err }

// HTTPError is a response that the contract does not specify for the operation: a proxy's HTML page, JSON
// that does not have the contract's shape, or a redirect. Every [*ProblemError] contains one.
type HTTPError struct {
	// Status is the HTTP status. It is 2xx if something else is wrong with the response, such as the media
	// type or malformed JSON.
	Status int
	// ContentType is the response's media type, as it was sent.
	ContentType string
	// Body is the response's unchanged body, truncated to 64 KiB.
	Body []byte
	// RequestID identifies the request in the server's log. It is empty if the response does not come
	// from the server.
	RequestID string
	// RetryAfter is how long the server asks the client to wait. It is 0 if the server does not say.
	RetryAfter time.Duration
	// Location is the target of a redirect. A redirect is not followed, because the token and the body are
	// meant only for the server that the caller chose.
	Location string
}

func (*HTTPError) apiError() {}

// Error describes the response in one line.
func (e *HTTPError) Error() string {
	s := fmt.Sprintf("unexpected response: %d %s (%s): %.200q", e.Status, http.StatusText(e.Status), e.ContentType, e.Body)
	if e.Location != "" {
		s += fmt.Sprintf(", a redirect to %s, which is not followed", e.Location)
	}
	return s
}

// ProblemError is the server's own error, a problem document (RFC 9457).
type ProblemError struct {
	HTTPError
	// Code is the kind of problem. It is stable, so a program can compare it. A newer server may send a code
	// that this version does not know.
	Code ProblemCode
	// Detail explains the problem to a person.
	Detail string
	// Errors lists what is wrong with the request.
	Errors []InputError
	// Rental is the rental that stands in the way, with the codes already_rented_by_customer and
	// already_returned.
	Rental *Rental
	// Subscription is the subscription that stands in the way, with the codes already_subscribed and
	// already_cancelled.
	Subscription *Subscription
}

// Error says what went wrong in one line.
func (e *ProblemError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d %s: %s", e.Status, e.Code, e.Detail)
	for _, item := range e.Errors {
		for _, location := range []*string{item.Pointer, item.Parameter} {
			if location != nil {
				fmt.Fprintf(&s, " %s:", *location)
			}
		}
		fmt.Fprintf(&s, " %s.", strings.TrimSuffix(item.Detail, "."))
	}
	fmt.Fprintf(&s, " (request %s)", e.RequestID)
	return s.String()
}

// Unwrap returns the [*HTTPError] within.
func (e *ProblemError) Unwrap() error { return &e.HTTPError }

// readError converts a response to an error and closes it.
func readError(response *http.Response) APIError {
	defer response.Body.Close()
	// Read errors are ignored, because the status matters more than the body.
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
	e := HTTPError{
		Status:      response.StatusCode,
		ContentType: response.Header.Get("Content-Type"),
		Body:        body,
		RequestID:   response.Header.Get("X-Request-ID"),
		RetryAfter:  parseRetryAfter(response.Header.Get("Retry-After")),
		Location:    response.Header.Get("Location"),
	}
	if mediaType(response) == mediaProblem {
		if problem, _ := parseProblem(e); problem != nil {
			return problem
		}
	}
	return &e
}

// parseProblem parses the problem document in a body. It returns nil for a document without a code, which
// does not come from the server. Other members of the wrong type are ignored, because only the code matters.
// The status is that of the document, or 0 if it has none.
func parseProblem(e HTTPError) (problem *ProblemError, status int) {
	members := problemMembers(e.Body)
	problem = &ProblemError{
		HTTPError:    e,
		Code:         lenient[ProblemCode](members["code"]),
		Detail:       lenient[string](members["detail"]),
		Errors:       lenient[[]InputError](members["errors"]),
		Rental:       problemMember[Rental](members, "rental"),
		Subscription: problemMember[Subscription](members, "subscription"),
	}
	if problem.Code == "" {
		return nil, 0
	}
	if id := lenient[string](members["request_id"]); id != "" {
		problem.RequestID = id
	}
	return problem, lenient[int](members["status"])
}

// problemMember decodes a member of a problem document. It returns nil if the document does not have it.
func problemMember[T any](members map[string]json.RawMessage, name string) *T {
	value := new(T)
	if !decode(members[name], problemShape(name), value) {
		return nil
	}
	return value
}

// lenient decodes a value. It returns the zero value if the document is of another type.
func lenient[T any](document []byte) T {
	var value, zero T
	if json.Unmarshal(document, &value) != nil {
		return zero
	}
	return value
}

// parseRetryAfter parses a Retry-After header: seconds or a date (RFC 9110, section 10.2.3).
func parseRetryAfter(value string) time.Duration {
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, _ := strconv.ParseUint(value, 10, 31) // the maximum if it overflows
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}
