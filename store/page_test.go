package store_test

import (
	"slices"
	"testing"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// A page keeps its items until it is released, whatever other pages are read and released.
func TestReleasedPages(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	read := func(page int32) store.Page[store.Customer] {
		t.Helper()
		found, err := s.Customers(t.Context(), store.CustomerQuery{Paging: store.Paging{Page: page, PageSize: 5}})
		if err != nil || len(found.Items) != 5 {
			t.Fatal(found, err)
		}
		return found
	}
	kept := read(1)
	want := slices.Clone(kept.Items)
	for page := range int32(20) {
		released := read(2 + page)
		released.Release()
		released.Release() // the second time it does nothing
		if released.Items != nil {
			t.Errorf("a released page still has %v", released.Items)
		}
		first, second := read(1), read(3+page)
		if !slices.Equal(first.Items, want) {
			t.Fatalf("page 1 has become %v while page %d was read: %v", first.Items, 3+page, second.Items)
		}
		first.Release()
		second.Release()
	}
	if !slices.Equal(kept.Items, want) {
		t.Errorf("a page that was not released has become %v", kept.Items)
	}
}
