package llm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/upstream"
)

const (
	// maxCorrections is low, because a model that repeats its mistake after two corrections will
	// repeat it again.
	maxCorrections = 2
	// maxQuoted is how much of a bad reply the model is shown again. A summary is far shorter.
	maxQuoted = 1000
)

// The members of a summary in JSON.
const (
	keyTitle       = "title"
	keyRating      = "rating"
	keyRecommended = "recommended"
)

// Summary is what a model says about a film, once it is verified.
type Summary struct {
	Title       string `json:"title"`
	Rating      string `json:"rating"`
	Recommended bool   `json:"recommended"`
}

// recommendedRatings are the ratings strictly above PG-13.
var recommendedRatings = []string{"R", "NC-17"}

// recommendedBelow is the rental rate, in dollars, from which no film is recommended.
var recommendedBelow = decimal.New(300, -2)

// Recommended is the rule: the rating is above PG-13 and the rental rate is below 3.00. A film whose
// rating or rate is unknown is not recommended.
func Recommended(rating string, rate decimal.NullDecimal) bool {
	return slices.Contains(recommendedRatings, rating) && rate.Valid && rate.Decimal.LessThan(recommendedBelow)
}

// Summarize asks the model for a summary of a film, and verifies it.
//
// A reply that fails a check is sent back with a correction, at most twice and within one deadline.
// After that the error is of [KindUnverified]. For a film of which no summary can be true and follow
// the contract, such as one without a rating, this error is returned at once, without a request. The usage
// in the result is the sum of all attempts.
func (c *Client) Summarize(ctx context.Context, f Film) (Summary, Result, error) {
	task, err := c.summaryTask(f)
	if err != nil {
		return Summary{}, c.result(c.summary, upstream.Answer{}), err
	}
	ctx, cancel := c.model.WithTimeout(ctx)
	defer cancel()
	var spent Usage
	for try := 0; ; try++ {
		answer, err := c.model.Generate(ctx, task.request)
		spent.Prompt += answer.Usage.Prompt
		spent.Completion += answer.Usage.Completion
		answer.Usage = spent
		result := c.result(c.summary, answer)
		if err != nil {
			return Summary{}, result, err
		}
		summary, wrong := c.schema.verify(answer.Text, f.Title, task.facts)
		if wrong == nil {
			return summary, result, nil
		}
		c.countRejection(ctx, wrong.reason)
		if try == maxCorrections {
			return Summary{}, result, unverified("the summary failed the check of its %s", wrong.reason)
		}
		c.logger.InfoContext(ctx, "correcting the language model's summary", "film_id", f.ID, "try", try+1, "reason", wrong.reason)
		task.correct(answer.Text, wrong)
	}
}

// summaryTask is what the model is asked for one film.
type summaryTask struct {
	request upstream.Request
	facts   Summary // the only summary that is accepted, with the title as the model reads it
}

// summaryTask prepares the summary of a film.
func (c *Client) summaryTask(f Film) (*summaryTask, error) {
	facts := Summary{Title: f.Title, Rating: f.Rating, Recommended: Recommended(f.Rating, f.RentalRate)}
	if err := c.schema.validate(map[string]any{
		keyTitle: facts.Title, keyRating: facts.Rating, keyRecommended: facts.Recommended,
	}); err != nil {
		return nil, unverified("no true summary of film %d follows the contract: %w", f.ID, err)
	}
	read := entry(f)
	data, err := block(filmTag, read)
	if err != nil {
		return nil, rejected(err)
	}
	// The model can only copy what it reads, which is not always the whole title.
	facts.Title = read.Title
	schema, err := c.schema.request(c.model.SchemaPerCall(), facts)
	if err != nil {
		return nil, rejected(err)
	}
	messages := c.summary.render(map[string]string{"film": data})
	return &summaryTask{c.summary.request(messages, upstream.Request{Schema: schema}), facts}, nil
}

// correct adds a reply and what is wrong with it to the messages.
func (t *summaryTask) correct(reply string, wrong *complaint) {
	t.request.Messages = append(t.request.Messages,
		llms.TextParts(llms.ChatMessageTypeAI, strings.ToValidUTF8(reply[:min(len(reply), maxQuoted)], "")),
		llms.TextParts(llms.ChatMessageTypeHuman, wrong.correction()))
}

func unverified(format string, args ...any) *Error {
	return &Error{Kind: KindUnverified, Err: fmt.Errorf(format, args...)}
}
