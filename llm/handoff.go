package llm

import (
	"context"
	"strings"

	"example.com/pagila-api/llm/upstream"
)

// Agent is the agent that answered a question.
type Agent string

// The agents of a [Handoff].
const (
	AgentSearch Agent = "search" // the catalogue alone, without a model
	AgentModel  Agent = "model"
)

// Handoff is a whole answer, and the agent that gave it.
type Handoff struct {
	Agent   Agent
	Answer  string
	Sources []Source // of the search agent, the films in the answer; of the model, the films it was given
	Result  Result   // of the model; zero if it was not asked
}

// Handoff answers a question with the search agent if it can, and otherwise asks the model.
//
// The search agent takes a question if it understands every meaningful word of it, and one of these
// is true:
//   - The question names films by their titles. It may ask for their cast, rating, suitability for
//     children, length, price, replacement cost, rental period, category, stock, streaming, year,
//     special features, language or story.
//   - The question gives criteria for films: a rating, a category, an actor's full name, a
//     special feature, in stock, for streaming, for children, short, long or cheap, a price or a
//     length with its limits ("under 1 dollar", "60 to 90 minutes"), or the longest, shortest,
//     cheapest or most expensive. All but the last may be negated ("not rated R", "without
//     trailers").
//
// If no films were found, the answer says so. All other questions go to the model, which answers as
// in [Client.Ask]: any that ask for an opinion, a comparison or a detail of a film's story.
//
// The search agent states only what is in the films of the question, and sends no request. An answer
// of the model that was cut at the token limit is an error.
func (c *Client) Handoff(ctx context.Context, q Question) (Handoff, error) {
	if q.answer != "" {
		return Handoff{Agent: AgentSearch, Answer: q.answer, Sources: q.cited}, nil
	}
	var text strings.Builder
	result, err := c.generate(ctx, q, upstream.Request{
		Buffer: true,
		Emit: func(piece string) error {
			text.WriteString(piece)
			return nil
		},
	})
	if err != nil {
		return Handoff{}, err
	}
	return Handoff{Agent: AgentModel, Answer: text.String(), Sources: q.Sources(), Result: result}, nil
}
