package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxErrorBody is how much of a refusal is kept, in bytes. The server's own are well below 4 KiB.
const maxErrorBody = 64 << 10

// Error is an answer that is not the one the operation promises. The server's own refusals are
// problem documents (RFC 9457) and have a Code. An answer without one is of somebody in between,
// such as a proxy's page of HTML.
type Error struct {
	// Status is the HTTP status. It is 200 or another of success where the rest is not as the
	// operation promises: another media type, broken JSON or nothing.
	Status int
	// Code is the kind of problem: stable, made to be compared. Empty where the answer is not the
	// server's.
	Code ProblemCode
	// Detail is one sentence for a human reader.
	Detail string
	// RequestID names the request in the server's log.
	RequestID string
	// Errors says what exactly is wrong with the request.
	Errors []InputError
	// RetryAfter is how long the server asks to be left alone. 0 where it does not say.
	RetryAfter time.Duration
	// Location is where a redirect points to. A redirect is not followed: the token and the body are
	// for the server that the caller named.
	Location string
	// ContentType is the answer's media type, as it was sent.
	ContentType string
	// Body is the answer as it came, cut after 64 KiB.
	Body []byte
}

// Error says what went wrong in one line.
func (e *Error) Error() string {
	var s strings.Builder
	if e.Code == "" {
		fmt.Fprintf(&s, "%d %s, not a response of the API (%s): %.200q", e.Status, http.StatusText(e.Status), e.ContentType, e.Body)
		if e.Location != "" {
			fmt.Fprintf(&s, ", a redirect to %s, which is not followed", e.Location)
		}
		return s.String()
	}
	fmt.Fprintf(&s, "%d %s: %s", e.Status, e.Code, e.Detail)
	for _, wrong := range e.Errors {
		for _, place := range []*string{wrong.Pointer, wrong.Parameter} {
			if place != nil {
				fmt.Fprintf(&s, " %s:", *place)
			}
		}
		fmt.Fprintf(&s, " %s.", strings.TrimSuffix(wrong.Detail, "."))
	}
	fmt.Fprintf(&s, " (request %s)", e.RequestID)
	return s.String()
}

// readError makes an Error of a response, and closes it.
func readError(response *http.Response) *Error {
	defer response.Body.Close()
	// What cannot be read is left out: the status is known, and says more than a broken body.
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
	var e *Error
	if mediaType(response) == "application/problem+json" {
		e, _ = parseProblem(body)
	}
	if e == nil {
		e = &Error{Body: body}
	}
	e.Status = response.StatusCode
	e.ContentType = response.Header.Get("Content-Type")
	e.RetryAfter = parseRetryAfter(response.Header.Get("Retry-After"))
	e.Location = response.Header.Get("Location")
	if e.RequestID == "" {
		e.RequestID = response.Header.Get("X-Request-ID")
	}
	return e
}

// parseProblem reads a problem document and the status in it, which is 0 where there is none. A
// document without a code does not come from the server, and gives nil. Other members of wrong types are
// left out: the code is worth more than they are.
func parseProblem(document []byte) (*Error, int) {
	members := lenient[map[string]json.RawMessage](bytes.TrimPrefix(document, byteOrderMark))
	code := lenient[ProblemCode](members["code"])
	if code == "" {
		return nil, 0
	}
	return &Error{
		Code:        code,
		Detail:      lenient[string](members["detail"]),
		RequestID:   lenient[string](members["request_id"]),
		Errors:      lenient[[]InputError](members["errors"]),
		ContentType: "application/problem+json",
		Body:        document,
	}, lenient[int](members["status"])
}

// lenient reads a value, or the zero value where it is of another type.
func lenient[T any](document []byte) T {
	var value, zero T
	if json.Unmarshal(document, &value) != nil {
		return zero
	}
	return value
}

// parseRetryAfter reads a Retry-After header: seconds or a date (RFC 9110, section 10.2.3).
func parseRetryAfter(value string) time.Duration {
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, _ := strconv.ParseUint(value, 10, 31) // the greatest number where that is too small
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}
