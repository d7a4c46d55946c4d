package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
)

// AskEvent is a part of an answer: an [SourcesEvent], [DeltaEvent] or [DoneEvent].
type AskEvent interface{ askEvent() }

func (SourcesEvent) askEvent() {}
func (DeltaEvent) askEvent()   {}
func (DoneEvent) askEvent()    {}

// Ask asks the language model about the catalogue and yields its answer piece by piece, as it is
// written. An error is the last thing it yields. One that comes after the first piece is an
// [ErrIncomplete]: an answer that ends without an error is whole. Each range over the result asks
// anew, and leaving the loop stops the model.
func (a *API) Ask(ctx context.Context, question string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for event, err := range a.AskEvents(ctx, question) {
			if err != nil {
				yield("", err)
				return
			}
			switch event := event.(type) {
			case DeltaEvent:
				if !yield(event.Text, nil) {
					return
				}
			case DoneEvent:
				if event.FinishReason == "length" {
					yield("", fmt.Errorf("%w: the model reached its limit of tokens", ErrIncomplete))
				}
			}
		}
	}
}

// AskEvents is [API.Ask] with all that the server tells: the sources, the pieces of text and, in
// the end, the model and its usage. A model that was stopped at its limit of tokens is no error
// here; the [DoneEvent] says so. Events of kinds that this package does not know are passed over.
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
		for received, err := range events(response.Body) {
			var event AskEvent
			if err == nil {
				event, err = received.parse()
			}
			if err != nil {
				yield(nil, fmt.Errorf("%w: %w", ErrIncomplete, err))
				return
			}
			if event == nil {
				continue
			}
			if _, done := event.(DoneEvent); !yield(event, nil) || done {
				return
			}
		}
	}
}

func acceptEvents(_ context.Context, r *http.Request) error {
	r.Header.Set("Accept", "text/event-stream")
	return nil
}

// parse reads an event by its name. One of another name is nil, and the server's own error is an
// [*Error].
func (e serverEvent) parse() (AskEvent, error) {
	switch e.name {
	case "sources":
		return parseData[SourcesEvent](e)
	case "delta":
		return parseData[DeltaEvent](e)
	case "done":
		return parseData[DoneEvent](e)
	case "error":
		return nil, parseProblem(e.data)
	default:
		return nil, nil
	}
}

func parseData[T AskEvent](e serverEvent) (AskEvent, error) {
	var event T
	if err := json.Unmarshal(e.data, &event); err != nil {
		return nil, fmt.Errorf("the event %s is broken: %w", e.name, err)
	}
	return event, nil
}
