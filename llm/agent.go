package llm

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	notFound   = "Nothing in the catalogue was found for this question."
	noneHasAll = "None of the films found has all that the question asks for."
)

// maxListed is how many films an answer lists.
const maxListed = 8

// takes reports whether the search agent answers the question. [Client.Handoff] describes the rule.
// Nothing else decides between the search agent and the model.
func (r reading) takes() bool {
	return r.asks() && len(r.rest) == 0
}

// answer answers from nothing but the films found, and returns the films that the answer is about.
func (r reading) answer(films []filmEntry) (string, []Source) {
	if len(films) == 0 {
		return notFound, []Source{}
	}
	if len(r.named) > 0 {
		listed := r.named[:min(len(r.named), maxListed)]
		answers := make([]string, len(listed))
		for i, f := range listed {
			answers[i] = f.about(r.topics)
		}
		return strings.Join(answers, "\n"), sourcesOf(listed)
	}
	films = r.narrow(films)
	if len(films) == 0 {
		return noneHasAll, []Source{}
	}
	var b strings.Builder
	switch {
	case r.best != nil:
		fmt.Fprintf(&b, "The %s of the films found:\n", r.best.name)
	case len(r.rest) > 0:
		b.WriteString("The films that come closest:\n")
	default:
		b.WriteString("From the catalogue:\n")
	}
	listed := films[:min(len(films), maxListed)]
	for _, f := range listed {
		fmt.Fprintf(&b, "- %s: %s.\n", f.cited(), f.facts())
	}
	if more := len(films) - len(listed); more > 0 {
		fmt.Fprintf(&b, "And %d more.\n", more)
	}
	return strings.TrimSuffix(b.String(), "\n"), sourcesOf(listed)
}

// topic is something that a question may ask about a film.
type topic struct {
	asked  *regexp.Regexp // in lower case
	answer func(f filmEntry) string
}

