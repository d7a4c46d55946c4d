package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrIncomplete is in the error of a streamed answer that ended before it was whole: what came
// before is not all.
var ErrIncomplete = errors.New("the answer is not whole")

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
	// ContentType is the answer's media type, as it was sent.
	ContentType string
	// Body is the answer as it came, cut after 64 KiB.
	Body []byte
}

// Error says what went wrong in one line.
func (e *Error) Error() string {
	var s strings.Builder
	if e.Code == "" {
		fmt.Fprintf(&s, "%d %s, not an answer of the API (%s): %.200q", e.Status, http.StatusText(e.Status), e.ContentType, e.Body)
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
	contentType := response.Header.Get("Content-Type")
	e := &Error{}
	if mediaType, _, _ := mime.ParseMediaType(contentType); mediaType == "application/problem+json" {
		e = parseProblem(body)
	}
	e.Status = response.StatusCode
	e.ContentType = contentType
	e.Body = body
	e.RetryAfter = parseRetryAfter(response.Header.Get("Retry-After"))
	if e.RequestID == "" {
		e.RequestID = response.Header.Get("X-Request-ID")
	}
	return e
}

// parseProblem reads a problem document. One that is broken gives an Error without a code.
func parseProblem(document []byte) *Error {
	var p Problem
	if err := json.Unmarshal(document, &p); err != nil {
		return &Error{Body: document}
	}
	return &Error{
		Status: int(p.Status), Code: ProblemCode(p.Code), Detail: p.Detail, RequestID: p.RequestID, Errors: p.Errors,
		ContentType: "application/problem+json", Body: document,
	}
}

// parseRetryAfter reads a Retry-After header: seconds or a date (RFC 9110, section 10.2.3).
func parseRetryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}
