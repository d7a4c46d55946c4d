package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"example.com/pagila-api/store/pgtest"
)

// operation is a line of the table of costs: a request, and the status of its response.
type operation struct {
	name   string
	status string
	line   string // the method and the target
	header string // another line of the header
	body   string
	// values returns n values, which take the place of VALUE in one request each.
	values func(t *testing.T, s *shop, n int) []string
}

// operations are what the table has. Their numbers are above 255, because Go converts smaller ones to an interface
// without an allocation.
var operations = []operation{
	{name: "films", status: "200", line: "GET /films?page_size=20"},
	{name: "films by category", status: "200", line: "GET /films?category=Comedy&page_size=20"},
	{name: "films filtered and sorted", status: "200", line: "GET /films?rating=PG&rating=G&length_min=60&length_max=150&sort=-rental_rate&page_size=10"},
	{name: "films after a cursor", status: "200", line: "GET VALUE", values: nextPage("/films?sort=title&page_size=20")},
	{name: "film", status: "200", line: "GET /films/500"},
	{name: "film not modified", status: "304", line: "GET /films/500", header: "If-None-Match: VALUE", values: entityTag("/films/500")},
	{name: "copies of a film", status: "200", line: "GET /films/500/inventory"},
	{name: "categories", status: "200", line: "GET /categories"},
	{name: "actors", status: "200", line: "GET /actors?page_size=20"},
	{name: "rentals of a customer", status: "200", line: "GET /customers/400/rentals?page_size=20"},
	{
		name: "rent", status: "201", line: "POST /customers/300/rentals", body: `{"inventory_id": VALUE, "staff_id": 1}`,
		values: column(`SELECT i.inventory_id FROM inventory i WHERE i.inventory_id > 255 AND NOT EXISTS (
			SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL) ORDER BY 1`),
	},
	{
		name: "return", status: "200", line: "POST /customers/300/rentals/VALUE/return",
		values: column(`SELECT rental_id FROM rental WHERE customer_id = 300 AND return_date IS NULL ORDER BY 1`),
	},
	{name: "invalid request", status: "400", line: "GET /films?page_size=0"},
	{name: "unknown film", status: "404", line: "GET /films/999999"},
	{
		name: "token", status: "200", line: "POST /token", header: "Content-Type: application/x-www-form-urlencoded",
		body: "grant_type=password&username=staff&password=" + costPassword,
	},
	{
		name: "tool call by MCP", status: "200", line: "POST /mcp", header: "Accept: application/json, text/event-stream",
		body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"listFilms","arguments":{"category":["Comedy"],"page_size":20}}}`,
	},
}

// request returns the bytes of a request.
func (o operation) request(value string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n", o.line, costToken)
	if o.header != "" {
		b.WriteString(o.header + "\r\n")
	}
	body := strings.ReplaceAll(o.body, "VALUE", value)
	if body != "" {
		if !strings.Contains(o.header, "Content-Type") {
			b.WriteString("Content-Type: application/json\r\n")
		}
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return []byte(strings.ReplaceAll(b.String(), "VALUE", value) + "\r\n" + body)
}

// column returns the first n values of a query.
func column(query string) func(*testing.T, *shop, int) []string {
	return func(t *testing.T, s *shop, n int) []string {
		t.Helper()
		conn := pgtest.Connect(t, s.databaseURL)
		defer conn.Close(t.Context())
		var values []string
		err := conn.QueryRow(t.Context(), "SELECT array_agg(v::text) FROM ("+query+" LIMIT $1) AS t(v)", n).Scan(&values)
		if err != nil || len(values) != n {
			t.Fatalf("%d values, %v: %s", len(values), err, query)
		}
		return values
	}
}

// entityTag returns the ETag of a response n times.
func entityTag(path string) func(*testing.T, *shop, int) []string {
	return func(t *testing.T, s *shop, n int) []string {
		t.Helper()
		return repeated(s.responseHeader(t, path).Get("Etag"), n)
	}
}

// nextPage returns the target of a response's link to the next page n times.
func nextPage(path string) func(*testing.T, *shop, int) []string {
	return func(t *testing.T, s *shop, n int) []string {
		t.Helper()
		target, _, ok := strings.Cut(s.responseHeader(t, path).Get("Link"), ">")
		if !ok {
			t.Fatalf("%s has no next page", path)
		}
		return repeated("/"+strings.TrimPrefix(target, "<"), n)
	}
}

func repeated(value string, n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = value
	}
	return values
}

func (s *shop) responseHeader(t *testing.T, path string) http.Header {
	t.Helper()
	response, err := http.Get("http://" + s.conn.RemoteAddr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.Header
}

var (
	endOfHeader   = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	lastChunk     = []byte("0\r\n\r\n")
	chunked       = []byte("\r\nTransfer-Encoding: chunked")
)

// exchange sends a request and returns the bytes of the response, which the next call overwrites. It allocates nothing.
func (s *shop) exchange(request []byte) ([]byte, error) {
	if _, err := s.conn.Write(request); err != nil {
		return nil, err
	}
	for n := 0; n < len(s.buffer); {
		read, err := s.conn.Read(s.buffer[n:])
		if err != nil {
			return nil, err
		}
		n += read
		if isComplete(s.buffer[:n]) {
			return s.buffer[:n], nil
		}
	}
	return nil, errors.New("the response is too long")
}

// isComplete reports whether a response has its whole body. A response without a length either has chunks or no body.
func isComplete(response []byte) bool {
	header, body, ok := bytes.Cut(response, endOfHeader)
	if !ok {
		return false
	}
	_, value, ok := bytes.Cut(header, contentLength)
	if !ok {
		return bytes.Contains(header, chunked) == bytes.HasSuffix(body, lastChunk)
	}
	length := 0
	for _, digit := range value {
		if digit < '0' || digit > '9' {
			break
		}
		length = 10*length + int(digit-'0')
	}
	return len(body) == length
}
