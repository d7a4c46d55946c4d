package llm

import (
	"bytes"
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
	"slices"
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
	KindNoModel     Kind = "no_model"     // the upstream does not have the model
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

	refusal refusal
}

// refusal is what is known of an error that may be about a part of the request.
type refusal struct {
	status int          // of the response, or what an error inside it says in place of that
	named  [extras]bool // the parts that the error has a word of
	said   bool         // the error has words at all
	words  Kind         // what these say that the error is; empty where they say nothing
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

// errorDetail is an error as upstreams word it.
type errorDetail struct {
	Type       looseText       `json:"type"`
	Code       json.RawMessage `json:"code"`
	Status     json.RawMessage `json:"status"`
	StatusCode json.RawMessage `json:"status_code"`
}

// codes returns the error's code, all its names, and its status, which an error in a response of
// status 200 may hold.
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
		case len(text) == len(raw): // neither a number nor a text
			continue
		}
		code = cmp.Or(text, code)
		names = append(names, text)
	}
	return cmp.Or(code, string(d.Type)), names, effective
}

// upstreamError reads an error as upstreams word it: OpenAI's {"error":{"message","type","code"}},
// Ollama's {"error":"…"}, vLLM's {"object":"error","message","code"}, and Google's list of one.
func upstreamError(status int, header http.Header, body []byte, key string) *Error {
	var outer struct {
		errorDetail
		Error json.RawMessage `json:"error"`
	}
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	// A body that is not JSON, or has other types, has no code either: the status must do.
	_ = json.Unmarshal(body, &outer)
	d := outer.errorDetail
	_ = json.Unmarshal(outer.Error, &d) // an error that is a mere text has no more

	code, names, effective := d.codes(status)
	text := strings.ToLower(ownWords(body))
	return &Error{
		Kind: kindOf(effective, names), Status: status, Code: identifier(code, key), RetryAfter: retryAfter(header), Err: errUpstream,
		refusal: refusal{status: effective, named: named(text), said: text != "", words: kindByWords(effective, text)},
	}
}

// worded is the error with its kind by what it says, if nothing else tells it. It is for an error that
// stays when every shape of the request has been tried, and for one in the middle of an answer.
func (e *Error) worded(words Kind) *Error {
	if e.Kind != KindRejected || words == "" {
		return e
	}
	known := *e
	known.Kind = words
	return &known
}

// ownMembers are the members of an error in which upstreams say what is wrong. All others may quote the
// request, and so the question.
var ownMembers = []string{
	"error", "errors", "detail", "details", "message", "msg", "reason", "title", "description", "error_description", "type", "code", "param", "loc", "status", "object",
}

// quotedInput is where a message begins to quote the request, as validators do.
var quotedInput = regexp.MustCompile(`(?i)['"](input|body|request|prompt|messages|content)['"]\s*:`)

// ownWords is what an error says in its own words.
func ownWords(body []byte) string {
	var document any
	if json.Unmarshal(body, &document) != nil {
		document = string(body)
	}
	var words []string
	collectWords(document, &words)
	return strings.Join(words, "\n")
}

func collectWords(value any, words *[]string) {
	switch v := value.(type) {
	case string:
		if quote := quotedInput.FindStringIndex(v); quote != nil {
			v = v[:quote[0]]
		}
		*words = append(*words, v)
	case []any:
		for _, element := range v {
			collectWords(element, words)
		}
	case map[string]any:
		for _, member := range ownMembers {
			collectWords(v[member], words)
		}
	}
}

// inBandError is the error in one document of a response, or nil.
func inBandError(f frame, header http.Header, key string) *Error {
	if f.event != errorEvent && !bytes.Contains(f.data, []byte(`"error"`)) {
		return nil // nearly all documents
	}
	var documents []json.RawMessage
	if json.Unmarshal(f.data, &documents) != nil { // one, not a list
		documents = []json.RawMessage{f.data}
	}
	for _, document := range documents {
		if body := errorIn(document); body != nil {
			return upstreamError(http.StatusOK, header, body, key)
		}
	}
	if f.event == errorEvent {
		return upstreamError(http.StatusOK, header, f.data, key)
	}
	return nil
}

// errorIn is the error in a document, or nil. One that says nothing is an error only where there is
// nothing else.
func errorIn(document json.RawMessage) json.RawMessage {
	type failing struct {
		Error json.RawMessage `json:"error"`
	}
	var d struct {
		failing
		Object  looseText          `json:"object"`
		Type    looseText          `json:"type"`
		Choices looseList[failing] `json:"choices"`
		Message json.RawMessage    `json:"message"`
		Done    looseBool          `json:"done"`
	}
	_ = json.Unmarshal(document, &d) // what is malformed is found later
	alone := len(d.Choices) == 0 && !hasContent(d.Message) && !bool(d.Done)
	if d.Object == errorEvent || d.Type == errorEvent || !saysNothing(d.Error) || alone && isEmptied(d.Error) {
		return document
	}
	for _, c := range d.Choices {
		if !saysNothing(c.Error) {
			return c.Error
		}
	}
	return nil
}

// isEmptied says whether an error that says nothing is there as an object.
func isEmptied(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

// kindsByWords say what an error is that has no code of its own, once the request has been tried without
// what is optional in it. No answer depends on them.
var kindsByWords = []struct {
	words *regexp.Regexp
	kind  Kind
}{
	{regexp.MustCompile(`(context|prompt|input)[ _](length|window|size|is too long)|maximum context|too many (input )?tokens|exceeds the context`), KindTooLong},
	{regexp.MustCompile(`content[ _](management[ _])?(policy|filter)|safety (system|policy|filter)|moderation|responsible ai`), KindFiltered},
	{regexp.MustCompile(`model\b.{0,200}(\bnot found|(does not|doesn't|not) exist)|(no such|unknown|not a valid) model`), KindNoModel},
}

// kindByWords classifies a refusal by what it says, in lower case.
func kindByWords(status int, text string) Kind {
	if !mayRefuse(status) {
		return ""
	}
	for _, row := range kindsByWords {
		if row.words.MatchString(text) {
			return row.kind
		}
	}
	return ""
}

// mayRefuse says whether a status may stand for a part of a request that the upstream does not take.
func mayRefuse(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusUnprocessableEntity
}

// errUpstream stands for the upstream's own sentence, which is not kept.
var errUpstream = errors.New("the upstream answers with an error")

// errMalformed stands for the decoder's own error, which can quote the response.
var errMalformed = errors.New("a malformed response")

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
