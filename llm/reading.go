package llm

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// reading is the part of a question that is understood without a language model: the films that it
// names and what it asks about them, or the criteria for the films that it asks for.
type reading struct {
	named  []filmEntry // by their titles, in the order of the question
	topics []topic     // asked about the named films
	wishes []wish      // a film has to meet all of them
	best   *ranking    // the question wants the longest, the cheapest and so on
	rest   []string    // the words that were not understood
}

// wish reports whether a film meets one of the question's criteria.
type wish func(f filmEntry) bool

// read reads a question about films. Titles, categories and actors are known from the films alone.
func read(question string, films []filmEntry) reading {
	r := reading{}
	s := newSentence(" " + strings.ToLower(question) + " ")
	r.readTitles(s, films)
	if len(r.named) == 0 {
		r.readWishes(s, question, films)
	} else {
		for _, t := range topics {
			if s.match(t.asked) != nil {
				r.topics = append(r.topics, t)
			}
			for s.match(t.asked) != nil { // the same topic in other words
			}
		}
	}
	if notWord.MatchString(s.text) {
		r.wishes, r.best = nil, nil // the "not" may belong to any of them
	}
	for _, w := range s.words {
		if !emptyWords[w.stem] {
			r.rest = append(r.rest, w.stem)
		}
	}
	return r
}

// readTitles reads which films a question names. A title within a longer title does not count.
func (r *reading) readTitles(s *sentence, films []filmEntry) {
	var candidates []filmEntry
	for _, f := range films {
		if s.has(f.Title) {
			candidates = append(candidates, f)
		}
	}
	slices.SortStableFunc(candidates, func(a, b filmEntry) int { return cmp.Compare(len(b.Title), len(a.Title)) })
	at := map[int32]int{} // the positions of the titles, by film
	for _, f := range candidates {
		for start, end, found := s.find(f.Title); found; start, end, found = s.find(f.Title) {
			s.blank(start, end)
			if _, again := at[f.ID]; !again {
				at[f.ID] = start
				r.named = append(r.named, f)
			}
		}
	}
	slices.SortFunc(r.named, func(a, b filmEntry) int { return cmp.Compare(at[a.ID], at[b.ID]) })
}

// readWishes reads the criteria for the films that a question asks for.
func (r *reading) readWishes(s *sentence, question string, films []filmEntry) {
	for s.match(filler) != nil {
	}
	r.readAmounts(s)
	for i, order := range rankings {
		said := s.match(order.asked)
		switch {
		case said == nil:
		case said.negated || r.best != nil: // only one ranking can apply
			r.rest = append(r.rest, order.name)
		default:
			r.best = &rankings[i]
		}
	}
	for _, w := range plainWishes {
		if said := s.match(w.asked); said != nil {
			r.wishes = append(r.wishes, func(f filmEntry) bool { return w.fits(f) != said.negated })
		}
	}
	r.readNames(s, question, films)
}

// asks reports whether anything was understood.
func (r reading) asks() bool {
	return len(r.named)+len(r.topics)+len(r.wishes) > 0 || r.best != nil
}

// narrow returns the films that meet the question's wishes. With a ranking, it returns only the first of
// them, and any that tie with it.
func (r reading) narrow(films []filmEntry) []filmEntry {
	var fitting []filmEntry
	for _, f := range films {
		if !slices.ContainsFunc(r.wishes, func(fits wish) bool { return !fits(f) }) {
			fitting = append(fitting, f)
		}
	}
	if r.best == nil || len(fitting) == 0 {
		return fitting
	}
	first := slices.MinFunc(fitting, r.best.compare)
	return slices.DeleteFunc(fitting, func(f filmEntry) bool { return r.best.compare(f, first) != 0 })
}

// filler matches phrases that ask for what every answer contains anyway, and a "no" that does not negate
// anything, as in "do you have no comedies?".
var filler = regexp.MustCompile(`\b(?:(?:is|are) there|do you have|have you) no\b|\bhow long (?:is|are)\b|\bhow much (?:is|are|does|do)\b|\b(?:to|for) rent\b`)

