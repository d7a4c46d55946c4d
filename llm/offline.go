package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
	"github.com/tmc/langchaingo/llms"
)

// offlineName is the model name of the offline model.
const offlineName = "offline"

// offlineIntro says what answers, so that nobody takes it for more.
const offlineIntro = "This is the offline model, which knows the catalogue and nothing else.\n\n"

// offlineModel is a llms.Model without a language model: it reads the catalogue block in the
// prompt and a few words of the question. It makes the server useful without an account, and
// testable, since the same prompt always has the same answer.
//
// It goes through the same guard and the same checks as any other model.
type offlineModel struct{}

var _ llms.Model = offlineModel{}

// Call is the short form of GenerateContent that llms.Model asks for.
func (m offlineModel) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

// GenerateContent answers in JSON mode with a summary of the first film, else the last message's
// question. It streams word by word, and counts words as tokens.
func (offlineModel) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var o llms.CallOptions
	for _, set := range options {
		set(&o)
	}
	c, err := readCatalogue(messages)
	if err != nil {
		return nil, err
	}
	var text string
	if o.JSONMode {
		text, err = offlineSummary(c.Films)
	} else {
		text, err = offlineAnswer(messageText(messages[len(messages)-1]), c.Films)
	}
	if err != nil {
		return nil, err
	}
	words := strings.SplitAfter(text, " ")
	if o.StreamingFunc != nil {
		for _, word := range words {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err := o.StreamingFunc(ctx, []byte(word)); err != nil {
				return nil, err
			}
		}
	}
	asked := 0
	for _, m := range messages {
		asked += len(strings.Fields(messageText(m)))
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{
		Content:        text,
		StopReason:     "stop",
		GenerationInfo: map[string]any{infoPromptTokens: asked, infoCompletionTokens: len(words)},
	}}}, nil
}

// offlineSummary applies the rule to the one film.
func offlineSummary(films []filmEntry) (string, error) {
	if len(films) != 1 {
		return "", fmt.Errorf("a summary is of one film, not of %d", len(films))
	}
	f := films[0]
	rate, err := decimal.NewFromString(f.RentalRate.String())
	if err != nil {
		return "", fmt.Errorf("rental rate of film %d: %w", f.ID, err)
	}
	raw, err := json.Marshal(Summary{Title: f.Title, Rating: f.Rating, Recommended: Recommended(f.Rating, rate)})
	return string(raw), err
}

