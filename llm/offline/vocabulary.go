package offline

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed vocabulary.txt
var vocabulary string

// term is a phrase with its meaning. The vocabulary explains kind, parameter and value. Words outside it have the kind
// unknown, and numbers in digits the kind number.
type term struct {
	kind, parameter, value string
	says                   string   // how answers say it
	text                   string   // in the question
	films                  []record // that it names, if any
}

// maxPhrase is how many words a phrase has at most.
const maxPhrase = 6

var (
	// tokens matches ordinal numbers, numbers, words, comparisons, and symbols that may mean something.
	tokens = regexp.MustCompile(`\d+(?:st|nd|rd|th|s)\b|\d*\.?\d+|\pL[\pL\pM]*|[<>]=?|=[<>]?|[^\s\pL\pC\d.?!:;"'()\[\]{}“”„‘’…*_#\x{2010}-\x{2015}-]`)
	signs  = regexp.MustCompile(`(^|[^\pL\d])[\x{2010}-\x{2015}!-]+(\S{0,2}[\pL\d])`)
	dash   = regexp.MustCompile(`(\d ?)[-–—]( ?\$? ?\d)`)
	digits = regexp.MustCompile(`^(\d{1,6}|\d{0,6}\.\d{1,6})$`)
	ies    = regexp.MustCompile(`ies\b`)
	plural = regexp.MustCompile(`(\pL\pL[^sw\s])s\b`) // news is no plural
)

// meanings maps the phrases of the vocabulary, in stems, to what they mean.
var meanings = func() map[string]term {
	all := map[string]term{}
	for line := range strings.Lines(vocabulary) {
		meaning, list, _ := strings.Cut(strings.TrimSpace(line), ": ")
		columns, phrases := append(strings.SplitN(meaning, " ", 3), "", ""), strings.Split(list, ", ")
		for _, phrase := range phrases {
			if key := stems(split(phrase)); columns[0] != "#" && all[key].kind == "" {
				all[key] = term{kind: columns[0], parameter: strings.Trim(columns[1], "-"), value: columns[2], says: phrases[0]}
			}
		}
	}
	return all
}()

// split returns the words, numbers and symbols of a text. A dash between numbers means a range. Before a word it is a
// sign, and means "not", as an exclamation mark does.
func split(text string) []string {
	return tokens.FindAllString(signs.ReplaceAllString(dash.ReplaceAllString(text, "$1 to $2"), "$1 not $2"), -1)
}

// stems are words in lower case and roughly in the singular.
func stems(words []string) string {
	text := strings.ToLower(strings.Join(words, " "))
	return plural.ReplaceAllString(ies.ReplaceAllString(text, "y"), "$1")
}

// terms reads words from left to right as the longest phrases of a dictionary. Other words that follow each other are
// one term.
func terms(words []string, dictionary map[string]term) []term {
	var all []term
	stemmed := strings.Split(stems(words), " ")
	for len(words) > 0 {
		t, n := longest(stemmed, dictionary)
		t.text = strings.Join(words[:n], " ")
		words, stemmed = words[n:], stemmed[n:]
		if last := len(all) - 1; last >= 0 && t.kind == "unknown" && all[last].kind == "unknown" {
			all[last].text += " " + t.text
		} else {
			all = append(all, t)
		}
	}
	return all
}

// longest reads the longest phrase of a dictionary that words, in stems, begin with. It has n words.
func longest(words []string, dictionary map[string]term) (t term, n int) {
	for n := min(maxPhrase, len(words)); n > 0; n-- {
		if t, found := dictionary[strings.Join(words[:n], " ")]; found {
			return t, n
		}
	}
	if digits.MatchString(words[0]) {
		return term{kind: "number", value: words[0]}, 1
	}
	return term{kind: "unknown"}, 1
}

// maxLookups is how many phrases of a question are looked up. Each takes two calls.
const maxLookups = 4

// maxNamed is how many films, and how many actors, with a phrase in their name are looked up. If there are more, the
// phrase names none of them.
const maxNamed = 5

// dictionary is the vocabulary with the names in a question. It looks up phrases outside the vocabulary as titles and
// as names of actors.
func (c *conversation) dictionary(words []string) map[string]term {
	names, question := maps.Clone(meanings), terms(words, meanings)
	known := func(t term) bool { return t.kind != "unknown" || len(t.text) < 2 || len(t.text) > 100 }
	phrases := slices.DeleteFunc(slices.Clone(question), known)
	for _, phrase := range phrases[:min(len(phrases), maxLookups)] {
		films := c.call("listFilms", map[string]any{"title": phrase.text, "count": "none", "page_size": maxNamed})
		titles(names, itemsOf(films), phrase.text, asksFact(question))
		actors := itemsOf(c.call("listActors", map[string]any{"q": phrase.text, "page_size": maxNamed}))
		for _, a := range actors {
			actor(names, actors, nameOf(a))
		}
		if isName(words, phrase.text) {
			actor(names, actors, phrase.text)
		}
	}
	return names
}

// titles adds the titles of all films that have a phrase in it. A phrase may also be the first words of the only one.
func titles(names map[string]term, films []record, phrase string, begins bool) {
	key := stems(split(phrase))
	for _, f := range films {
		title := stems(split(fmt.Sprint(f["title"])))
		others := func(g record) bool { return stems(split(fmt.Sprint(g["title"]))) != title }
		names[title] = term{kind: "film", films: slices.DeleteFunc(slices.Clone(films), others)}
		if begins && len(films) == 1 && strings.HasPrefix(title+" ", key+" ") {
			names[key] = names[title]
		}
	}
}

// record is an object of a response.
type record = map[string]any

// itemsOf are the objects on a page, or none if the page does not have all of them.
func itemsOf(page record) (items []record) {
	values, _ := page["items"].([]any)
	all := page["total"] == nil || page["total"] == json.Number(strconv.Itoa(len(values)))
	if !all || page["next_cursor"] != nil || page["left_out"] != nil {
		return nil
	}
	return objects(values)
}

// objects are the items of a list of objects.
func objects(list any) (items []record) {
	values, _ := list.([]any)
	for _, v := range values {
		object, _ := v.(record)
		items = append(items, object)
	}
	return items
}

func nameOf(a record) string { return fmt.Sprint(a["first_name"], " ", a["last_name"]) }

// actor adds a name, or whole words of one, unless it is also a part of a word of another name: listFilms looks for any
// part of a name.
func actor(names map[string]term, actors []record, name string) {
	within := func(a record) bool {
		whole, part := strings.ToLower(nameOf(a)), strings.ToLower(strings.Join(split(name), " "))
		return !strings.Contains(" "+whole+" ", " "+part+" ") && strings.Contains(whole, part)
	}
	if len(actors) > 0 && !slices.ContainsFunc(actors, within) {
		names[stems(split(name))] = term{kind: "all", parameter: "actor", value: name, says: "with " + name}
	}
}

// asksFact reports whether a question asks for facts about one film, so that an unknown phrase is its title.
func asksFact(question []term) bool {
	about := []string{"filler", "fact", "role", "measure", "unknown"}
	return !slices.ContainsFunc(question, func(t term) bool { return !slices.Contains(about, t.kind) || t.text == "The" })
}

// isName reports whether a part of an actor's name is meant as a name. Many names are also words, such as Hope and
// Rock, so it has to be capitalized among other words.
func isName(words []string, part string) bool {
	small := func(w string) bool { return strings.ToLower(w) == w }
	return words[0] != part && !small(part) && slices.ContainsFunc(words, small)
}