const (
	// shortMinutes and longMinutes are what "short" and "long" mean: about a quarter of the
	// catalogue each.
	shortMinutes = 80
	longMinutes  = 150
)

// cheapRate is what "cheap" means: the lowest of the catalogue's three prices.
var cheapRate = decimal.New(99, -2)

// plainWishes are the wishes without a number or a name.
var plainWishes = []struct {
	asked *regexp.Regexp
	fits  wish
}{
	{regexp.MustCompile(`\b(?:(?:for|with) (?:(?:the|my|our|small|young) )*(?:child(?:ren)?|kids?|family)|(?:child|kid|family)[- ]friendly)\b`),
		func(f filmEntry) bool { return f.Rating == "G" || f.Rating == "PG" }},
	{regexp.MustCompile(`\bshort\b`), func(f filmEntry) bool { return f.Minutes > 0 && f.Minutes <= shortMinutes }},
	{regexp.MustCompile(`\blong\b`), func(f filmEntry) bool { return f.Minutes >= longMinutes }},
	{regexp.MustCompile(`\b(?:cheap|inexpensive)\b`), func(f filmEntry) bool { return f.rate().Valid && f.rate().Decimal.LessThanOrEqual(cheapRate) }},
	{regexp.MustCompile(`\b(?:available )?(?:for |to |by )?stream(?:ed|ing|able)?\b`), func(f filmEntry) bool { return f.StreamingAvailable }},
	{regexp.MustCompile(`\b(?:in stock|available)(?: (?:to|for) rent)?\b`), func(f filmEntry) bool { return f.Stock != nil && f.Stock.Available > 0 }},
}

// ranking is an order of films, of which a question wants the first.
type ranking struct {
	name    string
	asked   *regexp.Regexp
	compare func(a, b filmEntry) int
}

var rankings = []ranking{
	{"longest", regexp.MustCompile(`\blongest\b`), func(a, b filmEntry) int { return cmp.Compare(b.Minutes, a.Minutes) }},
	{"shortest", regexp.MustCompile(`\bshortest\b`), func(a, b filmEntry) int {
		if a.Minutes == 0 || b.Minutes == 0 {
			return cmp.Compare(b.Minutes, a.Minutes) // an unknown length comes last
		}
		return cmp.Compare(a.Minutes, b.Minutes)
	}},
	{"cheapest", regexp.MustCompile(`\bcheapest\b`), func(a, b filmEntry) int { return cmp.Or(knownFirst(a, b), a.rate().Decimal.Cmp(b.rate().Decimal)) }},
	{"most expensive", regexp.MustCompile(`\bmost expensive\b`), func(a, b filmEntry) int { return cmp.Or(knownFirst(a, b), b.rate().Decimal.Cmp(a.rate().Decimal)) }},
}

// knownFirst puts films whose rental rate is known before the others.
func knownFirst(a, b filmEntry) int {
	switch {
	case a.rate().Valid == b.rate().Valid:
		return 0
	case a.rate().Valid:
		return -1
	default:
		return 1
	}
}

// emptyWords say nothing about a film, so a question is understood without them. They are in the
// singular, because words are compared in the singular. "Not", "or", "like", "best" and "many" are
// missing because they change what is asked. If they belong to a phrase that was understood, they have
// already been cut out.
var emptyWords = setOf(`a an the this that these those of in on at to for from with by and i we you me us my our
	it its they them one is are was were be do does did have has had can could will there any some all
	which what show list find give tell name want need get see watch
	film movie movies dvd title category genre something anything thing catalogue shop store please hi hello
	d m re ll ve s so just but now today currently still left only about cost price priced feature special
	star starring starred`)

func setOf(words string) map[string]bool {
	set := map[string]bool{"": true} // the "s" alone, without its plural
	for word := range strings.FieldsSeq(words) {
		set[singular(word)] = true
	}
	return set
}
