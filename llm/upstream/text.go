package upstream

import (
	"strings"
	"unicode"

	"github.com/tmc/langchaingo/llms"
)

// Blank reports whether a text counts as empty: it has nothing but whitespace, control characters and
// invisible characters, such as zero-width ones.
func Blank(text string) bool { return strings.TrimSpace(Clean(text)) == "" }

// Invisible reports whether a character is whitespace, or cannot be seen for another reason.
func Invisible(r rune) bool { return unicode.IsSpace(r) || Blank(string(r)) }

// Clean makes foreign text safe for a prompt or a log line. Control characters become spaces.
// Invisible characters, which can hide instructions or reverse the direction of the text, are removed.
func Clean(text string) string {
	if isPlain(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', r == brailleBlank:
			return ' '
		case unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(text, "\ufffd"))
}

// brailleBlank is a character without dots. Unicode classifies it as a symbol, but it is invisible.
const brailleBlank = '\u2800'

// MessageText is the text of a message.
func MessageText(m llms.MessageContent) string {
	var b strings.Builder
	for _, part := range m.Parts {
		if text, ok := part.(llms.TextContent); ok {
			b.WriteString(text.Text)
		}
	}
	return b.String()
}
