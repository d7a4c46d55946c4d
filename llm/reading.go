package llm

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// reading is what a question asks for, as far as it is understood without a language model: the
// film it names, what it asks of that film, or what films have to be like.
type reading struct {
	film   *filmEntry // named by its title; nil where none is
	topics []topic    // asked of the film
	wishes []wish     // a film has to meet all of them
	best   *ranking   // the question wants the longest, the cheapest and so on
	rest   []string   // the words that were not understood
}

// wish says whether a film is as the question wants it.
type wish func(f filmEntry) bool

// read reads a question about films. Titles, categories and actors are known from the films alone.
func read(question string, films []filmEntry) reading {
	r := reading{}
	s := newSentence(" " + strings.ToLower(question) + " ")
	for i, f := range films {
		if (r.film == nil || len(f.Title) > len(r.film.Title)) && s.has(f.Title) {
			r.film = &films[i]
		}
	}
	if r.film == nil {
		r.readWishes(s, question, films)
	} else {
		s.cut(r.film.Title)
		for _, t := range topics {
			if s.match(t.asked) != nil {
				r.topics = append(r.topics, t)
			}
			for s.match(t.asked) != nil { // in other words
			}
		}
	}
	if notWord.MatchString(s.text) {
		r.wishes, r.best = nil, nil // one of them may be what is not wanted
	}
	for _, w := range s.words {
		if !emptyWords[w.stem] {
			r.rest = append(r.rest, w.stem)
		}
	}
	return r
}

// readWishes reads what films have to be like.
func (r *reading) readWishes(s *sentence, question string, films []filmEntry) {
	for s.match(filler) != nil {
	}
	s.set(number.ReplaceAllStringFunc(s.text, func(text string) string {
		word, unit, _ := strings.Cut(text, " ")
		return strconv.Itoa(numbers[word]) + " " + unit
	}))
	// An amount in two units is one amount.
	s.set(hoursAndMinutes.ReplaceAllStringFunc(s.text, func(text string) string {
		parts := hoursAndMinutes.FindStringSubmatch(text)
		hours, _ := strconv.Atoi(parts[1]) // the pattern leaves nothing but digits
		minutes, _ := strconv.Atoi(parts[2])
		return strconv.Itoa(60*hours+minutes) + " minutes"
	}))
	s.set(dollarsAndCents.ReplaceAllString(s.text, "$1.$2 dollars"))
	for said := s.match(money); said != nil; said = s.match(money) {
		amount, err := decimal.NewFromString(said["dollars"] + said["dollars2"] + said["dollars3"] + said["cents"])
		if err != nil {
			continue // the pattern leaves no such text
		}
		if said["cents"] != "" {
			amount = amount.Shift(-2)
		}
		r.wishes = append(r.wishes, func(f filmEntry) bool { return said.within(f.rate().Cmp(amount)) })
	}
	for said := s.match(duration); said != nil; said = s.match(duration) {
		minutes, err := strconv.ParseFloat(said["minutes"]+said["hours"], 64)
		if err != nil {
			continue // the pattern leaves no such text
		}
		if said["hours"] != "" {
			minutes *= 60
		}
		r.wishes = append(r.wishes, func(f filmEntry) bool { return f.Minutes > 0 && said.within(cmp.Compare(float64(f.Minutes), minutes)) })
	}
	for i, order := range rankings {
		said := s.match(order.asked)
		switch {
		case said == nil:
		case said.negated():
			r.rest = append(r.rest, order.name)
		default:
			r.best = &rankings[i]
		}
	}
	for _, w := range plainWishes {
		if said := s.match(w.asked); said != nil {
			r.wishes = append(r.wishes, func(f filmEntry) bool { return w.fits(f) != said.negated() })
		}
	}
	r.readNames(s, question, films)
}

