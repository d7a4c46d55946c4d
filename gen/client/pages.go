package client

import "iter"

// position is where a page of a list begins: the number of the page, or a cursor. Both are nil for the first
// page.
type position struct {
	number *int32
	cursor *string
}

// page is a page of a list.
type page[T any] struct {
	items  []T
	total  int64  // of the items on all pages; 0 if the server does not say
	cursor string // of the next page; empty if the server does not say
}

// next returns the position of the next page, and whether there is one. It follows next_cursor. Without one, a
// list that was read by cursor has ended, and any other continues with the next page number.
func (p page[T]) next(at position, size int32) (position, bool) {
	if p.cursor != "" {
		return position{cursor: &p.cursor}, true
	}
	number := orElse(at.number, 1)
	if at.cursor != nil || len(p.items) == 0 || int64(number)*int64(size) >= p.total {
		return position{}, false
	}
	number++
	return position{number: &number}, true
}

// allPages yields the items of page after page. size is the number of items on a page.
func allPages[T any](first position, size int32, read func(position) (page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for at, more := first, true; more; {
			found, err := read(at)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range found.items {
				if !yield(item, nil) {
					return
				}
			}
			at, more = found.next(at, size)
		}
	}
}

func orElse[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}
