package upstream

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// thoughts removes a model's thoughts from its text. Thoughts occur only at the beginning. A tag that
// comes later is part of the answer.
type thoughts struct {
	// buffer holds the text back until its end, or until a closing tag shows what it is.
	buffer bool
	// suspect says that the text probably begins with thoughts.
	suspect bool

	state    func(*thoughts, bool) (string, bool)
	text     []byte         // not processed yet
	scanned  int            // how much of the text has no tag
	closing  *regexp.Regexp // the closing tag of the current thoughts
	seen     bool           // there were thoughts
	untagged bool           // there was only a closing tag
	passed   bool           // some visible text has been passed on
	leaked   bool           // that text was thoughts, which nothing had distinguished from an answer
}

func newThoughts(buffer, suspect bool) *thoughts {
	return &thoughts{buffer: buffer || suspect, suspect: suspect, state: (*thoughts).start}
}

// separate says that the thoughts arrive separately from the text, which then has none.
func (h *thoughts) separate() {
	h.seen = true
	h.buffer, h.suspect = false, false
}

// add adds text, and returns what is certain to belong to the answer.
func (h *thoughts) add(text string) string {
	h.text = append(h.text, text...)
	answer := h.run(false)
	h.passed = h.passed || !Blank(answer)
	return answer
}

// end returns the rest of the answer. If the text was cut, the rest may have been thoughts.
func (h *thoughts) end(cut bool) string {
	if cut && h.suspect {
		h.seen = h.seen || len(h.text) > 0
		return ""
	}
	return h.run(true)
}

func (h *thoughts) run(last bool) string {
	var out strings.Builder
	for more := true; more; {
		var answer string
		answer, more = h.state(h, last)
		out.WriteString(answer)
	}
	return out.String()
}

// Each state returns text of the answer, and whether there is more to do.

// start is the state at the beginning, or after thoughts that have ended.
func (h *thoughts) start(last bool) (string, bool) {
	text := bytes.TrimLeft(h.text, " \t\r\n\ufeff")
	if tag := openingTag.Find(text); tag != nil {
		h.open(string(tag))
		h.text = text[len(tag):]
		return "", true
	}
	if !last && (len(text) == 0 || beginsTag(text)) {
		return "", false
	}
	if h.seen {
		h.text = text
	}
	h.state, h.scanned = (*thoughts).unsure, 0
	if h.closing != nil {
		h.state = (*thoughts).plain
	}
	return h.state(h, last)
}

// open begins thoughts at an opening tag.
func (h *thoughts) open(tag string) {
	pair := slices.IndexFunc(thoughtTags, func(p tagPair) bool { return strings.EqualFold(p.open, tag) })
	h.closing = thoughtTags[pair].closing
	h.seen = true
	h.state = (*thoughts).inside
}

// inside is the state within thoughts. If they never end, there is no answer.
func (h *thoughts) inside(bool) (string, bool) {
	if end := findTag(h.closing, h.text); end != nil {
		h.text = h.text[end[1]:]
		h.state = (*thoughts).start
		return "", true
	}
	h.text = h.text[max(0, len(h.text)-maxTag):]
	return "", false
}

// unsure is the state in a text without an opening tag, which can still be thoughts.
func (h *thoughts) unsure(last bool) (string, bool) {
	text := h.text[h.scanned:]
	opening, closing := findTag(laterTag, text), findTag(closingTag, text)
	switch {
	case opening != nil && (closing == nil || opening[0] < closing[0]):
		h.state = (*thoughts).plain
		return "", true
	case closing != nil:
		h.closeUntagged(text[closing[1]:])
		return "", true
	case last:
		return string(h.text), false
	}
	scanned := h.scanned + incompleteTag(text)
	if h.buffer {
		h.scanned = scanned
		return "", false
	}
	out := string(h.text[:scanned])
	h.text, h.scanned = h.text[scanned:], 0
	return out, false
}

// closeUntagged ends thoughts that had no opening tag. The rest is what follows the closing tag.
func (h *thoughts) closeUntagged(rest []byte) {
	h.seen, h.untagged = true, true
	h.text = rest
	h.closing = closingTag
	h.state = (*thoughts).start
	if h.passed {
		h.leaked = true
		h.state = (*thoughts).dropped
	}
}

// plain is the state in an answer.
func (h *thoughts) plain(bool) (string, bool) {
	out := string(h.text)
	h.text = h.text[:0]
	return out, false
}

// dropped is the state after thoughts that were passed on, which nothing can repair.
func (h *thoughts) dropped(bool) (string, bool) {
	h.text = h.text[:0]
	return "", false
}