// readNames reads the ratings, categories, actors and special features that a question names. Several
// ratings or categories are alternatives. Several actors or features have to be there all, unless
// there is an "or".
func (r *reading) readNames(s *sentence, question string, films []filmEntry) {
	var names []name
	for said, start, end := s.locate(ratingName); said != nil; said, start, end = s.locate(ratingName) {
		s.blank(start, end)
		names = append(names, name{ratings, ratingOf(said["rating"]), start, end})
	}
	cut := func(of facet, value string) {
		for start, end, found := s.find(value); found; start, end, found = s.find(value) {
			s.blank(start, end)
			names = append(names, name{of, value, start, end})
		}
	}
	// Alone, a letter is a rating only if it is a capital one.
	for _, letter := range capitalRating.FindAllString(question, -1) {
		cut(ratings, letter)
	}
	tried := map[string]bool{"": true} // a whole catalogue has few names, many times each
	for _, f := range films {
		for of := categories; of <= features; of++ {
			for _, value := range of.values(f) {
				if !tried[value] {
					cut(of, value)
				}
				tried[value] = true
			}
		}
	}
	r.wishNames(s, names)
}

// wishNames makes wishes of the names that were found.
func (r *reading) wishNames(s *sentence, names []name) {
	slices.SortFunc(names, func(a, b name) int { return cmp.Compare(a.start, b.start) })
	var wanted, unwanted [features + 1][]string
	for i, negated := 0, false; i < len(names); i++ {
		n := names[i]
		// What is said of the first name of a list is said of the next.
		listed := i > 0 && n.facet == names[i-1].facet && conjunction.MatchString(s.text[names[i-1].end:n.start])
		negated = s.negated(n.start) || listed && negated
		list := &wanted[n.facet]
		if negated {
			list = &unwanted[n.facet]
		}
		if !slices.Contains(*list, n.value) {
			*list = append(*list, n.value)
		}
	}
	lists := 0 // facets with several values, among which an "or" can stand
	for _, list := range append(wanted[:], unwanted[:]...) {
		if len(list) > 1 {
			lists++
		}
	}
	either := lists == 1 && s.cut("or")
	for of := range features + 1 {
		if yes := wanted[of]; len(yes) > 0 {
			r.wishes = append(r.wishes, func(f filmEntry) bool {
				has := common(yes, of.values(f))
				return has == len(yes) || has > 0 && (of == ratings || of == categories || either)
			})
		}
		if no := unwanted[of]; len(no) > 0 {
			r.wishes = append(r.wishes, func(f filmEntry) bool { return common(no, of.values(f)) == 0 })
		}
	}
}

// name is a name of the catalogue where it stands in a question.
type name struct {
	facet      facet
	value      string
	start, end int
}

// facet is what of a film a name names.
type facet int

const (
	ratings facet = iota
	categories
	actors
	features
)

// values are the names of a film.
func (of facet) values(f filmEntry) []string {
	switch of {
	case ratings:
		return []string{f.Rating}
	case categories:
		return []string{f.Category}
	case actors:
		return f.Actors
	default:
		return f.SpecialFeatures
	}
}

// common counts the values that two lists share.
func common(a, b []string) int {
	n := 0
	for _, value := range a {
		if slices.Contains(b, value) {
			n++
		}
	}
	return n
}

// asks says whether anything was understood.
func (r reading) asks() bool {
	return len(r.topics)+len(r.wishes) > 0 || r.film != nil || r.best != nil
}

// narrow returns the films that are as the question wants them, the best ones where it asks for such.
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

// bound is a limit in words, before a number or after it. A number without one means just that.
const (
	boundBefore = `(?:\b(?:(?P<under>under|below|less than|cheaper than|shorter than|fewer than)|(?P<most>up to|at most|no more than|not more than|within)|(?P<over>over|above|more than|longer than)|(?P<least>at least|no less than)) )?`
	boundAfter  = `(?: or (?:(?P<most2>less|under|below|cheaper|shorter)|(?P<least2>more|over|longer))\b)?`
)

