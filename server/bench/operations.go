package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"

	"example.com/pagila-api/server/bench/load"
)

// The names of the operations that write. Each needs the other.
const (
	rent     = "rent"
	giveBack = "return"
)

// operation is what clients do. Its requests take turns.
type operation struct {
	name, title string
	targets     []string // paths and queries; none for an operation that writes
	naive       []string // those for the naive twin, if they differ
}

// operationNames are the names of all operations, in the order of the report.
var operationNames = []string{"films", "category", "sorted", "cursor", "film", rent, giveBack}

// operations returns the operations. It asks the server for what their requests need, such as cursors.
func operations(ctx context.Context, p *process) ([]operation, error) {
	films := operation{name: "films", title: "Films page"}
	for page := 1; page <= 50; page++ {
		films.targets = append(films.targets, filmsTarget(url.Values{"page": {strconv.Itoa(page)}}))
	}
	category := operation{name: "category", title: "Films page of a category"}
	names, err := categories(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		for page := 1; page <= 3; page++ {
			target := filmsTarget(url.Values{"category": {name}, "page": {strconv.Itoa(page)}})
			category.targets = append(category.targets, target)
		}
	}
	sorted := operation{name: "sorted", title: "Films page, filtered and sorted"}
	for _, order := range []string{"title", "-length", "-rental_rate"} {
		for _, rating := range []string{"G", "PG", "PG-13", "R", "NC-17"} {
			for page := 1; page <= 2; page++ {
				sorted.targets = append(sorted.targets, filmsTarget(url.Values{
					"length_max": {"120"}, "page": {strconv.Itoa(page)}, "rating": {rating}, "sort": {order},
				}))
			}
		}
	}
	cursor, err := cursorPages(ctx, p)
	if err != nil {
		return nil, err
	}
	film := operation{name: "film", title: "Film detail"}
	for id := 1; id <= 1000; id += 8 {
		film.targets = append(film.targets, "/films/"+strconv.Itoa(id))
	}
	return []operation{
		films, category, sorted, cursor, film,
		{name: rent, title: "Rent a copy"}, {name: giveBack, title: "Return a copy"},
	}, nil
}

// cursorPages returns the operation for cursor pages deep in the list by title. The naive twin gets the same pages by
// their numbers.
func cursorPages(ctx context.Context, p *process) (operation, error) {
	o := operation{name: "cursor", title: "Films page by cursor, deep in the list"}
	target := filmsTarget(url.Values{"page": {"29"}, "sort": {"title"}})
	for page := 30; page < 46; page++ {
		body, _, err := p.get(ctx, target)
		if err != nil {
			return o, err
		}
		var found struct {
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(body, &found); err != nil {
			return o, err
		}
		target = filmsTarget(url.Values{"cursor": {found.NextCursor}, "sort": {"title"}})
		o.targets = append(o.targets, target)
		o.naive = append(o.naive, filmsTarget(url.Values{"page": {strconv.Itoa(page)}, "sort": {"title"}}))
	}
	return o, nil
}

func categories(ctx context.Context, p *process) ([]string, error) {
	body, _, err := p.get(ctx, "/categories")
	if err != nil {
		return nil, err
	}
	var list struct{ Items []struct{ Name string } }
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	names := make([]string, len(list.Items))
	for i, item := range list.Items {
		names[i] = item.Name
	}
	return names, nil
}

// filmsTarget returns the path of a page of films with these parameters.
func filmsTarget(parameters url.Values) string {
	parameters.Set("page_size", "20")
	return "/films?" + parameters.Encode()
}

// targetsFor returns the requests of an operation for a process.
func (o operation) targetsFor(p *process) []string {
	if p.kind == naive && o.naive != nil {
		return o.naive
	}
	return o.targets
}

// reads returns a source of the requests of an operation that reads.
func (o operation) reads(p *process) load.Source {
	var requests []load.Request
	for _, target := range o.targetsFor(p) {
		text := "GET " + target + " HTTP/1.1\r\nHost: " + p.address + "\r\nAccept: application/json\r\n\r\n"
		requests = append(requests, load.Request{Bytes: []byte(text), Status: http.StatusOK})
	}
	var taken atomic.Int64
	return func() (load.Request, bool) {
		return requests[int(taken.Add(1)-1)%len(requests)], true
	}
}
