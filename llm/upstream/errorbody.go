package upstream

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errorDetail is an error in the formats of various upstreams.
type errorDetail struct {
	Type       looseString     `json:"type"`
	Code       json.RawMessage `json:"code"`
	Status     json.RawMessage `json:"status"`
	StatusCode json.RawMessage `json:"status_code"`
}

// codes returns the error's code, all of its names, and its status. An error within a response of
// status 200 can state a status of its own.
func (d errorDetail) codes(status int) (code string, names []string, effective int) {
	effective = status
	names = []string{string(d.Type)}
	for _, raw := range []json.RawMessage{d.StatusCode, d.Status, d.Code} {
		text := strings.Trim(string(raw), `"`)
		n, err := strconv.ParseFloat(text, 64)
		switch {
		case err == nil:
			text = strconv.Itoa(int(n))
			if status == http.StatusOK && n >= http.StatusBadRequest && n < 600 {
				effective = int(n)
			}
		case len(text) == len(raw): // neither a number nor a string
			continue
		}
		code = cmp.Or(text, code)
		names = append(names, text)
	}
	return cmp.Or(code, string(d.Type)), names, effective
}

// upstreamError reads the body of an error: OpenAI's {"error":{"message","type","code"}}, Ollama's
// {"error":"…"}, vLLM's {"object":"error","message","code"}, or Google's list with one error.
func upstreamError(status int, header http.Header, body []byte, key string) *Error {
	var outer struct {
		errorDetail
		Error json.RawMessage `json:"error"`
	}
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	// A body that is not JSON, or has other types, has no code. Then only the status can be used.
	_ = json.Unmarshal(body, &outer)
	d := outer.errorDetail
	_ = json.Unmarshal(outer.Error, &d) // an error that is just a string has no more

	code, names, effective := d.codes(status)
	words := ownWords(body)
	return &Error{
		Kind: kindOf(effective, names), Status: status, Code: identifier(code, key), RetryAfter: retryAfter(header), Err: errUpstream,
		refusal: refusal{status: effective, named: mentioned(words), hasWords: words != "", kindByWords: kindByWords(effective, words)},
	}
}

// errUpstream replaces the upstream's own message, which is not kept.
var errUpstream = errors.New("the upstream responded with an error")

// inBandError returns the error in a document of a response, or nil.
func inBandError(doc document, header http.Header, key string) *Error {
	if doc.event != errorEvent && !bytes.Contains(doc.data, []byte(`"error"`)) {
		return nil // nearly all documents
	}
	var objects []json.RawMessage
	if json.Unmarshal(doc.data, &objects) != nil { // one object, not a list
		objects = []json.RawMessage{doc.data}
	}
	for _, object := range objects {
		if body := errorIn(object); body != nil {
			return upstreamError(http.StatusOK, header, body, key)
		}
	}
	if doc.event == errorEvent {
		return upstreamError(http.StatusOK, header, doc.data, key)
	}
	return nil
}

// errorIn returns the error in an object, or nil. A vacuous error only counts if there is nothing else.
func errorIn(object json.RawMessage) json.RawMessage {
	type failed struct {
		Error json.RawMessage `json:"error"`
	}
	var d struct {
		failed
		Object  looseString       `json:"object"`
		Type    looseString       `json:"type"`
		Choices looseList[failed] `json:"choices"`
	}
	_ = json.Unmarshal(object, &d) // a malformed document is found later
	alone := len(d.Choices) == 0 && bytes.HasPrefix(d.Error, []byte("{"))
	if d.Object == errorEvent || d.Type == errorEvent || !isVacuous(d.Error) || alone {
		return object
	}
	for _, c := range d.Choices {
		if !isVacuous(c.Error) {
			return c.Error
		}
	}
	return nil
}

// errorCodes are the error codes and types of upstreams, in lower case, that say more than the status
// does.
var errorCodes = map[string]Kind{
	"insufficient_quota":        KindQuota,
	"invalid_api_key":           KindAuth,
	"authentication_error":      KindAuth,
	"permission_error":          KindAuth,
	"rate_limit_exceeded":       KindRateLimited,
	"rate_limit_error":          KindRateLimited,
	"context_length_exceeded":   KindTooLong,
	"exceed_context_size_error": KindTooLong, // llama.cpp
	"content_filter":            KindFiltered,
	"content_policy_violation":  KindFiltered,
	"overloaded_error":          KindUnavailable,
	"too_many_requests":         KindRateLimited,
	"resource_exhausted":        KindRateLimited, // Google
	"unauthenticated":           KindAuth,
	"permission_denied":         KindAuth,
	"model_not_found":           KindNoModel,
	"notfounderror":             KindNoModel, // vLLM
	"invalid_model":             KindNoModel, // Mistral
	"deploymentnotfound":        KindNoModel, // Azure
}

// kindOf classifies an upstream's error. A known code says more than the status.
func kindOf(status int, names []string) Kind {
	for _, name := range slices.Backward(names) {
		if kind, ok := errorCodes[strings.ToLower(name)]; ok {
			return kind
		}
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

// identifiers match what upstreams use as codes and finish reasons. They have no spaces, so a
// sentence is never mistaken for one.
var identifiers = regexp.MustCompile(`^[A-Za-z0-9_./+-]{1,64}$`)

// identifier returns a text of the upstream if it is an identifier and shares nothing with the key,
// and otherwise an empty string.
func identifier(text, key string) string {
	if !identifiers.MatchString(text) || (key != "" && (strings.Contains(text, key) || strings.Contains(key, text))) {
		return ""
	}
	return text
}

// retryAfter reads how long to wait: Retry-After in seconds or as a date (RFC 9110, section 10.2.3),
// or OpenAI's more precise retry-after-ms. It is 0 if there is neither.
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