// topics has all topics. A question may ask about several.
var topics = []topic{
	{regexp.MustCompile(`\bwho(?:['’]s| is| are| was)? in\b|\b(?:who (?:is |are )?(?:the )?)?(?:stars?|starring|actors?|actress(?:es)?|cast|plays?|acts?)\b`), func(f filmEntry) string {
		if len(f.Actors) == 0 {
			return "The catalogue names no actors of " + f.cited() + "."
		}
		return f.cited() + " stars " + strings.Join(f.Actors, ", ") + "."
	}},
	{regexp.MustCompile(`\b(?:suitable |okay |ok |fit |made )?(?:for )?(?:(?:the|my|our|small|young) )*(?:child(?:ren)?|kids?|family)\b|\brat(?:ed|ing)s?\b|\bsuitable\b`), func(f filmEntry) string {
		meaning, ok := ratingMeanings[f.Rating]
		if !ok {
			return "The catalogue has no rating of " + f.cited() + "."
		}
		return f.cited() + " is rated " + f.Rating + ": " + meaning + "."
	}},
	{regexp.MustCompile(`\bhow (?:long|many days) (?:can|may|do|could) (?:i|we|you|one) (?:rent|keep|have|hire)\b|\brental (?:duration|period|days|time)\b`), func(f filmEntry) string {
		return fmt.Sprintf("%s is rented for %d days.", f.cited(), f.RentalDays)
	}},
	{regexp.MustCompile(`\b(?:how long|length|minutes|running time|run(?:s|ning)?)\b`), func(f filmEntry) string {
		if f.Minutes == 0 {
			return "The catalogue does not say how long " + f.cited() + " is."
		}
		return fmt.Sprintf("%s runs for %d minutes.", f.cited(), f.Minutes)
	}},
	{regexp.MustCompile(`\breplacement (?:cost|price)s?\b|\bcosts? to replace\b|\b(?:if i|i have|i've) (?:lost|lose|broke|break)\b`), func(f filmEntry) string {
		if f.ReplacementCost == "" {
			return "The catalogue does not say what it costs to replace " + f.cited() + "."
		}
		return fmt.Sprintf("%s costs $%s to replace.", f.cited(), f.ReplacementCost)
	}},
	{regexp.MustCompile(`\b(?:how much|how expensive|(?:rental )?(?:costs?|prices?)|rental rate|dollars?)\b(?: (?:to|for) rent\b)?|\$`), func(f filmEntry) string {
		if f.RentalRate == "" {
			return "The catalogue does not say what it costs to rent " + f.cited() + "."
		}
		return fmt.Sprintf("%s costs $%s to rent for %d days.", f.cited(), f.RentalRate, f.RentalDays)
	}},
	{regexp.MustCompile(`\b(?:category|genre|(?:kind|sort|type) of (?:film|movie))\b`), func(f filmEntry) string {
		if f.Category == "" {
			return "The catalogue has no category of " + f.cited() + "."
		}
		return f.cited() + " is in the category " + f.Category + "."
	}},
	{regexp.MustCompile(`\b(?:available )?(?:for |to )?stream(?:ed|ing|able)?\b`), func(f filmEntry) string {
		if f.StreamingAvailable {
			return f.cited() + " is available for streaming."
		}
		return f.cited() + " is not available for streaming."
	}},
	{regexp.MustCompile(`\b(?:(?:in stock|available)(?: (?:to|for) rent)?|how many copies|can (?:i|we) (?:still )?(?:rent|get|have))\b`), func(f filmEntry) string {
		switch {
		case f.Stock == nil:
			return "The catalogue does not say whether " + f.cited() + " is in stock."
		case f.Stock.Copies == 0:
			return "The shops have no copy of " + f.cited() + "."
		default:
			return fmt.Sprintf("Copies of %s in stock: %d of %d.", f.cited(), f.Stock.Available, f.Stock.Copies)
		}
	}},
	{regexp.MustCompile(`\b(?:when was +(?:it +)?(?:released|made)|(?:what|which|release) year(?: was +(?:it +)?(?:released|made))?|release date)\b`), func(f filmEntry) string {
		if f.ReleaseYear == 0 {
			return "The catalogue does not say when " + f.cited() + " was released."
		}
		return fmt.Sprintf("%s was released in %d.", f.cited(), f.ReleaseYear)
	}},
	{regexp.MustCompile(`\b(?:special features?|extras?|trailers?|(?:commentary|commentaries)|deleted scenes?|behind the scenes)\b`), func(f filmEntry) string {
		if len(f.SpecialFeatures) == 0 {
			return f.cited() + " has no special features."
		}
		return f.cited() + " has the special features " + strings.Join(f.SpecialFeatures, ", ") + "."
	}},
	{regexp.MustCompile(`\blanguages?\b`), func(f filmEntry) string {
		if f.Language == "" {
			return "The catalogue has no language of " + f.cited() + "."
		}
		return f.cited() + " is in " + f.Language + "."
	}},
	{regexp.MustCompile(`\b(?:plot|story|synopsis|description|happens)\b`), filmEntry.portrait},
}

// ratingMeanings are the Motion Picture Association's ratings in our words.
var ratingMeanings = map[string]string{
	"G":     "anyone may watch it, children too",
	"PG":    "some of it may not suit young children, so parents should have a look first",
	"PG-13": "parents should take care, as some of it does not suit children under 13",
	"R":     "it is not for children; those under 17 need an adult beside them",
	"NC-17": "it is for adults only",
}

// about answers the topics of a question about the film. Without a topic, it describes the film.
func (f filmEntry) about(topics []topic) string {
	if len(topics) == 0 {
		return f.portrait()
	}
	answers := make([]string, len(topics))
	for i, t := range topics {
		answers[i] = t.answer(f)
	}
	return strings.Join(answers, " ")
}

// portrait is a description of a film: its main facts and the text about it.
func (f filmEntry) portrait() string {
	return strings.TrimSpace(f.cited() + ": " + f.facts() + ". " + f.Description)
}

// cited is a film's title with its id, as answers cite it.
func (f filmEntry) cited() string { return fmt.Sprintf("%s [%d]", f.Title, f.ID) }

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
	if f.RentalRate != "" {
		facts = append(facts, fmt.Sprintf("$%s for %d days", f.RentalRate, f.RentalDays))
	} else {
		facts = append(facts, fmt.Sprintf("rented for %d days", f.RentalDays))
	}
	return strings.Join(facts, ", ")
}
