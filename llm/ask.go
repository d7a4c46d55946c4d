package llm

import (
	"context"
	"encoding/json"
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

// Question is what a customer asks, with what an answer may rest on. [NewQuestion] makes one.
type Question struct {
	text   string      // clean
	given  []filmEntry // to a model
	answer string      // of the search agent; empty: the question is one for a model
	cited  []Source    // in that answer
}

// NewQuestion prepares a question. The films are those found for it, best first. There may be none,
// and there may be a whole catalogue: the question keeps no more of them than it needs.
//
// A model is given eight films at most, those first that are as the question wants them. What does
// not fit the prompt is left out.
func NewQuestion(text string, films []Film) Question {
	q := Question{text: strings.TrimSpace(clean(text))}
	found := entries(films)
	r := read(q.text, found)
	q.given = r.choose(found)
	if r.takes() {
		q.answer, q.cited = r.answer(found)
	}
	return q
}

// Text is the question as a model reads it, without blanks around it and what cannot be seen.
func (q Question) Text() string { return q.text }

// Sources returns exactly the films that [Client.Ask] gives the model, in their order there. A caller
// can send them ahead of the answer.
func (q Question) Sources() []Source { return sourcesOf(q.given) }

// Source is a film that an answer rests on.
type Source struct {
	FilmID int32
	Title  string
}

// choose returns the films that a model is given.
func (r reading) choose(found []filmEntry) []filmEntry {
	wanted := r.narrow(found)
	first := map[int32]bool{}
	for _, f := range wanted {
		first[f.ID] = true
	}
	for _, f := range found {
		if !first[f.ID] {
			wanted = append(wanted, f)
		}
	}
	given, size := []filmEntry{}, 0
	for _, f := range wanted {
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
	messages, err := c.askMessages(q)
	if err != nil {
		return c.result(c.ask, nil), err
	}
	stream := llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error { return emit(string(chunk)) })
	resp, err := c.model.GenerateContent(ctx, messages, append(c.ask.options(), stream)...)
	return c.result(c.ask, resp), err
}

func (c *Client) askMessages(q Question) ([]llms.MessageContent, error) {
	if q.text == "" {
		return nil, newError(KindRejected, "the question is empty")
	}
	films, err := catalogueBlock(q.given)
	if err != nil {
		return nil, &Error{Kind: KindRejected, Err: err}
	}
	question, err := questionBlock(q.text)
	if err != nil {
		return nil, &Error{Kind: KindRejected, Err: err}
	}
	return c.ask.render(map[string]string{"catalogue": films, "question": question}), nil
}
