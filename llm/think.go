package llm

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	// thinkingRoom is how many tokens a model that thinks gets on top of the answer's limit, since it
	// counts its thoughts as answer.
	thinkingRoom = 4096
	// heldAnswers is how many answers are held back after one whose thoughts began without a tag.
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

// learn takes what an answer has shown.
func (t *thinking) learn(h *thoughts, finished bool) {
	switch {
	case h.bare:
		t.held.Store(heldAnswers)
	case h.suspect && finished && !h.seen:
		t.held.Add(-1)
	}
}

// tagPair opens and closes thoughts in the text of an answer.
type tagPair struct {
	open, close string
	closing     *regexp.Regexp
}

// thoughtTags are those of the models and servers that leave their thoughts in the text.
var thoughtTags = pairs(
	"<think>", "</think>",
	"<thinking>", "</thinking>",
	"<thought>", "</thought>",
	"<thoughts>", "</thoughts>",
	"<reasoning>", "</reasoning>",
	"<reflection>", "</reflection>",
	"<analysis>", "</analysis>",
	"<scratchpad>", "</scratchpad>",
	"<seed:think>", "</seed:think>",
	"[think]", "[/think]", // Magistral
	"◁think▷", "◁/think▷", // Kimi
	"<|start_thinking|>", "<|end_thinking|>", // Command A
	"<|channel|>analysis<|message|>", "<|channel|>final<|message|>", // gpt-oss
)

func pairs(tags ...string) []tagPair {
	var all []tagPair
	for pair := range slices.Chunk(tags, 2) {
		all = append(all, tagPair{pair[0], pair[1], anyTag("", pair[1])})
	}
	return all
}

const (
	// maxTag is the length of the longest tag.
	maxTag = len("<|channel|>analysis<|message|>")
	// tagBytes are the first bytes of all tags.
	tagBytes = "<[\xe2"
)

var (
	openingTag, laterTag = anyTag("^", openTags()...), anyTag("", openTags()...)
	closingTag           = anyTag("", closeTags()...)
)

func openTags() (tags []string) {
	for _, pair := range thoughtTags {
		tags = append(tags, pair.open)
	}
	return tags
}

func closeTags() (tags []string) {
	for _, pair := range thoughtTags {
		tags = append(tags, pair.close)
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

// begins says whether a text can become one of the tags, opening or closing.
func begins(text []byte) bool {
	if len(text) >= maxTag || strings.IndexByte(tagBytes, text[0]) < 0 {
		return false
	}
	lower := strings.ToLower(string(text))
	return slices.ContainsFunc(thoughtTags, func(pair tagPair) bool {
		return strings.HasPrefix(pair.open, lower) || strings.HasPrefix(pair.close, lower)
	})
}

// find is where a tag is in a text, or nil.
func find(tag *regexp.Regexp, text []byte) []int {
	if !slices.ContainsFunc(text, func(b byte) bool { return strings.IndexByte(tagBytes, b) >= 0 }) {
		return nil // most pieces of most texts
	}
	return tag.FindIndex(text)
}

// thoughts takes what a model thinks out of its text. Thoughts are only at the beginning: a tag that
// comes later belongs to the answer.
type thoughts struct {
	// hold keeps the text back until its end, or until a closing tag says what it is.
	hold bool
	// suspect: the text is likely to begin with thoughts.
	suspect bool

	state   func(*thoughts, bool) (string, bool)
	buffer  []byte
	scanned int            // how much of the buffer holds no tag
	closing *regexp.Regexp // of the thoughts that are open
	seen    bool           // there were thoughts
	bare    bool           // there was only a closing tag
	passed  bool           // some text has been passed on
	leaked  bool           // that was thoughts, but nothing had told it from an answer
}

func newThoughts(hold, suspect bool) *thoughts {
	return &thoughts{hold: hold || suspect, suspect: suspect, state: (*thoughts).start}
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
func (h *thoughts) end(isCut bool) string {
	if isCut && h.suspect {
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
	text := bytes.TrimLeft(h.buffer, " \t\r\n\ufeff")
	if tag := openingTag.Find(text); tag != nil {
		h.open(string(tag))
		h.buffer = text[len(tag):]
		return "", true
	}
	if !last && (len(text) == 0 || begins(text)) {
		return "", false
	}
	if h.seen {
		h.buffer = text
	}
	h.state, h.scanned = (*thoughts).unsure, 0
	if h.closing != nil {
		h.state = (*thoughts).plain
	}
	return h.state(h, last)
}

// open begins thoughts at a tag.
func (h *thoughts) open(tag string) {
	pair := slices.IndexFunc(thoughtTags, func(p tagPair) bool { return strings.EqualFold(p.open, tag) })
	h.closing = thoughtTags[pair].closing
	h.seen = true
	h.state = (*thoughts).inside
}

// inside is in thoughts. What does not end with them is no answer.
func (h *thoughts) inside(bool) (string, bool) {
	if end := find(h.closing, h.buffer); end != nil {
		h.buffer = h.buffer[end[1]:]
		h.state = (*thoughts).start
		return "", true
	}
	h.buffer = h.buffer[max(0, len(h.buffer)-maxTag):]
	return "", false
}

// unsure is in a text without an opening tag, which can be thoughts all the same.
func (h *thoughts) unsure(last bool) (string, bool) {
	text := h.buffer[h.scanned:]
	opening, closing := find(laterTag, text), find(closingTag, text)
	switch {
	case opening != nil && (closing == nil || opening[0] < closing[0]):
		h.state = (*thoughts).plain
		return "", true
	case closing != nil:
		h.seen, h.bare = true, true
		h.buffer = text[closing[1]:]
		h.state = (*thoughts).start
		h.closing = closingTag
		if h.passed {
			h.leaked = true
			h.state = (*thoughts).dropped
		}
		return "", true
	}
	if last {
		return string(h.buffer), false
	}
	untagged := h.scanned + tagStart(text)
	if h.hold {
		h.scanned = untagged
		return "", false
	}
	out := string(h.buffer[:untagged])
	h.buffer, h.scanned = h.buffer[untagged:], 0
	return out, false
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
