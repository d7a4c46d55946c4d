package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
)

// AskEvent is a part of an answer: a [SourcesEvent], [DeltaEvent] or [DoneEvent].
type AskEvent interface{ askEvent() }

func (SourcesEvent) askEvent() {}
func (DeltaEvent) askEvent()   {}
func (DoneEvent) askEvent()    {}

// ErrIncomplete is in the error of a streamed answer that ended before it was whole. That error is
// an [*IncompleteError].
var ErrIncomplete = errors.New("the answer is incomplete")

// IncompleteError is how a streamed answer ends that is not whole.
type IncompleteError struct {
	// Text is what came of the answer.
	Text string
	// Err is the reason, an [*Error] where the server gave it.
	Err error
}

// Error says why the answer ended.
func (e *IncompleteError) Error() string { return fmt.Sprintf("%v: %v", ErrIncomplete, e.Err) }

// Unwrap returns [ErrIncomplete] and the reason.
func (e *IncompleteError) Unwrap() []error { return []error{ErrIncomplete, e.Err} }

// ErrTokenLimit is the reason of an [*IncompleteError] where the model reached its token limit.
var ErrTokenLimit = errors.New("the model reached its token limit")

// Ask asks the language model about the catalogue and yields its answer piece by piece, as it is
// written. An error is the last thing it yields. Once the response has begun, that is an
// [*IncompleteError]: an answer that ends without an error is whole. Each range over the result asks
// anew, and leaving the loop stops the model.
func (a *API) Ask(ctx context.Context, question string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for event, err := range a.AskEvents(ctx, question) {
			if err != nil {
				yield("", err)
				return
			}
			if delta, ok := event.(DeltaEvent); ok && !yield(delta.Text, nil) {
				return
			}
		}
	}
}

// AskEvents is [API.Ask] with all that the server tells: the sources, the pieces of text and, in
// the end, the model and its usage. Where the model was stopped at its token limit, the [DoneEvent]
// is followed by the error. Events of kinds that this package does not know are left out.
func (a *API) AskEvents(ctx context.Context, question string) iter.Seq2[AskEvent, error] {
	return func(yield func(AskEvent, error) bool) {
		response, err := a.AskQuestion(ctx, &AskQuestionParams{Question: question}, acceptEvents)
		if err != nil {
			yield(nil, err)
			return
		}
		if mediaType(response) != "text/event-stream" {
			yield(nil, readError(response))
			return
		}
		defer response.Body.Close()
		var text strings.Builder
		for received, err := range events(response.Body) {
			event, err := received.parse(response, err)
			if delta, ok := event.(DeltaEvent); ok {
				text.WriteString(delta.Text)
			}
			if event != nil && !yield(event, nil) {
				return
			}
			done, ok := event.(DoneEvent)
			if ok && done.FinishReason == "length" {
				err = ErrTokenLimit
			}
			if err != nil {
				yield(nil, &IncompleteError{Text: text.String(), Err: err})
			}
			if ok || err != nil {
				return
			}
		}
	}
}

func acceptEvents(_ context.Context, r *http.Request) error {
	r.Header.Set("Accept", "text/event-stream")
	return nil
}

// parse reads an event by its name, if it could be received. One of another name is nil, and the
// server's own error is an [*Error]. So is an event that cannot be read.
func (e serverEvent) parse(response *http.Response, err error) (AskEvent, error) {
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, e.malformed(response)
	case err != nil:
		return nil, err
	}
	var event AskEvent
	switch e.name {
	case "sources":
		event, err = parseData[SourcesEvent](e)
	case "delta":
		event, err = parseData[DeltaEvent](e)
	case "done":
		event, err = parseData[DoneEvent](e)
	case "error":
		problem, status := parseProblem(e.data)
		if problem == nil || status == 0 {
			return nil, e.malformed(response)
		}
		problem.Status = status
		return nil, problem
	}
	if err != nil {
		return nil, e.malformed(response)
	}
	return event, nil
}

func (e serverEvent) malformed(response *http.Response) *Error {
	response.Body = io.NopCloser(strings.NewReader(string(e.data)))
	return readError(response)
}

func parseData[T AskEvent](e serverEvent) (AskEvent, error) {
	var event T
	if err := checkJSON(e.data, loadShapes()["event "+e.name]); err != nil {
		return nil, err
	}
	err := json.Unmarshal(e.data, &event)
	return event, err
}
