package store_test

import (
	"testing"

	"example.com/pagila-api/store"
)

// Each kind has a name of its own.
func TestKindNames(t *testing.T) {
	t.Parallel()
	kindOf := map[string]store.Kind{}
	for _, kind := range append(store.Kinds(), -1, store.Kind(len(store.Kinds()))) {
		name := kind.String()
		if name == "" {
			t.Errorf("kind %d has no name", int(kind))
		}
		if other, taken := kindOf[name]; taken {
			t.Errorf("kinds %d and %d are both named %q", int(other), int(kind), name)
		}
		kindOf[name] = kind
	}
}
