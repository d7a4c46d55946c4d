package llm

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// sentence is a question. The parts of it that are understood are cut out one by one.
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

// phrase is a part of a question that a pattern has matched.
type phrase struct {
	groups     map[string]string // what the pattern's named groups have matched
	start, end int               // its position
	negated    bool              // the question does not want it
	joined     bool              // it follows an "and"
}

// match cuts out the first match of a pattern and its negation. It returns the match, or nil.
func (s *sentence) match(pattern *regexp.Regexp) *phrase {
	p := s.locate(pattern)
	if p == nil {
		return nil
	}
	s.blank(p.start, p.end)
	p.negated = s.negated(p.start)
	p.joined = strings.HasSuffix(strings.TrimRight(s.text[:p.start], " "), " and")
	return p
}

// locate returns the first match of a pattern, or nil.
func (s *sentence) locate(pattern *regexp.Regexp) *phrase {
	at := pattern.FindStringSubmatchIndex(s.text)
	if at == nil {
		return nil
	}
	p := &phrase{groups: map[string]string{}, start: at[0], end: at[1]}
	for i, name := range pattern.SubexpNames() {
		if name != "" && at[2*i] >= 0 {
			p.groups[name] = s.text[at[2*i]:at[2*i+1]]
		}
	}
	return p
}

// negated reports whether the phrase that begins at start is negated, and cuts out the negation.
func (s *sentence) negated(start int) bool {
	at := negation.FindStringIndex(s.text[:start])
	if at == nil {
		return false
	}
	s.blank(at[0], at[1])
	return true
}

// listed reports whether a list continues from one part of the text to the next, and whether with an
// "or". It cuts out the "or".
func (s *sentence) listed(end, start int) (listed, or bool) {
	at := conjunction.FindStringSubmatchIndex(s.text[end:start])
	if at == nil {
		return false, false
	}
	if at[2] < 0 {
		return true, false
	}
	s.blank(end+at[2], end+at[3])
	return true, true
}

// blank cuts out a part of the text. The positions of the others do not change.
func (s *sentence) blank(start, end int) {
	s.set(s.text[:start] + strings.Repeat(" ", end-start) + s.text[end:])
}

// sentenceWord is a word in lower case and roughly in the singular, with its position.
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

// singular returns a word roughly in the singular.
func singular(word string) string {
	if stem, ok := strings.CutSuffix(word, "ies"); ok {
		return stem + "y"
	}
	return strings.TrimSuffix(word, "s")
}

// find returns the position of a phrase. It compares word by word, and ignores case and plurals.
func (s *sentence) find(phrase string) (start, end int, found bool) {
	have, want := s.words, words(strings.ToLower(phrase))
	for i := range len(have) - len(want) + 1 {
		if len(want) > 0 && slices.EqualFunc(have[i:i+len(want)], want, func(a, b sentenceWord) bool { return a.stem == b.stem }) {
			return have[i].start, have[i+len(want)-1].end, true
		}
	}
	return 0, 0, false
}

// has reports whether the sentence contains a phrase.
func (s *sentence) has(phrase string) bool {
	_, _, found := s.find(phrase)
	return found
}

// notWords matches the words that begin a negation.
const notWords = `\b(?:not|no|nor|non|none|nothing|neither|never|without|except|excluding|avoid|other than|apart from|(?:(?:any|every)thing|all) but|\w+n['’]t)`

var (
	notWord = regexp.MustCompile(notWords + `\b`)
	// conjunction matches the text between two parts of a list. Its group is an "or".
	conjunction = regexp.MustCompile(`^[\s,]*(?:(or)|and)?[\s,]*$`)
	// negation matches at the end of the text before a negated phrase.
	negation = regexp.MustCompile(notWords +
		`(?:[\s-]+(?:an?|any|the|for|in|of|with|by|is|are|be|have|has|want|like|include|cost|star|starring|feature|featuring|play|rated))*[\s-]*$`)
)
