package llm

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

const (
	// thinkingRoom is how many tokens a model that thinks gets on top of the answer's limit, since it
	// counts its thoughts as answer.
	thinkingRoom = 4096
	// heldAnswers is how many answers are held back after two whose thoughts began without a tag.
	heldAnswers = 8
)

// thinking is what the calls so far have shown of how the model thinks.
type thinking struct {
	// room: it thinks, and so needs room for that.
	room atomic.Bool
	// held is how many more answers are held back until it is certain that they are no thoughts. It
	// is for models whose prompt ends with the opening tag, so that only the closing one is seen.
	// Nothing else tells such thoughts from an answer while they come.
	held atomic.Int32
}

// learn takes what an answer has shown. What one answer shows may have been put there by a question, so
// a closing tag alone only has the next answer held back, and more of them only if that one confirms it.
func (t *thinking) learn(h *thoughts) {
	switch {
	case h.bare && h.watched:
		t.held.Store(heldAnswers)
	case h.bare:
		t.held.CompareAndSwap(0, 1)
	case h.watched:
		for n := t.held.Load(); n > 0 && !t.held.CompareAndSwap(n, n-1); n = t.held.Load() {
		}
	}
}

// tagPair opens and closes thoughts in the text of an answer.
type tagPair struct {
	open, close string
	// opened: there are prompts that end with the opening tag, so that the closing one may come alone.
	opened  bool
	closing *regexp.Regexp
	either  *regexp.Regexp
}

// channelFinal begins the answer after thoughts in other channels, or without any.
const channelFinal = "<|channel|>final<|message|>"

// thoughtTags are those of the models and servers that leave their thoughts in the text.
var thoughtTags = slices.Concat(
	pairs(true,
		"<think>", "</think>",
		"<seed:think>", "</seed:think>",
		"[think]", "[/think]", // Magistral
		"◁think▷", "◁/think▷", // Kimi
		"<|start_thinking|>", "<|end_thinking|>", // Command A
		"<|channel|>analysis<|message|>", channelFinal, // gpt-oss
	),
	pairs(false,
		"<thinking>", "</thinking>",
		"<thought>", "</thought>",
		"<thoughts>", "</thoughts>",
		"<reasoning>", "</reasoning>",
		"<reflection>", "</reflection>",
		"<analysis>", "</analysis>",
		"<scratchpad>", "</scratchpad>",
	),
)

func pairs(opened bool, tags ...string) []tagPair {
	var all []tagPair
	for pair := range slices.Chunk(tags, 2) {
		all = append(all, tagPair{pair[0], pair[1], opened, anyTag("", pair[1]), anyTag("", pair...)})
	}
	return all
}

// roleMarks may precede the first tag where a server leaves a template's marks in the text.
var roleMarks = []string{"<|start|>assistant", "<|im_start|>assistant"}

const (
	// maxTag is the length of the longest tag.
	maxTag = len("<|channel|>analysis<|message|>")
	// tagBytes are the first bytes of all tags.
	tagBytes = "<[\xe2"
	// maxLead is the longest line before thoughts, in bytes.
	maxLead = 80
)

var (
	openingTag, laterTag = anyTag("^", openTags()...), anyTag("", openTags()...)
	bareTag              = anyTag("", bareTags()...)
	roleMark             = anyTag("^", roleMarks...)
)

func openTags() (tags []string) {
	for _, pair := range thoughtTags {
		tags = append(tags, pair.open)
	}
	return tags
}

// bareTags are the closing tags that may come alone.
func bareTags() (tags []string) {
	for _, pair := range thoughtTags {
		if pair.opened {
			tags = append(tags, pair.close)
		}
	}
	return tags
}

// anyTag matches one of the tags, in any case.
func anyTag(anchor string, tags ...string) *regexp.Regexp {
	quoted := make([]string, len(tags))
	for i, tag := range tags {
		quoted[i] = regexp.QuoteMeta(tag)
	}
	return regexp.MustCompile(anchor + `(?i:` + strings.Join(quoted, "|") + `)`)
}

// begins says whether a text can become one of the tags, opening or closing, or a role's mark.
func begins(text []byte) bool {
	if len(text) >= maxTag || strings.IndexByte(tagBytes, text[0]) < 0 {
		return false
	}
	lower := strings.ToLower(string(text))
	return slices.ContainsFunc(thoughtTags, func(pair tagPair) bool {
		return strings.HasPrefix(pair.open, lower) || strings.HasPrefix(pair.close, lower)
	}) || slices.ContainsFunc(roleMarks, func(mark string) bool { return strings.HasPrefix(mark, lower) })
}

