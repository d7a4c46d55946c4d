package llm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/shopspring/decimal"
	"github.com/tmc/langchaingo/llms"
)

const (
	// maxCorrections: a model that is told twice what is wrong and repeats it will not learn.
	maxCorrections = 2
	// maxQuoted is how much of a bad reply the model is shown again. A summary is far shorter.
	maxQuoted = 1000
	// maxExcerpt is how much of a wrong key or title a complaint shows.
	maxExcerpt = 200
)

// The members of a summary in JSON.
const (
	keyTitle       = "title"
	keyRating      = "rating"
	keyRecommended = "recommended"
)

// Summary is what a model says of a film, once it is verified.
type Summary struct {
	Title       string `json:"title"`
	Rating      string `json:"rating"`
	Recommended bool   `json:"recommended"`
}

// recommendedRatings are the ratings strictly above PG-13.
var recommendedRatings = []string{"R", "NC-17"}

// recommendedBelow is the rental rate, in dollars, from which on no film is recommended.
var recommendedBelow = decimal.New(300, -2)

// Recommended is the rule: the rating is above PG-13 and the rental rate is below 3.00. A film of
// unknown rating or rate is not recommended.
func Recommended(rating string, rate decimal.NullDecimal) bool {
	return slices.Contains(recommendedRatings, rating) && rate.Valid && rate.Decimal.LessThan(recommendedBelow)
}

// Summarize has the model summarize a film, and verifies what it says. The chain is: prompt,
// guarded model, parser, checks.
//
// A reply that does not stand is sent back with the complaint, at most twice and within the one
// deadline. Then the error is of [KindUnverified]. It is so at once, without asking anybody, for a
// film of which no summary can both be true and follow the contract, such as one without a rating.
// The usage in the result is that of all tries together.
func (c *Client) Summarize(ctx context.Context, f Film) (Summary, Result, error) {
	result := c.result(c.summary, nil)
	facts := Summary{Title: f.Title, Rating: f.Rating, Recommended: Recommended(f.Rating, f.RentalRate)}
	if err := c.schema.validate(map[string]any{
		keyTitle: facts.Title, keyRating: facts.Rating, keyRecommended: facts.Recommended,
	}); err != nil {
		return Summary{}, result, newError(KindUnverified, "no true summary of film %d follows the contract: %w", f.ID, err)
	}
	read := entry(f)
	block, err := catalogueBlock([]filmEntry{read})
	if err != nil {
		return Summary{}, result, &Error{Kind: KindRejected, Err: err}
	}
	// The model can only copy what it reads, which is not all of every title.
	facts.Title = read.Title
	ctx, cancel := withTimeout(ctx, c.timeout)
	defer cancel()
	ctx = withSchema(ctx, c.schema.forUpstream(c.quirks, facts))
	messages := c.summary.render(map[string]string{"catalogue": block})
	options := append(c.summary.options(), llms.WithJSONMode())
	var spent Usage
	for try := 0; ; try++ {
		resp, err := c.model.GenerateContent(ctx, messages, options...)
		result = c.result(c.summary, resp)
		spent.Prompt += result.Usage.Prompt
		spent.Completion += result.Usage.Completion
		result.Usage = spent
		if err != nil {
			return Summary{}, result, err
		}
		reply := resp.Choices[0].Content
		got, wrong := c.schema.parse(reply)
		if got.Title == f.Title {
			got.Title = read.Title
		}
		if wrong == nil {
			wrong = got.check(facts)
		}
		if wrong == nil {
			got.Title = f.Title
			return got, result, nil
		}
		c.model.telemetry.refused(ctx, wrong)
		if try == maxCorrections {
			return Summary{}, result, newError(KindUnverified, "the summary is refused for its %s", wrong.reason)
		}
		c.logger.InfoContext(ctx, "the language model's summary is sent back", "film_id", f.ID, "try", try+1, "reason", wrong.reason)
		messages = append(messages,
			llms.TextParts(llms.ChatMessageTypeAI, strings.ToValidUTF8(reply[:min(len(reply), maxQuoted)], "")),
			llms.TextParts(llms.ChatMessageTypeHuman, wrong.correction()))
	}
}

