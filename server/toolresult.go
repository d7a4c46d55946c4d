package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/server/internal/contract"
)

// leftOut is the member of a result that was cut. It has, for each list that lost items, their number.
const leftOut = "left_out"

// leftOutSchema describes the member leftOut.
var leftOutSchema = contract.Schema{
	"type": openapi3.TypeObject,
	"description": "Only in a result that was too long: how many items were left out at the end of each list. " +
		"Ask for less, for example with a smaller page_size.",
	"additionalProperties": contract.Schema{"type": openapi3.TypeInteger, "minimum": 1},
}

// nextCursor is the member of a page that leads to the next one. In a page that was cut it would skip the
// items that were left out.
const nextCursor = "next_cursor"

// maxStrings is a number of strings outside of lists that no result reaches. In a result that is too long,
// none of them is longer than its share.
const maxStrings = 32

// cut makes a result, which is a JSON object, no longer than a number of bytes. First it shortens very
// long strings. Then it drops items from the end of the longest list of the object.
func cut(result []byte, longest int) ([]byte, error) {
	result = bytes.TrimSpace(result)
	if len(result) <= longest {
		return result, nil
	}
	value, err := decodeResult(result)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a result of %d bytes is not an object, so it cannot be cut", len(result))
	}
	object, _ = mapStrings(object, func(text string) string { return shorten(text, longest/maxStrings) }).(map[string]any)
	lists, err := encodeLists(object)
	if err != nil {
		return nil, err
	}
	dropped := map[string]int{}
	for {
		whole, err := encodeResult(object)
		if err != nil || len(whole) <= longest {
			return whole, err
		}
		name := lists.drop(len(whole)-longest, dropped)
		if name == "" {
			return nil, fmt.Errorf("a result of %d bytes has no more items to leave out", len(whole))
		}
		object[name], object[leftOut] = lists[name], dropped
		delete(object, nextCursor)
	}
}

// lists are the lists of an object, with each item encoded.
type lists map[string][]json.RawMessage

func encodeLists(object map[string]any) (lists, error) {
	found := lists{}
	for name, member := range object {
		items, ok := member.([]any)
		if !ok {
			continue
		}
		for _, item := range items {
			encoded, err := encodeResult(item)
			if err != nil {
				return nil, err
			}
			found[name] = append(found[name], encoded)
		}
	}
	return found, nil
}

// drop drops at least one item, and as many as have this size, from the end of the longest list. It
// returns the list's name, or "" if all lists are empty.
func (l lists) drop(size int, dropped map[string]int) (name string) {
	longest := 0
	for each, items := range l {
		length := 0
		for _, item := range items {
			length += len(item) + len(",")
		}
		if length > longest || length == longest && each < name {
			name, longest = each, length
		}
	}
	for size > 0 && len(l[name]) > 0 {
		last := len(l[name]) - 1
		size -= len(l[name][last]) + len(",")
		l[name] = l[name][:last]
		dropped[name]++
	}
	return name
}

// shorten shortens a text to a number of bytes.
func shorten(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	end := longest - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// mapStrings returns a JSON value with f applied to all its strings, the names of members included.
func mapStrings(value any, f func(string) string) any {
	switch v := value.(type) {
	case string:
		return f(v)
	case []any:
		for i, item := range v {
			v[i] = mapStrings(item, f)
		}
	case map[string]any:
		mapped := make(map[string]any, len(v))
		for name, member := range v {
			mapped[f(name)] = mapStrings(member, f)
		}
		return mapped
	}
	return value
}

func decodeResult(result []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(result))
	decoder.UseNumber() // keeps the digits
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("read the result of a tool: %w", err)
	}
	return value, nil
}

func encodeResult(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // nothing shows a result as HTML, and an escape has six bytes
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("write the result of a tool: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// totalOf returns the member total of a result, if it has one.
func totalOf(result []byte) (int64, bool) {
	var page struct{ Total *int64 }
	if err := json.Unmarshal(result, &page); err != nil || page.Total == nil {
		return 0, false
	}
	return *page.Total, true
}

// filmsIn returns the films in a result: each object with a film_id and a title, once.
func filmsIn(result []byte) []llm.Source {
	value, err := decodeResult(result)
	if err != nil {
		return nil // it has no films that could be named
	}
	var films []llm.Source
	seen := map[int32]bool{}
	walkObjects(value, func(object map[string]any) {
		number, _ := object["film_id"].(json.Number)
		title, isFilm := object["title"].(string)
		parsed, err := strconv.ParseInt(string(number), 10, 32)
		id := int32(parsed)
		if !isFilm || err != nil || seen[id] {
			return
		}
		seen[id] = true
		films = append(films, llm.Source{FilmID: id, Title: title})
	})
	return films
}

// walkObjects calls visit for each object in a value, in order. Members are in the order of their names.
func walkObjects(value any, visit func(map[string]any)) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			walkObjects(item, visit)
		}
	case map[string]any:
		visit(v)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			walkObjects(v[name], visit)
		}
	}
}
