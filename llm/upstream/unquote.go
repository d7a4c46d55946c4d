package upstream

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// unquote reads a valid JSON string. Unlike encoding/json it keeps invalid UTF-8, since an upstream
// may cut its text within a character, and the rest comes with the next chunk. Half of a surrogate
// pair is written as three bytes, as if it were a character.
func unquote(raw []byte) string {
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		if raw[i] != 'u' {
			out = append(out, escapes[raw[i]])
			continue
		}
		r := hexRune(raw[i+1:])
		i += 4
		if low := raw[i+1:]; utf16.IsSurrogate(r) && len(low) >= 6 && low[0] == '\\' && low[1] == 'u' {
			if pair := utf16.DecodeRune(r, hexRune(low[2:])); pair != utf8.RuneError {
				r = pair
				i += 6
			}
		}
		out = appendRune(out, r)
	}
	return string(out)
}

// escapes maps the characters after a backslash to the characters that they represent.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// hexRune reads the four digits of a \u escape.
func hexRune(digits []byte) rune {
	n, _ := strconv.ParseInt(string(digits[:4]), 16, 32) // the JSON is valid
	return rune(n)
}

// appendRune also appends halves of surrogate pairs, which have no encoding in UTF-8.
func appendRune(out []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(out, 0xed, 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	}
	return utf8.AppendRune(out, r)
}
