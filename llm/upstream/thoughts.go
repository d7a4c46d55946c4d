package upstream

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// ending is how an answer ended, as far as its thoughts are concerned.
type ending int

const (
	endWhole  ending = iota
	endCut           // it was cut at the token limit, and what there is of it is shown
	endBroken        // it is not whole, and no more of it is shown
)

// maxLead is the longest line before thoughts, in bytes.
const maxLead = 80

// thoughts removes a model's thoughts from its text. The rules are:
//   - Tags at the beginning of the text open and close thoughts. Whitespace, invisible characters and the
//     mark of a role may precede them. If the thoughts are not closed, there is no answer.
//   - A pair of tags after one short line does the same if the line is a sentence or a label ("Let me
//     see. <think>") and the pair is closed. Tags that come later are part of the answer.
//   - A closing tag without an opening one ends thoughts if some prompts end with its opening tag, unless
//     it is within a sentence or follows a quotation mark. Then the answer mentions it.
//   - If there is another opening tag of the same kind in the thoughts, the answer begins after the last
//     closing tag, which is known only at the end.
//
// So an answer that contains "…with a word. </think>" is mistaken for thoughts, and thoughts that end
// within a sentence are mistaken for an answer.
type thoughts struct {
	// buffer holds the text back until its end, or until a closing tag shows what it is.
	buffer bool
	// suspect says that the text probably begins with thoughts.
	suspect   bool
	suspected bool // it was a suspect from the beginning

	state   func(*thoughts, bool) (string, bool)
	text    []byte // not processed yet
	scanned int    // how much of the text has no tag
	head    []byte // the beginning of what was passed on without tags, as far as it matters
	tail    []byte // the end of that
	pair    *tagPair
	// mention says that the thoughts may turn out to be a mention of their opening tag. Then opened is
	// the text from that tag on.
	mention  bool
	opened   []byte
	nested   bool // there is another opening tag in the thoughts
	seen     bool // there were thoughts
	untagged bool // there was only a closing tag
	passed   bool // some visible text has been passed on
	leaked   bool // that text was thoughts, which nothing had distinguished from an answer
}

