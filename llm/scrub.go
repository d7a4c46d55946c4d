package llm

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// scrubber makes a model's text fit to be shown, also in a terminal: it leaves out control characters
// but for the line feed and the tab, and those that change the direction of writing, and makes the
// text valid UTF-8. An escape sequence so loses its escape. The pieces may be cut anywhere, within a
// character too.
type scrubber struct {
	pending  string // the beginning of a character
	returned bool   // the last character was a carriage return, which is a line break by itself
}

// add returns what can be shown of the text so far.
func (s *scrubber) add(text string) string { return s.scrub(s.pending+text, false) }

// end returns what is left of a text that has ended.
func (s *scrubber) end() string { return s.scrub(s.pending, true) }

func (s *scrubber) scrub(text string, last bool) string {
	s.pending = ""
	var out strings.Builder
	out.Grow(len(text))
	for len(text) > 0 {
		r, size := decodeRune(text, last)
		if size == 0 {
			s.pending = text
			break
		}
		text = text[size:]
		switch {
		case r == '\n' && s.returned: // the second half of a line break
		case r == '\r':
			out.WriteByte('\n')
		case r == '\n', r == '\t', !hidden(r):
			out.WriteRune(r)
		}
		s.returned = r == '\r'
	}
	return out.String()
}

// hidden says whether a character must not be shown.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) && r >= '\u202a'
}

// maxShownName is the longest name that is passed on, in characters. That of no model is half as long.
const maxShownName = 200

// shownName is a name of the upstream's as far as it can be seen.
func shownName(name string) string {
	return strings.TrimSpace(cut(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsGraphic(r) && r != ' ' || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || r == brailleBlank {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "")), maxShownName))
}

// decodeRune reads a character, and joins the halves of a surrogate pair (see unquote). The size is
// 0 where the text ends before the character does, and is not the last.
func decodeRune(text string, last bool) (rune, int) {
	if high, ok := surrogate(text, 0xa0, 0xaf); ok {
		if low, ok := surrogate(text[3:], 0xb0, 0xbf); ok {
			return utf16.DecodeRune(high, low), 6
		}
		if rest := text[3:]; !last && len(rest) < 3 && beginsLowHalf(rest) {
			return 0, 0
		}
		return utf8.RuneError, 3
	}
	if _, ok := surrogate(text, 0xb0, 0xbf); ok {
		return utf8.RuneError, 3
	}
	cut := !utf8.FullRuneInString(text) || text[0] == 0xed && len(text) < 3
	if cut && !last {
		return 0, 0
	}
	r, size := utf8.DecodeRuneInString(text)
	// The beginning of a character that does not go on is replaced as one.
	for r == utf8.RuneError && size < 3 && size < len(text) && !utf8.FullRuneInString(text[:size+1]) {
		size++
	}
	return r, size
}

// surrogate reads half of a surrogate pair, whose second byte is within bounds.
func surrogate(text string, from, to byte) (rune, bool) {
	if len(text) < 3 || text[0] != 0xed || text[1] < from || text[1] > to || text[2]&0xc0 != 0x80 {
		return 0, false
	}
	return 0xd000 | rune(text[1]&0x3f)<<6 | rune(text[2]&0x3f), true
}

// beginsLowHalf says whether a text of up to two bytes can become the second half of a pair.
func beginsLowHalf(text string) bool {
	return text == "" || text[0] == 0xed && (len(text) == 1 || text[1] >= 0xb0 && text[1] <= 0xbf)
}
