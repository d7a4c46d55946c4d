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
	RentalRate         decimal.NullDecimal // dollars for a rental; not valid where unknown
	RentalDuration     int32               // days that a rental lasts
	Actors             []string            // first and last name
	StreamingAvailable bool
	SpecialFeatures    []string
	Stock              *Stock              // nil where nothing is said of it
	ReplacementCost    decimal.NullDecimal // dollars for a lost copy; not valid where nothing is said of it
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

// filmEntry is a film as a model reads it. The names carry the units.
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

// rate is the rental rate in dollars, not valid where it is unknown.
func (f filmEntry) rate() decimal.NullDecimal {
	rate, err := decimal.NewFromString(f.RentalRate.String())
	return decimal.NullDecimal{Decimal: rate, Valid: err == nil}
}

// dollars writes a sum with two decimals, or nothing where it is unknown.
func dollars(sum decimal.NullDecimal) json.Number {
	if !sum.Valid {
		return ""
	}
	return json.Number(sum.Decimal.StringFixed(2))
}

// The marks of the data blocks. JSON as encoding/json writes it has no "<", so neither a film nor a
// question can close its block, open another, or hold the marks with which local models tell the
// roles apart ("<|im_start|>").
const (
	catalogueOpen  = "<catalogue>"
	catalogueClose = "</catalogue>"
	questionOpen   = "<question>"
	questionClose  = "</question>"
)

// How much of a text a model reads, in characters. Pagila's longest description has
// about 130 and its longest name 27. The text of another database should not fill the prompt, and a title
// that the model has to copy should not fill its answer.
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
		Stock: f.Stock, ReplacementCost: dollars(f.ReplacementCost), Description: cut(clean(f.Description), maxDescription),
	}
}

func entries(films []Film) []filmEntry {
	out := make([]filmEntry, len(films)) // no films are [], not null
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

// readBlock reads the data block between the marks from the user's messages. The prompt's own words
// may name the marks too, but have no JSON between them.
func readBlock(messages []llms.MessageContent, openMark, closeMark string, data any) error {
	for _, m := range messages {
		if m.Role != llms.ChatMessageTypeHuman {
			continue
		}
		_, rest, opened := strings.Cut(messageText(m), openMark+"\n")
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
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return text // all of Pagila, of which there can be much
	}
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

// isUnseen says whether a character is a blank, or otherwise cannot be seen.
func isUnseen(r rune) bool { return unicode.IsSpace(r) || Blank(string(r)) }

// brailleBlank is a sign without dots. Unicode counts it among the symbols, but nobody sees it.
const brailleBlank = '\u2800'

// short is a title, a name or the like as a model reads it.
func short(text string) string { return cut(clean(text), maxName) }

func shortAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = short(text)
	}
	return out
}

// cut is the beginning of a text.
func cut(text string, characters int) string {
	if len(text) <= characters { // in bytes, so in characters too
		return text
	}
	runes := []rune(text)
	return string(runes[:min(len(runes), characters)])
}
