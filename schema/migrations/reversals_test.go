package migrations

import (
	"slices"
	"testing"
)

// TestEveryVersionCanBeTakenBack has a new migration bring its way back with it.
func TestEveryVersionCanBeTakenBack(t *testing.T) {
	t.Parallel()
	for _, version := range Versions() {
		if reversals[version].statement == "" {
			t.Errorf("version %s has no way back", version)
		}
	}
	for version := range reversals {
		if !slices.Contains(Versions(), version) {
			t.Errorf("there is a way back for version %s, which no file has", version)
		}
	}
}
