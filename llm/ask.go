package llm

import (
	"context"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/upstream"
)

const (
	// maxFilms is how many films a model is given. More of them make its answers vaguer, not better.
	maxFilms = 8
	// maxCatalogue is how many bytes of films a model is given, about 4,000 tokens. That leaves half of
	// what the smallest local models can read for the rest and the answer.
	maxCatalogue = 12 << 10
)

// Question is what a customer asks, with the films that an answer may use. [NewQuestion] makes one.
type Question struct {
	text   string      // clean
	given  []filmEntry // to a model
	answer string      // of the search agent; empty if the question is for a model
	cited  []Source    // in that answer
}

// NewQuestion prepares a question. The films are those that were found for it, the best first. There
// may be none, and there may be a whole catalogue: the question keeps only the films that it needs.
//
// A model is given at most eight films, those that match the question first. Films that do not fit
// into the prompt are left out.
//
// A text without a visible character becomes the replacement character U+FFFD: models do not answer an empty
// message.
func NewQuestion(text string, films []Film) Question {
	q := Question{text: strings.TrimSpace(upstream.Clean(text))}
	if q.text == "" {
		q.text = string(unicode.ReplacementChar)
	}
	found := entries(films)
	r := read(q.text, found)
	q.given = r.choose(found)
	if r.takes() {
		q.answer, q.cited = r.answer(found)
	}
	return q
}

// Text is the question as a model reads it, without surrounding whitespace and invisible characters.
func (q Question) Text() string { return q.text }

// Sources returns exactly the films that [Client.Ask] gives the model, in the same order. A caller can
// send them before the answer.
func (q Question) Sources() []Source { return sourcesOf(q.given) }

// Source is a film that an answer is based on.
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
	sources := make([]Source, len(films)) // [] and not null if there are none
	for i, f := range films {
		sources[i] = Source{FilmID: f.ID, Title: f.Title}
	}
	return sources
}

// Blank reports whether a text counts as empty: it has nothing but whitespace, control characters and
// invisible characters, such as zero-width ones.
func Blank(text string) bool { return upstream.Blank(text) }

// Ask streams the answer to a question.
//
// The function emit is called with non-empty chunks of text, in the caller's goroutine. Its error ends
// the call to the upstream and comes back wrapped. Every other failure is an [*Error]. After an error,
// the emitted text is not a whole answer. With [KindLength] it is complete up to the token limit, and
// the Result is filled in.
func (c *Client) Ask(ctx context.Context, q Question, emit func(chunk string) error) (Result, error) {
	return c.generate(ctx, q, upstream.Request{Emit: emit})
}

// generate asks the model a question. The request says how the answer is delivered.
func (c *Client) generate(ctx context.Context, q Question, r upstream.Request) (Result, error) {
	messages, err := c.askMessages(q)
	if err != nil {
		return c.result(c.ask, upstream.Answer{}), rejected(err)
	}
	answer, err := c.model.Generate(ctx, c.ask.request(messages, r))
	return c.result(c.ask, answer), err
}

func (c *Client) askMessages(q Question) ([]llms.MessageContent, error) {
	films, err := catalogueBlock(q.given)
	if err != nil {
		return nil, err
	}
	question, err := questionBlock(q.text)
	if err != nil {
		return nil, err
	}
	return c.ask.render(map[string]string{"catalogue": films, "question": question}), nil
}
