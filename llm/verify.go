package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/llm/upstream"
)

// maxExcerpt is how much of a wrong key or title a complaint quotes.
const maxExcerpt = 200

// complaint is what is wrong with a model's reply.
type complaint struct {
	reason string // one word for logs and metrics
	text   string // only for the model, since it quotes the reply
}

// The reasons of a complaint.
const (
	reasonForm        = "form"        // not exactly one JSON object with exactly the required keys
	reasonSchema      = "schema"      // not valid against the contract's component
	reasonTitle       = "title"       // not the film's title
	reasonRating      = "rating"      // not the film's rating
	reasonRecommended = "recommended" // not what the rule says
)

func complain(reason, format string, args ...any) *complaint {
	return &complaint{reason: reason, text: fmt.Sprintf(format, args...)}
}

// correction tells the model what is wrong with its reply.
func (c *complaint) correction() string {
	return fmt.Sprintf("Your reply is refused: %s. Reply again, with the one JSON object and nothing else.", c.text)
}

// verify reads a summary from a model's reply and compares it with the facts. The title may be the
// catalogue's, or the one that the model was given. The returned summary has the catalogue's.
func (r *replySchema) verify(reply, title string, facts Summary) (Summary, *complaint) {
	s, wrong := r.parse(reply)
	if wrong != nil {
		return Summary{}, wrong
	}
	if s.Title == title {
		s.Title = facts.Title
	}
	if wrong := s.check(facts); wrong != nil {
		return Summary{}, wrong
	}
	s.Title = title
	return s, nil
}

// parse reads a model's reply: exactly one JSON object with exactly the required keys, valid against
// the contract's component. encoding/json alone would accept keys that are duplicate, missing or in
// another case, null, and anything after the object. One code fence is accepted, since models often
// write one.
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

// members reads one object key by key.
func (r *replySchema) members(dec *json.Decoder) (map[string]any, error) {
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errNoObject
	}
	members := map[string]any{}
	for dec.More() {
		if err := r.member(dec, members); err != nil {
			return nil, err
		}
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

// member reads a key and its value.
func (r *replySchema) member(dec *json.Decoder, members map[string]any) error {
	token, err := dec.Token()
	if err != nil {
		return errNoObject
	}
	key, _ := token.(string) // within an object the decoder yields only strings
	if !slices.Contains(r.keys, key) {
		return fmt.Errorf("the key %q does not belong there", excerpt(key))
	}
	if _, twice := members[key]; twice {
		return fmt.Errorf("the key %q is there twice", key)
	}
	var value any
	if err := dec.Decode(&value); err != nil {
		return errNoObject
	}
	members[key] = value
	return nil
}

// validate checks a summary against the contract's component. The error is one sentence.
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

// excerpt is the beginning of a text in a reply, safe to show to the model again.
func excerpt(text string) string {
	return upstream.Clean(strings.ToValidUTF8(text[:min(len(text), maxExcerpt)], ""))
}

// unfence removes one Markdown code fence from a reply.
func unfence(reply string) string {
	text := strings.TrimFunc(reply, upstream.Invisible)
	if !strings.HasPrefix(text, "```") || !strings.HasSuffix(text, "```") {
		return text
	}
	_, inner, found := strings.Cut(text, "\n") // the first line may name the language
	if !found {
		return text
	}
	return strings.TrimSpace(strings.TrimSuffix(inner, "```"))
}