var (
	money = regexp.MustCompile(boundBefore +
		`(?:\$ ?(?P<dollars>\d{1,4}(?:\.\d{1,2})?)|\b(?P<dollars2>\d{1,4}(?:\.\d{1,2})?) ?(?:dollars?\b|bucks?\b|usd\b|\$)|\b(?P<cents>\d{1,3}) ?(?:cents?\b|¢)|\b(?P<dollars3>\d{1,3}\.\d\d)\b)` + boundAfter)
	duration = regexp.MustCompile(boundBefore +
		`(?:\b(?P<minutes>\d{1,3})[ -]?min(?:ute)?s?\b|\b(?P<hours>\d(?:\.\d)?)[ -]?hours?\b)(?: long\b)?` + boundAfter + `(?: long\b)?`)
	hoursAndMinutes = regexp.MustCompile(`\b(\d) hours? (?:and )?(\d{1,2})(?: ?min(?:ute)?s?)?\b`)
	dollarsAndCents = regexp.MustCompile(`\b(\d{1,4}) dollars? (?:and )?(\d\d)(?: cents?)?\b`)
	// filler asks for no more than what an answer says anyway, or is a no that means some.
	filler        = regexp.MustCompile(`\b(?:(?:is|are) there|do you have|have you) no\b|\bhow long (?:is|are)\b|\bhow much (?:is|are|does|do)\b|\b(?:to|for) rent\b`)
	number        = regexp.MustCompile(`\b(?:an?|one|two|three|four|five) (?:dollar|buck|hour)`)
	ratingName    = regexp.MustCompile(`\b(?:rated |rating )?(?P<rating>nc-?17|pg-?13|pg)(?:[- ]rated)?\b|\b(?:rated|rating) (?P<rating2>[gr])\b|\b(?P<rating3>[gr])[- ]rated\b`)
	capitalRating = regexp.MustCompile(`\b[GR]\b`)
	// conjunction is all that stands between two names of a list.
	conjunction = regexp.MustCompile(`^[\s,]*(?:or|and)?[\s,]*$`)
)

// numbers are those that people write in letters.
var numbers = map[string]int{"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}

// ratingOf spells a rating as the catalogue does.
func ratingOf(said string) string {
	switch said {
	case "nc17":
		return "NC-17"
	case "pg13":
		return "PG-13"
	default:
		return strings.ToUpper(said)
	}
}

const (
	// shortMinutes and longMinutes are what "short" and "long" mean: about a quarter of the
	// catalogue each.
	shortMinutes = 80
	longMinutes  = 150
)

// cheapRate is what "cheap" means: the lowest of the catalogue's three prices.
var cheapRate = decimal.New(99, -2)

// plainWishes are those without a number or a name.
var plainWishes = []struct {
	asked *regexp.Regexp
	fits  wish
}{
	{regexp.MustCompile(`\b(?:(?:for|with) (?:(?:the|my|our|small|young) )*(?:child(?:ren)?|kids?|family)|(?:child|kid|family)[- ]friendly)\b`),
		func(f filmEntry) bool { return f.Rating == "G" || f.Rating == "PG" }},
	{regexp.MustCompile(`\bshort\b`), func(f filmEntry) bool { return f.Minutes > 0 && f.Minutes <= shortMinutes }},
	{regexp.MustCompile(`\blong\b`), func(f filmEntry) bool { return f.Minutes >= longMinutes }},
	{regexp.MustCompile(`\b(?:cheap|inexpensive)\b`), func(f filmEntry) bool { return f.rate().LessThanOrEqual(cheapRate) }},
	{regexp.MustCompile(`\b(?:available )?(?:for |to |by )?stream(?:ed|ing|able)?\b`), func(f filmEntry) bool { return f.StreamingAvailable }},
	{regexp.MustCompile(`\b(?:in stock|available)(?: (?:to|for) rent)?\b`), func(f filmEntry) bool { return f.Stock != nil && f.Stock.Available > 0 }},
}

// ranking is an order of films in which a question wants the first.
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
	{"cheapest", regexp.MustCompile(`\bcheapest\b`), func(a, b filmEntry) int { return a.rate().Cmp(b.rate()) }},
	{"most expensive", regexp.MustCompile(`\bmost expensive\b`), func(a, b filmEntry) int { return b.rate().Cmp(a.rate()) }},
}

// emptyWords say nothing about a film, so a question is understood without them. In the singular, as
// words are compared. "Not", "or", "like", "best" and "many" are not here: they change what is asked.
// Where they belong to what was understood, they have been cut out.
var emptyWords = setOf(`a an the this that these those of in on at to for from with by and i we you me us my our
	it its they them one is are was were be do does did have has had can could will there any some all
	which what show list find give tell name want need get see watch
	film movie movies dvd title category genre something anything thing catalogue shop store please hi hello
	d m re ll ve s so just but now today currently still left only about cost price priced feature special
	star starring starred`)

func setOf(words string) map[string]bool {
	set := map[string]bool{"": true} // the plural's s alone
	for word := range strings.FieldsSeq(words) {
		set[singular(word)] = true
	}
	return set
}
