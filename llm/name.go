package llm

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// readNames reads the ratings, categories, actors and special features that a question names. Several
// ratings or categories are alternatives. A film needs all of several actors or features, unless
// there is an "or".
func (r *reading) readNames(s *sentence, question string, films []filmEntry) {
	var names []name
	for p := s.locate(ratingName); p != nil; p = s.locate(ratingName) {
		s.blank(p.start, p.end)
		names = append(names, name{ratings, ratingOf(p.groups["rating"] + p.groups["rating2"] + p.groups["rating3"]), p.start, p.end})
	}
	cut := func(of facet, value string) {
		for start, end, found := s.find(value); found; start, end, found = s.find(value) {
			s.blank(start, end)
			names = append(names, name{of, value, start, end})
		}
	}
	// A single letter is a rating only if it is a capital letter.
	for _, letter := range capitalRating.FindAllString(question, -1) {
		cut(ratings, letter)
	}
	tried := map[string]bool{"": true} // a whole catalogue repeats a small number of names
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

// wishNames turns the names that were found into wishes.
func (r *reading) wishNames(s *sentence, names []name) {
	slices.SortFunc(names, func(a, b name) int { return cmp.Compare(a.start, b.start) })
	var wanted, unwanted [features + 1][]string
	var either [features + 1]bool
	for i, negated := 0, false; i < len(names); i++ {
		n := names[i]
		var listed, or bool
		if i > 0 && n.facet == names[i-1].facet {
			listed, or = s.listed(names[i-1].end, n.start)
			either[n.facet] = either[n.facet] || or
		}
		// A negation of the first name of a list also applies to the other names.
		negated = s.negated(n.start) || listed && negated
		list := &wanted[n.facet]
		if negated {
			list = &unwanted[n.facet]
		}
		if !slices.Contains(*list, n.value) {
			*list = append(*list, n.value)
		}
	}
	for of := range features + 1 {
		if yes := wanted[of]; len(yes) > 0 {
			r.wishes = append(r.wishes, func(f filmEntry) bool {
				has := common(yes, of.values(f))
				return has == len(yes) || has > 0 && (of == ratings || of == categories || either[of])
			})
		}
		if no := unwanted[of]; len(no) > 0 {
			r.wishes = append(r.wishes, func(f filmEntry) bool { return common(no, of.values(f)) == 0 })
		}
	}
}

// name is a name from the catalogue, with its position in a question.
type name struct {
	facet      facet
	value      string
	start, end int
}

// facet is the attribute of a film to which a name belongs.
type facet int

const (
	ratings facet = iota
	categories
	actors
	features
)

// values returns a film's values of the attribute.
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

// ratingOf returns a rating in the catalogue's spelling.
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

var (
	ratingName    = regexp.MustCompile(`\b(?:rated |rating )?(?P<rating>nc-?17|pg-?13|pg)(?:[- ]rated)?\b|\b(?:rated|rating) (?P<rating2>[gr])\b|\b(?P<rating3>[gr])[- ]rated\b`)
	capitalRating = regexp.MustCompile(`\b[GR]\b`)
)
