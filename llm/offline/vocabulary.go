package offline

import (
	_ "embed"
	"regexp"
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
	dash   = regexp.MustCompile(`(\d ?)[-–—]( ?\$? ?\d)`)
	digits = regexp.MustCompile(`^(\d{1,6}|\d{0,6}\.\d{1,6})$`)
	ies    = regexp.MustCompile(`ies\b`)
	plural = regexp.MustCompile(`(\pL\pL[^s\s])s\b`)
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

// split returns the words, numbers and symbols of a text. A dash between numbers means a range.
func split(text string) []string {
	return tokens.FindAllString(dash.ReplaceAllString(text, "$1 to $2"), -1)
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
