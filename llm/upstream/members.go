package upstream

import (
	"bytes"
	"iter"
	"unicode"
)

// The functions in this file walk through valid JSON without decoding it. Each chunk of an answer is a document, and
// encoding/json allocates most of the memory of a chunk, since it starts anew for each type that decodes itself.

// members returns the names, in lower case, and the values of an object's members, in order. They are parts of the
// object's bytes, except for unusual names.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for rest := between(object[1:]); rest[0] != '}'; rest = between(rest) {
			n := valueLength(rest)
			name := rest[1 : n-1]
			if bytes.ContainsFunc(name, isUnusual) {
				name = bytes.ToLower([]byte(unquote(rest[:n])))
			}
			rest = between(rest[n:])
			n = valueLength(rest)
			if !yield(name, rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

func isUnusual(r rune) bool { return r == '\\' || unicode.IsUpper(r) }

// elements returns the elements of a list, as parts of its bytes.
func elements(list []byte) iter.Seq[[]byte] {
	return func(yield func(element []byte) bool) {
		for rest := between(list[1:]); rest[0] != ']'; rest = between(rest) {
			n := valueLength(rest)
			if !yield(rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// between skips what is between two values.
func between(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n,:") }

// valueLength is the length of the value with which a text begins.
func valueLength(text []byte) int {
	switch text[0] {
	case '"':
		return stringLength(text)
	case '{', '[':
		return nestedLength(text)
	}
	return bytes.IndexAny(text, " \t\r\n,]}")
}

func stringLength(text []byte) int {
	for i := 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

func nestedLength(text []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch text[i] {
		case '"':
			i += stringLength(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1
			}
		}
	}
}
