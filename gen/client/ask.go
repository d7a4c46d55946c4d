package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
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

// ErrTokenLimit is the reason of an [*IncompleteAnswerError] where the model reached its token limit.
var ErrTokenLimit = errors.New("the model reached its token limit")

// AskQuestion asks the language model about the catalogue and yields its answer piece by piece, as it is
// written. An error is the last thing it yields: an answer that ends without an error is whole. One that
// broke off, or that the model cut at its token limit, ends with an [*IncompleteAnswerError]. Each range
// over the result asks anew, and leaving the loop stops the model.
func (a *API) AskQuestion(ctx context.Context, question string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for event, err := range a.AskQuestionEvents(ctx, question) {
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

// AskQuestionEvents is [API.AskQuestion] with all that the server tells: the sources, the pieces of text
// and, in the end, the model and its usage. Where the model was stopped at its token limit, the
// [DoneEvent] is followed by the error. Events of kinds that this package does not know are left out.
func (a *API) AskQuestionEvents(ctx context.Context, question string) iter.Seq2[AskEvent, error] {
	return func(yield func(AskEvent, error) bool) {
		response, err := a.doer.do(ctx, exchange{
			operation: "askQuestion",
			method:    http.MethodGet,
			path:      "/ai/ask",
			params:    AskQuestionParams{Question: question},
			accept:    mediaEvents,
		})
		if err != nil {
			yield(nil, err)
			return
		}
		defer response.Body.Close()
		readAnswer(ctx, response, yield)
	}
}

// readAnswer yields the events of an answer, up to the last one or an error.
func readAnswer(ctx context.Context, response *http.Response, yield func(AskEvent, error) bool) {
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
			yield(nil, brokenOff(ctx, text.String(), err))
		}
		if ok || err != nil {
			return
		}
	}
}

// brokenOff is the error of an answer that is not whole. When the caller has ended it, that is the
// caller's own reason.
func brokenOff(ctx context.Context, text string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &IncompleteAnswerError{Text: text, Err: err}
}

// parse reads an event by its name, if it could be received. One of another name is nil. The server's own
// error is a [*ProblemError], and an event that cannot be read is an [*HTTPError].
func (e serverEvent) parse(response *http.Response, err error) (AskEvent, error) {
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, e.malformed(response)
	case err != nil:
		return nil, asNetworkError(err)
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
		problem, status := parseProblem(HTTPError{ContentType: mediaProblem, Body: e.data})
		if status == 0 {
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

// asNetworkError makes one of an error of the connection. A time limit stays what it is.
func asNetworkError(err error) error {
	if _, ok := errors.AsType[APIError](err); ok {
		return err
	}
	return &NetworkError{Err: err}
}

func (e serverEvent) malformed(response *http.Response) APIError {
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
