package store

// Paging chooses the page of a list. Each list says which orders it has.
type Paging struct {
	Order    string // with a minus sign to reverse it
	Page     int32  // from 1, which is the default
	Cursor   string // Page.Next of the page before, instead of Page
	PageSize int32  // from 1 to MaxPageSize
	Count    Count
}

// Page is a page of a list in the order of the query.
type Page[T any] struct {
	Items []T    // empty past the last page
	Page  int32  // its number, or 0 if the query had a cursor
	Total *int64 // the number of items on all pages, or nil with CountNone
	Next  string // the cursor of the next page, or "" on the last page
}
