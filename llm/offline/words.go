package offline

import (
	_ "embed"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed vocabulary.txt
var vocabulary string

// meanings maps the phrases of the vocabulary, in stems, to their meaning, and said a meaning to its first phrase.
var meanings, said = func() (map[string]string, map[string]string) {
	meanings, said := map[string]string{}, map[string]string{}
	for line := range strings.Lines(vocabulary) {
		meaning, list, _ := strings.Cut(strings.TrimSpace(line), ": ")
		phrases := strings.Split(list, ", ")
		said[meaning] = phrases[0]
		for _, phrase := range phrases {
			if key := stems(split(phrase)); meanings[key] == "" {
				meanings[key] = meaning
			}
		}
	}
	return meanings, said
}()

const (
	maxPhrase = 5   // words
	unknown   = "?" // the meaning of a word outside the vocabulary
)

var (
	// tokens matches ordinal numbers, numbers, words, comparisons, and symbols that may mean something.
	tokens = regexp.MustCompile(`\d+(?:st|nd|rd|th|s)\b|\d*\.?\d+|\pL[\pL\pM]*|[<>]=?|=[<>]?|[^\s\pL\pC\d.?!:;"'()\[\]{}“”„‘’…*_#\x{2010}-\x{2015}-]`)
	// rewrites are spellings and what is read in their place.
	rewrites = map[*regexp.Regexp]string{
		regexp.MustCompile(`(?i)\bcan(?:['’]t|not)\b`): "can not",
		regexp.MustCompile(`(?i)([b-mo-z])n['’]t\b`):   "$1 not",
		regexp.MustCompile(`(?i)\bw/o\b`):              "without",
		regexp.MustCompile(`(\d ?)[-–—]( ?\$? ?\d)`):   "$1 to $2",
	}
	digits = regexp.MustCompile(`^\d*\.?\d+$`)
	// numerals are the numbers that people spell out.
	numerals = strings.Fields("- one two three four five six seven eight nine ten eleven twelve")
)

// split returns the words, numbers and symbols of a text.
func split(text string) []string {
	for spelling, by := range rewrites {
		text = spelling.ReplaceAllString(text, by)
	}
	return tokens.FindAllString(text, -1)
}

// stems are words in lower case and roughly in the singular.
func stems(words []string) string {
	all := strings.Fields(strings.ToLower(strings.Join(words, " ")))
	for i, w := range all {
		if singular, found := strings.CutSuffix(w, "ies"); found {
			all[i] = singular + "y"
		} else if len(w) > 3 && !strings.HasSuffix(w, "ss") {
			all[i] = strings.TrimSuffix(w, "s")
		}
	}
	return strings.Join(all, " ")
}

// term is a phrase of a question with its meaning.
type term struct {
	meaning string
	at, len int // its words
}

// terms reads words as names and as the longest phrases of the vocabulary.
func terms(words []string, names []name) []term {
	var all []term
	for at := 0; at < len(words); at += all[len(all)-1].len {
		t := term{meaningOf(words[at]), at, 1}
		for n := min(maxPhrase, len(words)-at); n > 0; n-- {
			m := meanings[stems(words[at:at+n])]
			if m != "" && !slices.ContainsFunc(names, func(o name) bool { return o.at > at && o.at < at+n }) {
				t.meaning, t.len = m, n
				break
			}
		}
		if i := slices.IndexFunc(names, func(n name) bool { return n.at == at }); i >= 0 {
			t = names[i].term
		}
		all = append(all, t)
	}
	return all
}

// meaningOf is the meaning of a number, of a rating of one capital letter, or of an unknown word.
func meaningOf(word string) string {
	switch i := slices.Index(numerals, strings.ToLower(word)); {
	case i > 0:
		return strconv.Itoa(i)
	case digits.MatchString(word) && len(word) < 10:
		return word
	case word == "G" || word == "R":
		return "[rating=" + word + "]"
	}
	return unknown
}
