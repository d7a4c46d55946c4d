package migrations

import (
	"slices"
	"testing"
)

// Each migration has a reversal.
func TestEveryVersionCanBeTakenBack(t *testing.T) {
	t.Parallel()
	for _, version := range Versions() {
		if reversals[version].statement == "" {
			t.Errorf("version %s has no reversal", version)
		}
	}
	for version := range reversals {
		if !slices.Contains(Versions(), version) {
			t.Errorf("there is a reversal for version %s, but no file", version)
		}
	}
}
