package store_test

import (
	"testing"

	"example.com/pagila-api/store"
)

// Each kind has a name of its own.
func TestKindNames(t *testing.T) {
	t.Parallel()
	kindOf := map[string]store.Kind{}
	for kind := store.Kind(-1); kind < 100; kind++ { // those that do not exist, too
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
