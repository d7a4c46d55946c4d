package llm

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/upstream"
)

// Film is what a summary is made from. All of it comes from the database.
type Film struct {
	ID         int32
	Title      string
	Rating     string              // G, PG, PG-13, R or NC-17; empty if unknown
	RentalRate decimal.NullDecimal // dollars for a rental; not valid if unknown
}

// filmEntry is a film as a model reads it. The names include the units.
type filmEntry struct {
	ID         int32       `json:"film_id"`
	Title      string      `json:"title"`
	Rating     string      `json:"rating,omitempty"`
	RentalRate json.Number `json:"rental_rate_dollars,omitempty"` // exact, with two decimals
}

// maxTitle is how much of a title a model reads, in characters. Pagila's longest has 27. A longer one of
// another database, which the model has to copy, should not fill its answer.
const maxTitle = 150

// entry is a film as a model reads it.
func entry(f Film) filmEntry {
	e := filmEntry{ID: f.ID, Title: cut(upstream.Clean(f.Title), maxTitle), Rating: f.Rating}
	if f.RentalRate.Valid {
		e.RentalRate = json.Number(f.RentalRate.Decimal.StringFixed(2))
	}
	return e
}

// rate is the rental rate in dollars, or not valid if it is unknown.
func (f filmEntry) rate() decimal.NullDecimal {
	rate, err := decimal.NewFromString(f.RentalRate.String())
	return decimal.NullDecimal{Decimal: rate, Valid: err == nil}
}

// The data blocks of the prompts. encoding/json never writes a "<", so neither a film nor a question can
// close its block, open another, or contain the marks of roles that local models use ("<|im_start|>").
const (
	filmTag     = "film"
	questionTag = "question"
)

// block writes a data block of a prompt.
func block(tag string, data any) (string, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return "", fmt.Errorf("write the block %s: %w", tag, err)
	}
	return "<" + tag + ">\n" + string(raw) + "\n</" + tag + ">", nil
}

// readBlock reads a data block from the user's messages. The text of the prompt may mention the marks too,
// but without JSON between them.
func readBlock(messages []llms.MessageContent, tag string, data any) error {
	for _, m := range messages {
		if m.Role != llms.ChatMessageTypeHuman {
			continue
		}
		_, rest, opened := strings.Cut(upstream.MessageText(m), "<"+tag+">\n")
		text, _, closed := strings.Cut(rest, "\n</"+tag+">")
		if !opened || !closed {
			continue
		}
		if err := json.Unmarshal([]byte(text), data); err != nil {
			return fmt.Errorf("read the block %s: %w", tag, err)
		}
		return nil
	}
	return fmt.Errorf("the user's messages have no block %s", tag)
}

// cut returns the beginning of a text.
func cut(text string, characters int) string {
	if len(text) <= characters { // a text never has more characters than bytes
		return text
	}
	runes := []rune(text)
	return string(runes[:min(len(runes), characters)])
}