// complaint is what is wrong with a model's reply.
type complaint struct {
	reason string // one word for logs and metrics
	text   string // for the model alone: it quotes the reply
}

// The reasons of a complaint.
const (
	reasonForm        = "form"        // not exactly one JSON object with exactly the wanted keys
	reasonSchema      = "schema"      // not valid against the contract's component
	reasonTitle       = "title"       // another title than the film's
	reasonRating      = "rating"      // another rating than the film's
	reasonRecommended = "recommended" // not what the rule says
)

func complain(reason, format string, args ...any) *complaint {
	return &complaint{reason: reason, text: fmt.Sprintf(format, args...)}
}

// correction tells the model what is wrong with its reply.
func (c *complaint) correction() string {
	return fmt.Sprintf("Your reply is refused: %s. Reply again, with the one JSON object and nothing else.", c.text)
}

// parse reads a model's reply: exactly one JSON object with exactly the wanted keys, valid against
// the contract's component. encoding/json alone would let pass keys twice, in another case or
// missing, null, and whatever comes after. One code fence is tolerated, since models love them.
func (r *replySchema) parse(reply string) (Summary, *complaint) {
	text := unfence(reply)
	members, err := r.members(json.NewDecoder(strings.NewReader(text)))
	if err != nil {
		return Summary{}, complain(reasonForm, "%v", err)
	}
	if err := r.validate(members); err != nil {
		return Summary{}, complain(reasonSchema, "%v", err)
	}
	var s Summary
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return Summary{}, complain(reasonSchema, "it is not a summary: %v", err)
	}
	return s, nil
}

var errNoObject = errors.New("it is not one whole JSON object")

// members reads an object key by key.
func (r *replySchema) members(dec *json.Decoder) (map[string]any, error) {
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errNoObject
	}
	members := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, errNoObject
		}
		key, _ := token.(string) // within an object the decoder yields no other
		if !slices.Contains(r.keys, key) {
			return nil, fmt.Errorf("the key %q does not belong there", excerpt(key))
		}
		if _, twice := members[key]; twice {
			return nil, fmt.Errorf("the key %q is there twice", key)
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, errNoObject
		}
		members[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errNoObject
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	for _, key := range r.keys {
		if _, ok := members[key]; !ok {
			return nil, fmt.Errorf("the key %q is missing", key)
		}
	}
	return members, nil
}

// validate checks a summary against the contract's component, in one sentence.
func (r *replySchema) validate(members map[string]any) error {
	err := r.component.VisitJSON(members)
	if e, ok := errors.AsType[*openapi3.SchemaError](err); ok {
		return fmt.Errorf("%q is wrong: %s", strings.Join(e.JSONPointer(), "/"), e.Reason)
	}
	return err
}

// check compares a summary with the facts.
func (s Summary) check(facts Summary) *complaint {
	switch {
	case s.Title != facts.Title:
		return complain(reasonTitle, "the title is %q, but the catalogue says %q", excerpt(s.Title), facts.Title)
	case s.Rating != facts.Rating:
		return complain(reasonRating, "the rating is %q, but the catalogue says %q", s.Rating, facts.Rating)
	case s.Recommended != facts.Recommended:
		return complain(reasonRecommended, "recommended is %t, but by the rule it is %t", s.Recommended, facts.Recommended)
	}
	return nil
}

// excerpt is the beginning of a reply's text, fit to be shown to the model again.
func excerpt(text string) string {
	return clean(strings.ToValidUTF8(text[:min(len(text), maxExcerpt)], ""))
}

// unfence takes one Markdown code fence off a reply.
func unfence(reply string) string {
	text := strings.TrimFunc(reply, isUnseen)
	if !strings.HasPrefix(text, "```") || !strings.HasSuffix(text, "```") {
		return text
	}
	_, inner, found := strings.Cut(text, "\n") // the first line may name the language
	if !found {
		return text
	}
	return strings.TrimSpace(strings.TrimSuffix(inner, "```"))
}