// find is where a tag is in a text, or nil.
func find(tag *regexp.Regexp, text []byte) []int {
	if !slices.ContainsFunc(text, func(b byte) bool { return strings.IndexByte(tagBytes, b) >= 0 }) {
		return nil // most pieces of most texts
	}
	return tag.FindIndex(text)
}

// ending is how an answer has ended, as far as its thoughts go.
type ending int

const (
	endWhole  ending = iota
	endCut           // cut at the token limit, and what there is of it is shown
	endBroken        // not whole, and no more of it is shown
)

// thoughts takes what a model thinks out of its text. The rule is:
//   - Tags at the beginning of the text open and close thoughts. Blanks, invisible characters and a
//     role's mark may come before. Thoughts that are not closed leave no answer.
//   - So does a pair of tags after one short line that is a sentence or a label ("Let me see. <think>"),
//     if it is closed. What comes later in the text is the answer's own.
//   - A closing tag without an opening one ends thoughts if there are prompts that open them, and if it
//     does not stand in the middle of a sentence or after a quotation mark. Else the answer mentions it.
//   - Where thoughts mention or hold an opening tag of their own kind, the answer begins after the last
//     closing one, which is known only at the end.
//
// So an answer that holds "…with a word. </think>" is taken for thoughts, and thoughts that end in the
// middle of a sentence for an answer.
type thoughts struct {
	// hold keeps the text back until its end, or until a closing tag says what it is.
	hold bool
	// suspect: the text is likely to begin with thoughts.
	suspect bool
	watched bool // it was so from the beginning

	state   func(*thoughts, bool) (string, bool)
	buffer  []byte
	scanned int      // how much of the buffer holds no tag
	head    []byte   // of the text without tags that was passed on, as far as it matters
	tail    []byte   // the end of that
	pair    *tagPair // of the thoughts that are open, or were
	kept    []byte   // from the opening tag on, in case it is only mentioned
	maybe   bool     // that is still possible
	nested  bool     // there is another opening tag in the thoughts
	seen    bool     // there were thoughts
	bare    bool     // there was only a closing tag
	passed  bool     // some text has been passed on
	leaked  bool     // that was thoughts, but nothing had told it from an answer
}

func newThoughts(hold, suspect bool) *thoughts {
	return &thoughts{hold: hold || suspect, suspect: suspect, watched: suspect, state: (*thoughts).start}
}

// apart is called when the model's thoughts come by another way than its text. Then the text has
// none.
func (h *thoughts) apart() {
	h.seen = true
	h.hold, h.suspect = false, false
}

// add returns what belongs to the answer of the text so far.
func (h *thoughts) add(text string) string {
	h.buffer = append(h.buffer, text...)
	answer := h.run(false)
	h.passed = h.passed || !Blank(answer)
	return answer
}

