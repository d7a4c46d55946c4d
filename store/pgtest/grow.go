package pgtest

import (
	"testing"

	"example.com/pagila-api/store/pagila"
)

// Grow multiplies the rows of a database, as [pagila.Grow] does.
func Grow(tb testing.TB, databaseURL string, times int) {
	tb.Helper()
	if err := pagila.Grow(tb.Context(), databaseURL, times, nil); err != nil {
		tb.Fatal(err)
	}
}
