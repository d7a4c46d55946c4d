package llm

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// sentence is a question of which the parts that are understood are cut out one by one.
type sentence struct {
	text  string
	words []sentenceWord // of the text
}

func newSentence(text string) *sentence {
	s := &sentence{}
	s.set(text)
	return s
}

func (s *sentence) set(text string) { s.text, s.words = text, words(text) }

// phrases holds what the named groups of a pattern have matched.
type phrases map[string]string

// match cuts out the first match of a pattern, with what negates it, and returns it, or nil.
func (s *sentence) match(pattern *regexp.Regexp) phrases {
	said, start, end := s.locate(pattern)
	if said == nil {
		return nil
	}
	s.blank(start, end)
	if s.negated(start) {
		said["not"] = "not"
	}
	if strings.HasSuffix(strings.TrimRight(s.text[:start], " "), " and") {
		said["and"] = "and"
	}
	return said
}

// locate returns the first match of a pattern, or nil, and where it stands.
func (s *sentence) locate(pattern *regexp.Regexp) (said phrases, start, end int) {
	at := pattern.FindStringSubmatchIndex(s.text)
	if at == nil {
		return nil, 0, 0
	}
	said = phrases{}
	for i, name := range pattern.SubexpNames() {
		if name != "" && at[2*i] >= 0 {
			said[name] = s.text[at[2*i]:at[2*i+1]]
		}
	}
	if said["rating2"]+said["rating3"] != "" {
		said["rating"] = said["rating2"] + said["rating3"]
	}
	return said, at[0], at[1]
}

// negated says whether what begins at start is not wanted, and cuts out the words that say so.
func (s *sentence) negated(start int) bool {
	at := negation.FindStringIndex(s.text[:start])
	if at == nil {
		return false
	}
	s.blank(at[0], at[1])
	return true
}

// blank cuts out a part of the text. The others stay where they stand.
func (s *sentence) blank(start, end int) {
	s.set(s.text[:start] + strings.Repeat(" ", end-start) + s.text[end:])
}

// negated says whether the question does not want what is said.
func (said phrases) negated() bool { return said["not"] != "" }

// exact says whether a number stands without a bound.
func (said phrases) exact() bool {
	return !said.negated() && said["under"]+said["most"]+said["most2"]+said["over"]+said["least"]+said["least2"] == ""
}

// within says whether a comparison with a number came out as the words before it or after it want.
func (said phrases) within(comparison int) bool {
	return said.bounds(comparison) != said.negated()
}

// bounds is within, of a bound that is not negated.
func (said phrases) bounds(comparison int) bool {
	switch {
	case said["under"] != "":
		return comparison < 0
	case said["most"]+said["most2"] != "":
		return comparison <= 0
	case said["over"] != "":
		return comparison > 0
	case said["least"]+said["least2"] != "":
		return comparison >= 0
	default:
		return comparison == 0
	}
}

// sentenceWord is a word in lower case and the singular, near enough, and where it stands.
type sentenceWord struct {
	stem       string
	start, end int
}

func words(text string) []sentenceWord {
	var words []sentenceWord
	start := -1
	for i, r := range text + " " {
		inWord := unicode.IsLetter(r) || unicode.IsNumber(r)
		if inWord && start < 0 {
			start = i
		}
		if !inWord && start >= 0 {
			words = append(words, sentenceWord{singular(text[start:i]), start, i})
			start = -1
		}
	}
	return words
}

// singular is a word without its plural's end, near enough.
func singular(word string) string {
	if stem, ok := strings.CutSuffix(word, "ies"); ok {
		return stem + "y"
	}
	return strings.TrimSuffix(word, "s")
}

// find says where a phrase stands, word by word and in its order. Case and plural do not count.
func (s *sentence) find(phrase string) (start, end int, found bool) {
	have, want := s.words, words(strings.ToLower(phrase))
	for i := range len(have) - len(want) + 1 {
		if len(want) > 0 && slices.EqualFunc(have[i:i+len(want)], want, func(a, b sentenceWord) bool { return a.stem == b.stem }) {
			return have[i].start, have[i+len(want)-1].end, true
		}
	}
	return 0, 0, false
}

// has says whether the sentence holds a phrase.
func (s *sentence) has(phrase string) bool {
	_, _, found := s.find(phrase)
	return found
}

// cut takes a phrase out, and says whether it was there.
func (s *sentence) cut(phrase string) bool {
	start, end, found := s.find(phrase)
	if found {
		s.blank(start, end)
	}
	return found
}

// notWords say that something is not wanted.
const notWords = `\b(?:not|no|nor|non|none|nothing|neither|never|without|except|excluding|avoid|other than|apart from|(?:(?:any|every)thing|all) but|\w+n['’]t)`

var (
	notWord = regexp.MustCompile(notWords + `\b`)
	// negation ends the text before what is not wanted.
	negation = regexp.MustCompile(notWords +
		`(?:[\s-]+(?:an?|any|the|for|in|of|with|by|is|are|be|have|has|want|like|include|cost|star|starring|feature|featuring|play|rated))*[\s-]*$`)
)
