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

// AskEvent is an event of an answer: a [ToolEvent], [SourcesEvent], [DeltaEvent] or [DoneEvent].
type AskEvent interface{ askEvent() }

func (ToolEvent) askEvent()    {}
func (SourcesEvent) askEvent() {}
func (DeltaEvent) askEvent()   {}
func (DoneEvent) askEvent()    {}

// ErrTokenLimit is the reason for an [*IncompleteAnswerError] if the model reached its token limit.
var ErrTokenLimit = errors.New("the model reached its token limit")

// AskQuestion asks the language model about the catalogue and streams the answer in chunks. After an error
// the iteration ends. If there is no error, the answer is complete. If the answer broke off or reached the
// model's token limit, the error is an [*IncompleteAnswerError]. Each range over the result sends a new
// request. Leaving the loop stops the model.
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

// AskQuestionEvents streams the events of an answer: the calls of tools, the sources, the chunks, then the model
// and its usage. If the model reached its token limit, the error follows the [DoneEvent]. Unknown events are
// skipped. Otherwise it behaves like [API.AskQuestion].
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

// brokenOff returns the error for an incomplete answer, or the cause of ctx if the caller canceled the
// call.
func brokenOff(ctx context.Context, text string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &IncompleteAnswerError{Text: text, Err: err}
}

// parse decodes an event. It returns nil for unknown event names. An error event is returned as a
// [*ProblemError], and a malformed event as an [*HTTPError]. err is the error of receiving the event.
func (e serverEvent) parse(response *http.Response, err error) (AskEvent, error) {
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, e.malformed(response)
	case err != nil:
		return nil, asNetworkError(err)
	}
	var event AskEvent
	switch e.name {
	case "tool":
		event, err = parseData[ToolEvent](e)
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

// asNetworkError wraps a connection error in a NetworkError. Timeouts are returned unchanged.
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