// end returns what is left of the answer. A text that has been cut may have been thoughts.
func (h *thoughts) end(e ending) string {
	if e != endWhole && (h.maybe || h.nested) || e == endBroken && h.suspect {
		h.seen = h.seen || len(h.buffer) > 0
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

// The states return text of the answer, and whether there is more to do with the buffer.

// start is at the beginning, or after thoughts that have ended.
func (h *thoughts) start(last bool) (string, bool) {
	text := bytes.TrimLeftFunc(h.buffer[h.scanned:], isUnseen)
	if mark := roleMark.Find(text); mark != nil {
		h.buffer, h.scanned = text[len(mark):], 0
		return "", true
	}
	if tag := openingTag.Find(text); tag != nil {
		h.buffer, h.scanned = text, 0
		h.open(tag)
		h.seen = true
		return "", true
	}
	if !last && (len(text) == 0 || begins(text)) {
		h.scanned = len(h.buffer) - len(text)
		return "", false
	}
	if h.seen {
		h.buffer = text
	}
	h.state, h.scanned = (*thoughts).unsure, 0
	if h.pair != nil { // thoughts have ended
		h.state = (*thoughts).plain
	}
	return h.state(h, last)
}

// open begins thoughts at a tag, which the buffer begins with.
func (h *thoughts) open(tag []byte) {
	pair := slices.IndexFunc(thoughtTags, func(p tagPair) bool { return strings.EqualFold(p.open, string(tag)) })
	h.pair = &thoughtTags[pair]
	h.state = (*thoughts).inside
	h.drop(len(tag))
}

// drop takes thoughts off the buffer.
func (h *thoughts) drop(n int) {
	if h.maybe {
		h.kept = append(h.kept, h.buffer[:n]...)
	}
	h.buffer = h.buffer[n:]
}

// inside is in thoughts.
func (h *thoughts) inside(last bool) (string, bool) {
	tag := find(h.pair.either, h.buffer)
	switch {
	case tag == nil && last && h.maybe: // the tag was only mentioned
		h.buffer = append(h.kept, h.buffer...)
		h.maybe, h.state = false, (*thoughts).plain
		return "", true
	case tag == nil:
		h.drop(max(0, len(h.buffer)-maxTag+1))
		return "", false
	case strings.EqualFold(h.pair.open, string(h.buffer[tag[0]:tag[1]])):
		h.nested = h.pair.close != channelFinal // which ends all channels before it
		h.drop(tag[1])
		return "", true
	}
	h.buffer, h.kept, h.maybe, h.seen = h.buffer[tag[1]:], nil, false, true
	h.state = (*thoughts).start
	if h.nested {
		h.state = (*thoughts).afterNested
	}
	return "", true
}

// afterNested is after the first closing tag of several, or after the only one.
func (h *thoughts) afterNested(last bool) (string, bool) {
	if !last {
		return "", false
	}
	if tags := h.pair.closing.FindAllIndex(h.buffer, -1); len(tags) > 0 {
		h.buffer = h.buffer[tags[len(tags)-1][1]:]
	}
	h.state = (*thoughts).start
	return "", true
}

// unsure is in a text without an opening tag, which can be thoughts all the same.
func (h *thoughts) unsure(last bool) (string, bool) {
	text := h.buffer[h.scanned:]
	opening, closing := find(laterTag, text), find(bareTag, text)
	switch {
	case opening != nil && (closing == nil || opening[0] < closing[0]):
		return h.later(h.scanned+opening[0], text[opening[0]:opening[1]]), true
	case closing != nil && (last || closing[1] < len(text)):
		h.closed(h.scanned+closing[0], h.scanned+closing[1])
		return "", true
	case closing != nil: // what follows it, and tells what it is, is not there yet
		return "", false
	case last:
		return string(h.buffer), false
	}
	untagged := h.scanned + tagStart(text)
	if h.hold {
		h.scanned = untagged
		return "", false
	}
	return h.pass(untagged), false
}

// pass takes text without tags off the buffer.
func (h *thoughts) pass(n int) string {
	out := h.buffer[:n]
	h.head = append(h.head, out[:min(n, max(0, maxLead+1-len(h.head)))]...)
	h.tail = append(h.tail, out...)
	h.tail = h.tail[max(0, len(h.tail)-maxTag):]
	h.buffer, h.scanned = h.buffer[n:], 0
	return string(out)
}

// later is at an opening tag that is not the beginning of the text.
func (h *thoughts) later(at int, tag []byte) string {
	if !leads(append(slices.Clip(h.head), h.buffer[:at]...)) {
		h.state = (*thoughts).plain
		return ""
	}
	out := h.pass(at)
	h.hold, h.suspect, h.maybe = false, false, true
	h.open(tag)
	return out
}

// closed is at a closing tag without an opening one.
func (h *thoughts) closed(from, to int) {
	if mentions(append(slices.Clip(h.tail), h.buffer[:from]...), h.buffer[to:]) {
		h.state = (*thoughts).plain
		return
	}
	h.seen, h.bare = true, !strings.EqualFold(string(h.buffer[from:to]), channelFinal)
	h.pair = &thoughtTags[0] // there were thoughts, so what follows is the answer
	h.buffer, h.scanned = h.buffer[to:], 0
	h.state = (*thoughts).start
	if h.passed {
		h.leaked = true
		h.state = (*thoughts).dropped
	}
}

// leads says whether thoughts may follow a text: at most one short line, which is a sentence or a label.
func leads(text []byte) bool {
	line := bytes.TrimFunc(text, isUnseen)
	if len(line) > maxLead || bytes.IndexByte(line, '\n') >= 0 {
		return false
	}
	end, _ := utf8.DecodeLastRune(line)
	return bytes.HasSuffix(bytes.TrimRight(text, " \t"), []byte("\n")) || strings.ContainsRune(".!?:…。！？：", end)
}

// mentions says whether a closing tag between two texts stands within a sentence, or is quoted.
func mentions(before, after []byte) bool {
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

// tagStart is where a tag may begin that the end of a text cuts, or the text's length.
func tagStart(text []byte) int {
	for i := max(0, len(text)-maxTag); i < len(text); i++ {
		if begins(text[i:]) {
			return i
		}
	}
	return len(text)
}

// plain is in an answer.
func (h *thoughts) plain(bool) (string, bool) {
	out := string(h.buffer)
	h.buffer = h.buffer[:0]
	return out, false
}

// dropped is after thoughts that were passed on. What follows cannot mend that.
func (h *thoughts) dropped(bool) (string, bool) {
	h.buffer = h.buffer[:0]
	return "", false
}
