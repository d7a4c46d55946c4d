package upstream

import (
	"regexp"
	"slices"
	"strings"
)

// tagPair opens and closes thoughts in the text of an answer.
type tagPair struct {
	open, close string
	// closesAlone says that some prompts end with the opening tag, so that only the closing one is seen.
	closesAlone bool
	closing     *regexp.Regexp
	either      *regexp.Regexp
}

// finalChannel begins the answer, after thoughts in other channels or without any.
const finalChannel = "<|channel|>final<|message|>"

// thoughtTags are the tags of the models and servers that leave thoughts in the text.
var thoughtTags = slices.Concat(
	pairs(true,
		"<think>", "</think>",
		"<seed:think>", "</seed:think>",
		"[think]", "[/think]", // Magistral
		"◁think▷", "◁/think▷", // Kimi
		"<|start_thinking|>", "<|end_thinking|>", // Command A
		"<|channel|>analysis<|message|>", finalChannel, // gpt-oss
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

func pairs(closesAlone bool, tags ...string) []tagPair {
	var all []tagPair
	for pair := range slices.Chunk(tags, 2) {
		all = append(all, tagPair{pair[0], pair[1], closesAlone, anyTag("", pair[1]), anyTag("", pair...)})
	}
	return all
}

// roleMarks may precede the first tag if a server leaves the marks of its template in the text.
var roleMarks = []string{"<|start|>assistant", "<|im_start|>assistant"}

const (
	// maxTag is the length of the longest tag.
	maxTag = len("<|channel|>analysis<|message|>")
	// tagBytes are the first bytes of all tags.
	tagBytes = "<[\xe2"
)

var (
	openingTag, laterTag = anyTag("^", openTags()...), anyTag("", openTags()...)
	loneClosingTag       = anyTag("", loneClosingTags()...)
	roleMark             = anyTag("^", roleMarks...)
)

func openTags() (tags []string) {
	for _, pair := range thoughtTags {
		tags = append(tags, pair.open)
	}
	return tags
}

func loneClosingTags() (tags []string) {
	for _, pair := range thoughtTags {
		if pair.closesAlone {
			tags = append(tags, pair.close)
		}
	}
	return tags
}

// anyTag matches any of the tags, ignoring case.
func anyTag(anchor string, tags ...string) *regexp.Regexp {
	quoted := make([]string, len(tags))
	for i, tag := range tags {
		quoted[i] = regexp.QuoteMeta(tag)
	}
	return regexp.MustCompile(anchor + `(?i:` + strings.Join(quoted, "|") + `)`)
}

// beginsTag reports whether a text can become one of the tags, opening or closing, or the mark of a role.
func beginsTag(text []byte) bool {
	if len(text) >= maxTag || strings.IndexByte(tagBytes, text[0]) < 0 {
		return false
	}
	lower := strings.ToLower(string(text))
	return slices.ContainsFunc(thoughtTags, func(pair tagPair) bool {
		return strings.HasPrefix(pair.open, lower) || strings.HasPrefix(pair.close, lower)
	}) || slices.ContainsFunc(roleMarks, func(mark string) bool { return strings.HasPrefix(mark, lower) })
}

// findTag returns where a tag is in a text, or nil.
func findTag(tag *regexp.Regexp, text []byte) []int {
	if !slices.ContainsFunc(text, func(b byte) bool { return strings.IndexByte(tagBytes, b) >= 0 }) {
		return nil // as in most chunks of most texts
	}
	return tag.FindIndex(text)
}

// incompleteTag returns where the end of a text may be an incomplete tag, or the length of the text.
func incompleteTag(text []byte) int {
	for i := max(0, len(text)-maxTag); i < len(text); i++ {
		if beginsTag(text[i:]) {
			return i
		}
	}
	return len(text)
}
