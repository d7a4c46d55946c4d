package llm

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tmc/langchaingo/llms"
)

const (
	// maxFilms is how many films a model is given. More make its answers vaguer, not better.
	maxFilms = 8
	// maxCatalogue is how many bytes they may take, some 4,000 tokens: half of what the smallest
	// local models can read, with the answer, is left for the rest.
	maxCatalogue = 12 << 10
)

// Question is what a customer asks, with what the answer may rest on.
type Question struct {
	Text  string
	Films []Film // the films found for it, best first; may be empty, and more than a model is given
}

// Source is a film that an answer rests on.
type Source struct {
	FilmID int32
	Title  string
}

// Sources returns exactly the films that [Client.Ask] gives the model for this question, in their
// order there. Films that are as the question wants them come first. Of these, eight are given at
// most, and what does not fit the prompt is left out. It depends on nothing but the question, so a
// caller can send it ahead of the answer.
func (q Question) Sources() []Source { return sourcesOf(q.given()) }

// given chooses the films that the model is given.
func (q Question) given() []filmEntry {
	found := entries(q.Films)
	r := read(clean(q.Text), found)
	wanted := r.narrow(found)
	isWanted := func(f filmEntry) bool {
		return slices.ContainsFunc(wanted, func(w filmEntry) bool { return w.ID == f.ID })
	}
	slices.SortStableFunc(found, func(a, b filmEntry) int {
		switch wantA, wantB := isWanted(a), isWanted(b); {
		case wantA == wantB:
			return 0
		case wantA:
			return -1
		default:
			return 1
		}
	})
	given, size := []filmEntry{}, 0
	for _, f := range found {
		raw, err := json.Marshal(f)
		if err != nil || size+len(raw) > maxCatalogue {
			continue
		}
		given, size = append(given, f), size+len(raw)
		if len(given) == maxFilms {
			break
		}
	}
	return given
}

func sourcesOf(films []filmEntry) []Source {
	sources := make([]Source, len(films)) // none is [], not null
	for i, f := range films {
		sources[i] = Source{FilmID: f.ID, Title: f.Title}
	}
	return sources
}

// Blank says whether a text counts as empty: it holds nothing but blanks, control characters and
// invisible ones, such as those of zero width. [Client.Ask] and [Client.Handoff] refuse a blank
// question.
func Blank(text string) bool { return strings.TrimSpace(clean(text)) == "" }

// Ask streams the answer to a question. The chain is: prompt, guarded model, stream.
//
// The function emit gets non-empty pieces of text, in the goroutine of the caller. An error of it
// ends the call to the upstream and comes back wrapped; every other failure is an [*Error]. After
// an error, what was emitted is not a whole answer. With [KindLength] it is whole up to the token
// limit, and the Result is filled in.
func (c *Client) Ask(ctx context.Context, q Question, emit func(chunk string) error) (Result, error) {
	result := c.result(c.ask, nil)
	if Blank(q.Text) {
		return result, newError(KindRejected, "the question is empty")
	}
	films, err := catalogueBlock(q.given())
	if err != nil {
		return result, &Error{Kind: KindRejected, Err: err}
	}
	question, err := questionBlock(strings.TrimSpace(clean(q.Text)))
	if err != nil {
		return result, &Error{Kind: KindRejected, Err: err}
	}
	messages := c.ask.render(map[string]string{"catalogue": films, "question": question})
	stream := llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error { return emit(string(chunk)) })
	resp, err := c.model.GenerateContent(ctx, messages, append(c.ask.options(), stream)...)
	return c.result(c.ask, resp), err
}
