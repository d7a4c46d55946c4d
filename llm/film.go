package llm

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/shopspring/decimal"
	"github.com/tmc/langchaingo/llms"
)

// Film is what a model may know of a film. All of it comes from the database.
type Film struct {
	ID                 int32
	Title              string
	Description        string
	Category           string
	Rating             string // G, PG, PG-13, R or NC-17; empty where unknown
	ReleaseYear        int32  // 0 where unknown
	Length             int32  // minutes; 0 where unknown
	Language           string
	RentalRate         decimal.Decimal // dollars for a rental
	RentalDuration     int32           // days that a rental lasts
	Actors             []string        // first and last name
	StreamingAvailable bool
	SpecialFeatures    []string
}

// catalogue is the block of films in a prompt.
type catalogue struct {
	Films []filmEntry `json:"films"`
}

// filmEntry is a film as a model reads it. The names carry the units.
type filmEntry struct {
	ID                 int32       `json:"film_id"`
	Title              string      `json:"title"`
	Category           string      `json:"category,omitempty"`
	Rating             string      `json:"rating,omitempty"`
	RentalRate         json.Number `json:"rental_rate_dollars"` // exact, with two decimals
	RentalDays         int32       `json:"rental_days"`
	Minutes            int32       `json:"length_minutes,omitempty"`
	ReleaseYear        int32       `json:"release_year,omitempty"`
	Language           string      `json:"language,omitempty"`
	Actors             []string    `json:"actors,omitempty"`
	SpecialFeatures    []string    `json:"special_features,omitempty"`
	StreamingAvailable bool        `json:"streaming_available"`
	Description        string      `json:"description,omitempty"`
}

// The block's marks. JSON as encoding/json writes it has no "<", so no film can close the block.
const (
	catalogueOpen  = "<catalogue>"
	catalogueClose = "</catalogue>"
)

// catalogueBlock writes films as the data block of a prompt.
func catalogueBlock(films []Film) (string, error) {
	c := catalogue{Films: make([]filmEntry, len(films))} // no films are [], not null
	for i, f := range films {
		c.Films[i] = filmEntry{
			ID: f.ID, Title: clean(f.Title), Category: clean(f.Category), Rating: clean(f.Rating),
			RentalRate: json.Number(f.RentalRate.StringFixed(2)), RentalDays: f.RentalDuration, Minutes: f.Length,
			ReleaseYear: f.ReleaseYear, Language: clean(f.Language), Actors: cleanAll(f.Actors),
			SpecialFeatures: cleanAll(f.SpecialFeatures), StreamingAvailable: f.StreamingAvailable,
			Description: clean(f.Description),
		}
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("write the catalogue: %w", err)
	}
	return catalogueOpen + "\n" + string(raw) + "\n" + catalogueClose, nil
}

// readCatalogue finds the first data block in the messages. That is ours: the question, which
// could hold one too, comes after it.
func readCatalogue(messages []llms.MessageContent) (catalogue, error) {
	var c catalogue
	for _, m := range messages {
		if m.Role != llms.ChatMessageTypeHuman {
			continue
		}
		_, rest, found := strings.Cut(messageText(m), catalogueOpen)
		if !found {
			continue
		}
		block, _, closed := strings.Cut(rest, catalogueClose)
		if !closed {
			return c, fmt.Errorf("the catalogue has no %s", catalogueClose)
		}
		if err := json.Unmarshal([]byte(block), &c); err != nil {
			return c, fmt.Errorf("read the catalogue: %w", err)
		}
		return c, nil
	}
	return c, fmt.Errorf("the prompt has no %s", catalogueOpen)
}

// messageText is the text of a message.
func messageText(m llms.MessageContent) string {
	var b strings.Builder
	for _, part := range m.Parts {
		if text, ok := part.(llms.TextContent); ok {
			b.WriteString(text.Text)
		}
	}
	return b.String()
}

// clean makes foreign text fit for a prompt or a log line: control characters become spaces, and
// invisible ones, which can hide instructions or turn the text round, go.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', r == brailleBlank:
			return ' '
		case unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(text, "\ufffd"))
}

// brailleBlank is a sign without dots. Unicode counts it among the symbols, but nobody sees it.
const brailleBlank = '\u2800'

func cleanAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = clean(text)
	}
	return out
}
