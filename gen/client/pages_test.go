package client

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"
)

// pagesCase is a case of the table that the tests of all three SDKs read. pages are the server's responses.
type pagesCase struct {
	Name     string
	Size     int32
	Given    pageRequest
	Requests []pageRequest
	Pages    []struct {
		Items  int
		Total  int64
		Cursor string `json:"next_cursor"`
	}
}

type pageRequest struct {
	Page   *int32
	Cursor *string
}

func TestAllPages(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../testdata/pages.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []pagesCase
	if err := json.Unmarshal(document, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func (c pagesCase) run(t *testing.T) {
	t.Helper()
	var got []pageRequest
	want, items := 0, 0
	read := func(at position) (page[int], error) {
		if len(got) == len(c.Pages) {
			return page[int]{}, errors.New("there are no more pages")
		}
		p := c.Pages[len(got)]
		got = append(got, pageRequest{at.number, at.cursor})
		want += p.Items
		return page[int]{items: make([]int, p.Items), total: p.Total, cursor: p.Cursor}, nil
	}
	for _, err := range allPages(position{c.Given.Page, c.Given.Cursor}, c.Size, read) {
		if err != nil {
			t.Fatal(err)
		}
		items++
	}
	if !reflect.DeepEqual(got, c.Requests) || items != want {
		t.Errorf("%d requests and %d items, want %d and %d", len(got), items, len(c.Requests), want)
	}
}
