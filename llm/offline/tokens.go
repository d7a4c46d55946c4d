package offline

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/shopspring/decimal"
)

// token is a word, a number or a symbol of a question.
type token struct {
	text string // as written
	stem string // in lower case and roughly in the singular
}

var (
	// rewrites replace spellings by others that the vocabulary has.
	rewrites = []struct {
		spelling *regexp.Regexp
		by       string
	}{
		{regexp.MustCompile(`(?i)\bcan(?:['’]t|not)\b`), "can not"},
		{regexp.MustCompile(`(?i)n['’]t\b`), " not"},
		{regexp.MustCompile(`(?i)\bw/o\b`), "without"},
		{regexp.MustCompile(`(?i)\b(?:an|1|one) hour and a half\b`), "90 minutes"},
		{regexp.MustCompile(`(?i)\b(?:half an|a half) hour\b`), "30 minutes"},
		{regexp.MustCompile(`(?i)\b(?:one|1) and a half\b`), "1.5"},
		{regexp.MustCompile(`(?i)\b(?:two|2) and a half\b`), "2.5"},
		{regexp.MustCompile(`(\d ?)[-–—]( ?\$? ?\d)`), "$1 to $2"},
	}
	// tokens matches ordinal numbers, numbers, words, comparisons, and symbols that may mean something.
	tokens = regexp.MustCompile(`\d+(?:st|nd|rd|th|s)\b|\d+(?:\.\d+)?|\.\d+|\pL[\pL\pM]*|[<>]=?|=[<>]?|[^\s\pL\d.?!:;"'()\[\]{}“”„‘’…*_#-]`)
	digits = regexp.MustCompile(`^[\d.]+$`)
)

// numbers are the numbers that people spell out.
var numbers = map[string]int64{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
	"eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
	"ninety": 90, "hundred": 100}

// split returns the tokens of a text.
func split(text string) []token {
	for _, r := range rewrites {
		text = r.spelling.ReplaceAllString(text, r.by)
	}
	var all []token
	for _, word := range tokens.FindAllString(text, -1) {
		all = append(all, token{word, stem(word)})
	}
	return all
}

// stem returns a word in lower case and roughly in the singular.
func stem(word string) string {
	word = strings.ToLower(word)
	switch singular, found := strings.CutSuffix(word, "ies"); {
	case found:
		return singular + "y"
	case len(word) > 3 && !strings.HasSuffix(word, "ss"):
		return strings.TrimSuffix(word, "s")
	default:
		return word
	}
}

// stems joins the stems of tokens.
func stems(words []token) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = w.stem
	}
	return strings.Join(all, " ")
}

// texts joins tokens as they were written.
func texts(words []token) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = w.text
	}
	return strings.Join(all, " ")
}

// numberOf reads a number in digits or words.
func numberOf(t token) (decimal.Decimal, bool) {
	if n, ok := numbers[t.stem]; ok {
		return decimal.NewFromInt(n), true
	}
	if !digits.MatchString(t.text) || len(t.text) > 12 {
		return decimal.Decimal{}, false
	}
	n, err := decimal.NewFromString(t.text)
	return n, err == nil
}

// capital reports whether a word begins with a capital letter.
func capital(word string) bool {
	for _, r := range word {
		return unicode.IsUpper(r)
	}
	return false
}
