package store

import (
	"strings"
	"testing"
)

// Each place has a cursor of its own, whether or not the cursors are kept.
func TestKeptCursors(t *testing.T) {
	t.Parallel()
	key := func(length int) *string { return new(strings.Repeat("k", length)) }
	one, other := [fingerprintSize]byte{1}, [fingerprintSize]byte{2}
	seen := map[string]int{}
	for range 2 { // made, and found again
		for i, cursor := range []string{
			position{ID: 1}.encode(one), position{ID: 1}.encode(other), position{ID: 2}.encode(one),
			position{ID: 1, Key: key(0)}.encode(one), position{ID: 1, Key: key(1)}.encode(one),
			position{ID: 1, Key: key(maxKept)}.encode(one), position{ID: 1, Key: key(maxKept + 1)}.encode(one),
		} {
			if before, ok := seen[cursor]; ok && before != i {
				t.Errorf("the places %d and %d have the same cursor", before, i)
			}
			seen[cursor] = i
		}
	}
	for length, want := range map[int]bool{0: true, maxKept: true, maxKept + 1: false} {
		if got := cursors.Contains(cursorPlace{query: one, id: 1, key: *key(length), known: true}); got != want {
			t.Errorf("the cursor for a key of %d bytes is kept: %t, want %t", length, got, want)
		}
	}
}
