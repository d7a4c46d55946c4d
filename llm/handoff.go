package llm

import (
	"context"
	"strings"

	"example.com/pagila-api/llm/offline"
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
	Sources Sources // the films that the agent was given
	Result  Result  // of the model; zero if it was not asked
}

// Handoff answers a question with the search agent if that understands each word of the question, and
// otherwise asks the model, as [Client.Ask] does. The search agent is the offline model, and sends no
// request.
//
// An answer of the model that was cut at the token limit is an error.
func (c *Client) Handoff(ctx context.Context, q Question) (Handoff, error) {
	ctx, cancel := c.model.WithTimeout(ctx)
	defer cancel()
	found, d, err := c.gather(ctx, c.search, q)
	if err != nil {
		return Handoff{}, err
	}
	switch {
	case offline.Understood(d.messages):
		return Handoff{Agent: AgentSearch, Answer: found.Answer, Sources: found.Sources}, nil
	case c.model.Local(): // it is the same model
		return found, nil
	}
	found, _, err = c.gather(ctx, c.model, q)
	return found, err
}

// gather collects the whole answer of a model. It returns the conversation as well.
func (c *Client) gather(ctx context.Context, model *upstream.Model, q Question) (Handoff, *dialogue, error) {
	found := Handoff{Agent: AgentModel}
	var text strings.Builder
	d, err := c.newDialogue(q, Observer{
		Called:  func(Call) error { return nil },
		Sources: func(s Sources) error { found.Sources = s; return nil },
		Chunk:   func(chunk string) error { text.WriteString(chunk); return nil },
	})
	if err != nil {
		return Handoff{}, nil, err
	}
	answer, err := d.run(ctx, model, c.ask.request(nil, upstream.Request{Buffer: true}))
	if err != nil {
		return Handoff{}, nil, err
	}
	found.Answer, found.Result = text.String(), c.result(c.ask, answer)
	return found, d, nil
}