func newThoughts(buffer, suspect bool) *thoughts {
	return &thoughts{buffer: buffer || suspect, suspect: suspect, suspected: suspect, state: (*thoughts).start}
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

// end returns the rest of the answer. If the text is not whole, the rest may have been thoughts.
func (h *thoughts) end(e ending) string {
	if e != endWhole && (h.mention || h.nested) || e == endBroken && h.suspect {
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
	text := bytes.TrimLeftFunc(h.text[h.scanned:], Invisible)
	if mark := roleMark.Find(text); mark != nil {
		h.text, h.scanned = text[len(mark):], 0
		return "", true
	}
	if tag := openingTag.Find(text); tag != nil {
		h.text, h.scanned = text, 0
		h.open(tag)
		h.seen = true
		return "", true
	}
	if !last && (len(text) == 0 || beginsTag(text)) {
		h.scanned = len(h.text) - len(text)
		return "", false
	}
	if h.seen {
		h.text = text
	}
	h.state, h.scanned = (*thoughts).unsure, 0
	if h.pair != nil { // thoughts have ended
		h.state = (*thoughts).plain
	}
	return h.state(h, last)
}

// open begins thoughts at an opening tag, with which the text begins.
func (h *thoughts) open(tag []byte) {
	pair := slices.IndexFunc(thoughtTags, func(p tagPair) bool { return strings.EqualFold(p.open, string(tag)) })
	h.pair = &thoughtTags[pair]
	h.state = (*thoughts).inside
	h.drop(len(tag))
}

// drop removes thoughts from the beginning of the text.
func (h *thoughts) drop(n int) {
	if h.mention {
		h.opened = append(h.opened, h.text[:n]...)
	}
	h.text = h.text[n:]
}

// inside is the state within thoughts.
func (h *thoughts) inside(last bool) (string, bool) {
	tag := findTag(h.pair.either, h.text)
	switch {
	case tag == nil && last && h.mention:
		h.text = append(h.opened, h.text...)
		h.mention, h.state = false, (*thoughts).plain
		return "", true
	case tag == nil:
		h.drop(max(0, len(h.text)-maxTag+1))
		return "", false
	case strings.EqualFold(h.pair.open, string(h.text[tag[0]:tag[1]])):
		h.nested = h.pair.close != finalChannel // which ends all channels before it
		h.drop(tag[1])
		return "", true
	}
	h.text, h.opened, h.mention, h.seen = h.text[tag[1]:], nil, false, true
	h.state = (*thoughts).start
	if h.nested {
		h.state = (*thoughts).afterNested
	}
	return "", true
}

// afterNested is the state after the first closing tag of nested thoughts, which may have more.
func (h *thoughts) afterNested(last bool) (string, bool) {
	if !last {
		return "", false
	}
	if tags := h.pair.closing.FindAllIndex(h.text, -1); len(tags) > 0 {
		h.text = h.text[tags[len(tags)-1][1]:]
	}
	h.state = (*thoughts).start
	return "", true
}

// unsure is the state in a text without an opening tag, which can still be thoughts.
func (h *thoughts) unsure(last bool) (string, bool) {
	text := h.text[h.scanned:]
	opening, closing := findTag(laterTag, text), findTag(loneClosingTag, text)
	switch {
	case opening != nil && (closing == nil || opening[0] < closing[0]):
		return h.openLater(h.scanned+opening[0], text[opening[0]:opening[1]]), true
	case closing != nil && (last || closing[1] < len(text)):
		h.closeUntagged(h.scanned+closing[0], h.scanned+closing[1])
		return "", true
	case closing != nil: // what the tag means depends on the text after it
		return "", false
	case last:
		return string(h.text), false
	}
	scanned := h.scanned + incompleteTag(text)
	if h.buffer {
		h.scanned = scanned
		return "", false
	}
	return h.release(scanned), false
}

// release removes text without tags from the beginning of the text, and returns it.
func (h *thoughts) release(n int) string {
	out := h.text[:n]
	h.head = append(h.head, out[:min(n, max(0, maxLead+1-len(h.head)))]...)
	h.tail = append(h.tail, out...)
	h.tail = h.tail[max(0, len(h.tail)-maxTag):]
	h.text, h.scanned = h.text[n:], 0
	return string(out)
}

// openLater decides what an opening tag means that is not at the beginning of the text.
func (h *thoughts) openLater(at int, tag []byte) string {
	if !leads(append(slices.Clip(h.head), h.text[:at]...)) {
		h.state = (*thoughts).plain
		return ""
	}
	out := h.release(at)
	h.buffer, h.suspect, h.mention = false, false, true
	h.open(tag)
	return out
}

// closeUntagged decides what a closing tag means that has no opening tag.
func (h *thoughts) closeUntagged(from, to int) {
	if mentionsTag(append(slices.Clip(h.tail), h.text[:from]...), h.text[to:]) {
		h.state = (*thoughts).plain
		return
	}
	h.seen, h.untagged = true, !strings.EqualFold(string(h.text[from:to]), finalChannel)
	h.pair = &thoughtTags[0] // any pair: the thoughts have ended
	h.text, h.scanned = h.text[to:], 0
	h.state = (*thoughts).start
	if h.passed {
		h.leaked = true
		h.state = (*thoughts).dropped
	}
}

// leads reports whether thoughts may follow a text: it has at most one short line, which is a sentence or a
// label.
func leads(text []byte) bool {
	line := bytes.TrimFunc(text, Invisible)
	if len(line) > maxLead || bytes.IndexByte(line, '\n') >= 0 {
		return false
	}
	end, _ := utf8.DecodeLastRune(line)
	return bytes.HasSuffix(bytes.TrimRight(text, " \t"), []byte("\n")) || strings.ContainsRune(".!?:…。！？：", end)
}

// mentionsTag reports whether a closing tag between two texts is within a sentence or quoted.
func mentionsTag(before, after []byte) bool {
	line := bytes.TrimRight(before, " \t")
	end, _ := utf8.DecodeLastRune(line)
	switch {
	case len(line) == 0:
		return false
	case len(line) == len(before):
		return strings.ContainsRune("`\"'(“‘«„", end)
	case strings.ContainsRune("\n.!?:;…。！？：)]}*\"'`", end):
		return false
	}
	return len(after) == 0 || after[0] != '\n'
}

// plain is the state within an answer.
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
