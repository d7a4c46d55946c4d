package upstream

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// scrubber makes a model's text safe to display, also in a terminal. It removes control characters
// other than the line feed and the tab, so that an escape sequence loses its escape, and characters
// that change the direction of the text. It also makes the text valid UTF-8. The chunks of the text
// may be cut anywhere, even within a character.
type scrubber struct {
	pending  string // an incomplete character
	returned bool   // the last character was a carriage return, which is a line break by itself
}

// add returns what can be displayed of the text so far.
func (s *scrubber) add(text string) string { return s.scrub(s.pending+text, false) }

// end returns the rest of a text that has ended.
func (s *scrubber) end() string { return s.scrub(s.pending, true) }

func (s *scrubber) scrub(text string, last bool) string {
	s.pending = ""
	if !s.returned && isPlain(text) {
		return text
	}
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

// isPlain reports whether a text has only visible ASCII characters and spaces, as most texts do.
func isPlain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// hidden reports whether a character must not be displayed.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) && r >= '\u202a'
}

// maxDisplayName is the longest name that is passed on, in characters. Names of real models are less
// than half as long.
const maxDisplayName = 200

// displayName returns the visible characters of a name that the upstream gives.
func displayName(name string) string {
	visible := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsGraphic(r) && r != ' ' || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || r == brailleBlank {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "")))
	return strings.TrimSpace(string(visible[:min(len(visible), maxDisplayName)]))
}

// decodeRune decodes the first character, and joins the halves of a surrogate pair (see unquote). The
// size is 0 if the text ends within the character and is not the last one.
func decodeRune(text string, last bool) (rune, int) {
	if r, size, ok := decodeSurrogates(text, last); ok {
		return r, size
	}
	cut := !utf8.FullRuneInString(text) || text[0] == 0xed && len(text) < 3
	if cut && !last {
		return 0, 0
	}
	r, size := utf8.DecodeRuneInString(text)
	// An incomplete character is replaced as a whole.
	for r == utf8.RuneError && size < 3 && size < len(text) && !utf8.FullRuneInString(text[:size+1]) {
		size++
	}
	return r, size
}

// decodeSurrogates decodes a surrogate pair or half of one. It returns false if the text does not
// begin with either.
func decodeSurrogates(text string, last bool) (r rune, size int, ok bool) {
	if _, low := surrogate(text, 0xb0, 0xbf); low {
		return utf8.RuneError, 3, true
	}
	high, ok := surrogate(text, 0xa0, 0xaf)
	if !ok {
		return 0, 0, false
	}
	if low, ok := surrogate(text[3:], 0xb0, 0xbf); ok {
		return utf16.DecodeRune(high, low), 6, true
	}
	if rest := text[3:]; !last && len(rest) < 3 && beginsLowHalf(rest) {
		return 0, 0, true
	}
	return utf8.RuneError, 3, true
}

// surrogate reads half of a surrogate pair whose second byte is within the given range.
func surrogate(text string, from, to byte) (rune, bool) {
	if len(text) < 3 || text[0] != 0xed || text[1] < from || text[1] > to || text[2]&0xc0 != 0x80 {
		return 0, false
	}
	return 0xd000 | rune(text[1]&0x3f)<<6 | rune(text[2]&0x3f), true
}

// beginsLowHalf reports whether a text of up to two bytes can become the second half of a pair.
func beginsLowHalf(text string) bool {
	return text == "" || text[0] == 0xed && (len(text) == 1 || text[1] >= 0xb0 && text[1] <= 0xbf)
}
