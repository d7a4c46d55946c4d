package llm

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/upstream"
)

// Film is what a model may know about a film. All of it comes from the database.
type Film struct {
	ID                 int32
	Title              string
	Description        string
	Category           string
	Rating             string // G, PG, PG-13, R or NC-17; empty if unknown
	ReleaseYear        int32  // 0 if unknown
	Length             int32  // minutes; 0 if unknown
	Language           string
	RentalRate         decimal.NullDecimal // dollars for a rental; not valid if unknown
	RentalDuration     int32               // days that a rental lasts
	Actors             []string            // first and last name
	StreamingAvailable bool
	SpecialFeatures    []string
	Stock              *Stock              // nil if unknown
	ReplacementCost    decimal.NullDecimal // dollars for a lost copy; not valid if unknown
}

// Stock is how many copies of a film the shops have.
type Stock struct {
	Copies    int32 `json:"copies"`
	Available int32 `json:"available_copies"` // those that are not rented out
}

// catalogue is the block of films in a prompt.
type catalogue struct {
	Films []filmEntry `json:"films"`
}

// filmEntry is a film as a model reads it. The names include the units.
type filmEntry struct {
	ID                 int32       `json:"film_id"`
	Title              string      `json:"title"`
	Category           string      `json:"category,omitempty"`
	Rating             string      `json:"rating,omitempty"`
	RentalRate         json.Number `json:"rental_rate_dollars,omitempty"` // exact, with two decimals
	RentalDays         int32       `json:"rental_days"`
	Minutes            int32       `json:"length_minutes,omitempty"`
	ReleaseYear        int32       `json:"release_year,omitempty"`
	Language           string      `json:"language,omitempty"`
	Actors             []string    `json:"actors,omitempty"`
	SpecialFeatures    []string    `json:"special_features,omitempty"`
	StreamingAvailable bool        `json:"streaming_available"`
	Stock              *Stock      `json:"stock,omitempty"`
	ReplacementCost    json.Number `json:"replacement_cost_dollars,omitempty"`
	Description        string      `json:"description,omitempty"`
}

// rate is the rental rate in dollars, or not valid if it is unknown.
func (f filmEntry) rate() decimal.NullDecimal {
	rate, err := decimal.NewFromString(f.RentalRate.String())
	return decimal.NullDecimal{Decimal: rate, Valid: err == nil}
}

// dollars writes a sum with two decimals, or nothing if it is unknown.
func dollars(sum decimal.NullDecimal) json.Number {
	if !sum.Valid {
		return ""
	}
	return json.Number(sum.Decimal.StringFixed(2))
}

// The marks of the data blocks. encoding/json never writes a "<", so neither a film nor a question can
// close its block, open another, or contain the marks of roles that local models use ("<|im_start|>").
const (
	catalogueOpen  = "<catalogue>"
	catalogueClose = "</catalogue>"
	questionOpen   = "<question>"
	questionClose  = "</question>"
)

// How much of a text a model reads, in characters. Pagila's longest description has about 130 and its
// longest name 27. A text of another database should not fill the prompt, and a title that the model
// has to copy should not fill its answer.
const (
	maxDescription = 500
	maxName        = 150 // of titles and all other texts
)

// entry is a film as a model reads it.
func entry(f Film) filmEntry {
	return filmEntry{
		ID: f.ID, Title: short(f.Title), Category: short(f.Category), Rating: short(f.Rating),
		RentalRate: dollars(f.RentalRate), RentalDays: f.RentalDuration, Minutes: f.Length,
		ReleaseYear: f.ReleaseYear, Language: short(f.Language), Actors: shortAll(f.Actors),
		SpecialFeatures: shortAll(f.SpecialFeatures), StreamingAvailable: f.StreamingAvailable,
		Stock: f.Stock, ReplacementCost: dollars(f.ReplacementCost), Description: cut(upstream.Clean(f.Description), maxDescription),
	}
}

func entries(films []Film) []filmEntry {
	out := make([]filmEntry, len(films)) // [] and not null if there are none
	for i, f := range films {
		out[i] = entry(f)
	}
	return out
}

// catalogueBlock writes films as a data block of a prompt.
func catalogueBlock(films []filmEntry) (string, error) {
	return block(catalogueOpen, catalogueClose, catalogue{Films: films})
}

// questionBlock writes a question as a data block of a prompt.
func questionBlock(text string) (string, error) {
	return block(questionOpen, questionClose, text)
}

func block(openMark, closeMark string, data any) (string, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", openMark, err)
	}
	return openMark + "\n" + string(raw) + "\n" + closeMark, nil
}

// readBlock reads the data block between the marks from the user's messages. The text of the prompt may
// mention the marks too, but without JSON between them.
func readBlock(messages []llms.MessageContent, openMark, closeMark string, data any) error {
	for _, m := range messages {
		if m.Role != llms.ChatMessageTypeHuman {
			continue
		}
		_, rest, opened := strings.Cut(upstream.MessageText(m), openMark+"\n")
		text, _, closed := strings.Cut(rest, "\n"+closeMark)
		if !opened || !closed {
			continue
		}
		if err := json.Unmarshal([]byte(text), data); err != nil {
			return fmt.Errorf("read %s: %w", openMark, err)
		}
		return nil
	}
	return fmt.Errorf("the user's messages have no %s", openMark)
}

// short is a title, a name or the like as a model reads it.
func short(text string) string { return cut(upstream.Clean(text), maxName) }

func shortAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = short(text)
	}
	return out
}

// cut returns the beginning of a text.
func cut(text string, characters int) string {
	if len(text) <= characters { // a text never has more characters than bytes
		return text
	}
	runes := []rune(text)
	return string(runes[:min(len(runes), characters)])
}