// offlineAnswer answers about the film that the question names, else lists the films that have
// what it asks for.
func offlineAnswer(question string, films []filmEntry) (string, error) {
	if len(films) == 0 {
		return offlineIntro + "Nothing in the catalogue was found for this question.", nil
	}
	if f, ok := namedFilm(question, films); ok {
		return offlineIntro + aboutFilm(question, f), nil
	}
	for _, w := range offlineWishes {
		said := w.says.FindStringSubmatch(question)
		if said == nil {
			continue
		}
		fits, err := w.fits(said)
		if err != nil {
			return "", fmt.Errorf("understand %q: %w", said[0], err)
		}
		films = slices.DeleteFunc(films, func(f filmEntry) bool { return !fits(f) })
	}
	films = byWords(question, films)
	if len(films) == 0 {
		return offlineIntro + "Films were found for this question, but none has all that it asks for.", nil
	}
	var b strings.Builder
	b.WriteString(offlineIntro)
	b.WriteString("From the catalogue:\n")
	for _, f := range films {
		fmt.Fprintf(&b, "- %s: %s.\n", f.Title, f.facts())
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// namedFilm finds the film whose title the question holds, the longest one if there are several.
func namedFilm(question string, films []filmEntry) (filmEntry, bool) {
	var found filmEntry
	for _, f := range films {
		if len(f.Title) > len(found.Title) && holdsWords(question, f.Title) {
			found = f
		}
	}
	return found, found.Title != ""
}

// offlineTopics are what may be asked of one film. The first one that the question names counts.
var offlineTopics = []struct {
	asks   *regexp.Regexp
	answer func(f filmEntry) string
}{
	{regexp.MustCompile(`(?i)\b(stars?|starring|actors?|actress(es)?|cast|plays?)\b`), func(f filmEntry) string {
		if len(f.Actors) == 0 {
			return "The catalogue names no actors of " + f.Title + "."
		}
		return f.Title + " stars " + strings.Join(f.Actors, ", ") + "."
	}},
	{regexp.MustCompile(`(?i)\b(child(ren)?|kids?|family|rated|rating|suitable|years old)\b`), func(f filmEntry) string {
		meaning, ok := ratingMeanings[f.Rating]
		if !ok {
			return "The catalogue has no rating of " + f.Title + "."
		}
		return f.Title + " is rated " + f.Rating + ": " + meaning + "."
	}},
	{regexp.MustCompile(`(?i)\b(how long|length|minutes|duration|running time)\b`), func(f filmEntry) string {
		if f.Minutes == 0 {
			return "The catalogue does not say how long " + f.Title + " is."
		}
		return fmt.Sprintf("%s runs for %d minutes.", f.Title, f.Minutes)
	}},
	{regexp.MustCompile(`(?i)\b(costs?|price|rent|rental|rate|dollars?|cheap|expensive)\b|\$`), func(f filmEntry) string {
		return fmt.Sprintf("%s costs $%s to rent for %d days.", f.Title, f.RentalRate, f.RentalDays)
	}},
	{regexp.MustCompile(`(?i)\bstream`), func(f filmEntry) string {
		if f.StreamingAvailable {
			return f.Title + " is available for streaming."
		}
		return f.Title + " is not available for streaming."
	}},
}

// ratingMeanings are the Motion Picture Association's ratings in our words.
var ratingMeanings = map[string]string{
	"G":     "anyone may watch it, children too",
	"PG":    "some of it may not suit young children, so parents should have a look first",
	"PG-13": "parents should take care, as some of it does not suit children under 13",
	"R":     "it is not for children; those under 17 need an adult beside them",
	"NC-17": "it is for adults only",
}

// aboutFilm answers a question about one film: what it asks for, else all there is.
func aboutFilm(question string, f filmEntry) string {
	for _, topic := range offlineTopics {
		if topic.asks.MatchString(question) {
			return topic.answer(f)
		}
	}
	return strings.TrimSpace(f.Title + " (" + f.facts() + "). " + f.Description)
}

// facts are a film's main facts on one line.
func (f filmEntry) facts() string {
	var facts []string
	if f.ReleaseYear != 0 {
		facts = append(facts, strconv.Itoa(int(f.ReleaseYear)))
	}
	for _, fact := range []string{f.Category, f.Rating} {
		if fact != "" {
			facts = append(facts, fact)
		}
	}
	if f.Minutes != 0 {
		facts = append(facts, fmt.Sprintf("%d minutes", f.Minutes))
	}
	return strings.Join(append(facts, fmt.Sprintf("$%s for %d days", f.RentalRate, f.RentalDays)), ", ")
}

const (
	// shortMinutes and longMinutes are what "short" and "long" mean: about a quarter of the
	// catalogue each.
	shortMinutes = 80
	longMinutes  = 150
)

// offlineWishes are what a list of films may be narrowed to. All that the question names count.
var offlineWishes = []struct {
	says *regexp.Regexp
	fits func(said []string) (func(filmEntry) bool, error)
}{
	{regexp.MustCompile(`(?i)\b(NC-17|PG-13|PG)\b`), func(said []string) (func(filmEntry) bool, error) {
		return func(f filmEntry) bool { return strings.EqualFold(f.Rating, said[1]) }, nil
	}},
	// A single letter is a rating only in a rating's company.
	{regexp.MustCompile(`\b(?i:rated|rating) ([GR])\b|\b([GR])[- ](?i:rated)\b`), func(said []string) (func(filmEntry) bool, error) {
		return func(f filmEntry) bool { return f.Rating == said[1]+said[2] }, nil
	}},
	{regexp.MustCompile(`(?i)\b(for|with) (the |my |our )?(children|kids|family)\b`), func([]string) (func(filmEntry) bool, error) {
		return func(f filmEntry) bool { return f.Rating == "G" || f.Rating == "PG" }, nil
	}},
	{regexp.MustCompile(`(?i)\bshort\b`), func([]string) (func(filmEntry) bool, error) {
		return func(f filmEntry) bool { return f.Minutes > 0 && f.Minutes <= shortMinutes }, nil
	}},
	{regexp.MustCompile(`(?i)\b(how )?long\b`), func(said []string) (func(filmEntry) bool, error) {
		return func(f filmEntry) bool { return said[1] != "" || f.Minutes >= longMinutes }, nil
	}},
	{regexp.MustCompile(`(?i)\b(?:under|below|less than|shorter than|up to|at most) (\d{1,4}) min`), func(said []string) (func(filmEntry) bool, error) {
		limit, err := strconv.Atoi(said[1])
		return func(f filmEntry) bool { return f.Minutes > 0 && int(f.Minutes) <= limit }, err
	}},
	{regexp.MustCompile(`(?i)\b(?:under|below|less than|cheaper than|up to|at most) (?:\$ ?(\d{1,4}(?:\.\d\d?)?)|(\d{1,4}(?:\.\d\d?)?) dollar)`), func(said []string) (func(filmEntry) bool, error) {
		limit, err := decimal.NewFromString(said[1] + said[2])
		return func(f filmEntry) bool {
			rate, err := decimal.NewFromString(f.RentalRate.String())
			return err == nil && rate.LessThanOrEqual(limit)
		}, err
	}},
	{regexp.MustCompile(`(?i)\bstream`), func([]string) (func(filmEntry) bool, error) {
		return func(f filmEntry) bool { return f.StreamingAvailable }, nil
	}},
}

// byWords narrows films to those of a category or an actor that the question names, if any film is.
func byWords(question string, films []filmEntry) []filmEntry {
	for _, names := range []func(filmEntry) bool{
		func(f filmEntry) bool { return f.Category != "" && holdsWords(question, f.Category) },
		func(f filmEntry) bool {
			return slices.ContainsFunc(f.Actors, func(name string) bool { return holdsWords(question, name) })
		},
	} {
		if slices.ContainsFunc(films, names) {
			films = slices.DeleteFunc(films, func(f filmEntry) bool { return !names(f) })
		}
	}
	return films
}

// holdsWords says whether a text holds a phrase, word by word and in its order. Case and plural
// do not count.
func holdsWords(text, phrase string) bool {
	have, want := stems(text), stems(phrase)
	for i := range len(have) - len(want) + 1 {
		if slices.Equal(have[i:i+len(want)], want) {
			return len(want) > 0
		}
	}
	return false
}

var word = regexp.MustCompile(`[\p{L}\p{N}]+`)

// stems are a text's words in lower case and the singular, near enough.
func stems(text string) []string {
	words := word.FindAllString(strings.ToLower(text), -1)
	for i, w := range words {
		if stem, ok := strings.CutSuffix(w, "ies"); ok {
			words[i] = stem + "y"
		} else {
			words[i] = strings.TrimSuffix(w, "s")
		}
	}
	return words
}
