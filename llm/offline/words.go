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
		for i, phrase := range strings.Split(list, ", ") {
			if i == 0 {
				said[meaning] = phrase
			}
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
	tokens = regexp.MustCompile(`\d+(?:st|nd|rd|th|s)\b|\d*\.?\d+|\pL[\pL\pM]*|[<>]=?|=[<>]?|[^\s\pL\d.?!:;"'()\[\]{}“”„‘’…*_#\x{2010}-\x{2015}-]`)
	// rewrites are spellings and what is read in their place.
	rewrites = map[*regexp.Regexp]string{
		regexp.MustCompile(`(?i)\bcan(?:['’]t|not)\b`): "can not",
		regexp.MustCompile(`(?i)([b-mo-z])n['’]t\b`):   "$1 not",
		regexp.MustCompile(`(?i)\bw/o\b`):              "without",
		regexp.MustCompile(`(\d ?)[-–—]( ?\$? ?\d)`):   "$1 to $2",
	}
	// The numbers that people spell out.
	ones = strings.Fields("- one two three four five six seven eight nine ten eleven twelve")
	tens = strings.Fields("- ten twenty thirty forty fifty sixty seventy eighty ninety hundred")
)

// token is a word, a number or a symbol of a question.
type token struct {
	text string // as written
	stem string // in lower case and roughly in the singular
}

func split(text string) []token {
	for spelling, by := range rewrites {
		text = spelling.ReplaceAllString(text, by)
	}
	var all []token
	for _, word := range tokens.FindAllString(text, -1) {
		stem := strings.ToLower(word)
		if singular, found := strings.CutSuffix(stem, "ies"); found {
			stem = singular + "y"
		} else if len(stem) > 3 && !strings.HasSuffix(stem, "ss") {
			stem = strings.TrimSuffix(stem, "s")
		}
		all = append(all, token{word, stem})
	}
	return all
}

func stems(words []token) string { return join(words, func(w token) string { return w.stem }) }
func texts(words []token) string { return join(words, func(w token) string { return w.text }) }

func join(words []token, part func(token) string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = part(w)
	}
	return strings.Join(all, " ")
}

// term is a phrase of a question with its meaning.
type term struct {
	meaning string
	at, len int // its tokens
}

// terms reads tokens as names and as the longest phrases of the vocabulary.
func terms(words []token, names []name) []term {
	var all []term
	for at := 0; at < len(words); {
		t := term{numeral(words[at].text, words[at].stem), at, 1}
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
		at += t.len
	}
	return all
}

// numeral is the meaning of a number and of a rating of one capital letter.
func numeral(text, stem string) string {
	switch {
	case slices.Index(ones, stem) > 0:
		return strconv.Itoa(slices.Index(ones, stem))
	case slices.Index(tens, stem) > 0:
		return strconv.Itoa(10 * slices.Index(tens, stem))
	case digits.FindString(text) == text && len(text) < 10:
		return text
	case text == "G" || text == "R":
		return "[rating=" + text + "]"
	default:
		return unknown
	}
}
