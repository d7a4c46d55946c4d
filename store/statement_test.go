package store

import (
	"strings"
	"testing"
)

// A text that is very long is not kept.
func TestLongTextIsNotKept(t *testing.T) {
	t.Parallel()
	var kept texts
	for length, want := range map[int]bool{1: true, maxKeptText: true, maxKeptText + 1: false} {
		text := strings.Repeat("x", length)
		if got := kept.keep(text, text); got != text {
			t.Errorf("of a text of %d bytes, %d came back", length, len(got))
		}
		if _, ok := kept.byKey[text]; ok != want {
			t.Errorf("a text of %d bytes is kept: %t", length, ok)
		}
	}
}
