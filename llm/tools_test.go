package llm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

// shelf has one tool, listFilms. Each call of it finds film 7, unless respond says otherwise.
type shelf struct {
	respond func(ctx context.Context, name string, arguments json.RawMessage) (llm.ToolResult, error)

	mu    sync.Mutex
	calls []string
}

// emptyShelf finds nothing.
func emptyShelf() *shelf {
	return &shelf{respond: func(context.Context, string, json.RawMessage) (llm.ToolResult, error) { return found(), nil }}
}

func (s *shelf) List() []llm.Tool {
	return []llm.Tool{{
		Name: "listFilms", Description: "List films.",
		Parameters: json.RawMessage(`{"type":"object","properties":{"q":{"type":"string"}}}`),
	}}
}

func (s *shelf) Call(ctx context.Context, name string, arguments json.RawMessage) (llm.ToolResult, error) {
	s.mu.Lock()
	s.calls = append(s.calls, name+string(arguments))
	s.mu.Unlock()
	if s.respond != nil {
		return s.respond(ctx, name, arguments)
	}
	return found(7), nil
}

// called returns the calls so far.
func (s *shelf) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// found is the result of a search that found films.
func found(ids ...int32) llm.ToolResult {
	result := llm.ToolResult{Status: 200, Total: int64(len(ids))}
	items := []string{}
	for _, id := range ids {
		film := llm.Source{FilmID: id, Title: fmt.Sprintf("FILM %d", id)}
		result.Films = append(result.Films, film)
		items = append(items, fmt.Sprintf(`{"film_id":%d,"title":%q}`, id, film.Title))
	}
	result.Body = json.RawMessage(`{"items":[` + strings.Join(items, ",") + `]}`)
	return result
}

// record is what an observer was told.
type record struct {
	events  []string // in their order
	calls   []llm.Call
	sources llm.Sources
	text    strings.Builder
}

func (r *record) observer() llm.Observer {
	return llm.Observer{
		Called: func(c llm.Call) error {
			r.events, r.calls = append(r.events, "call"), append(r.calls, c)
			return nil
		},
		Sources: func(s llm.Sources) error {
			r.events, r.sources = append(r.events, "sources"), s
			return nil
		},
		Chunk: func(chunk string) error {
			r.events = append(r.events, "chunk")
			r.text.WriteString(chunk)
			return nil
		},
	}
}

// calling is a stream in which the model calls tools. Each call is a name and its arguments.
func calling(calls ...[2]string) upstreamtest.Script {
	return upstreamtest.Raw(upstreamtest.EventHead + upstreamtest.Calls(calls...) + upstreamtest.Finish("tool_calls") + upstreamtest.UsageEvent + upstreamtest.Done)
}

// search is a call of listFilms.
func search(q string) [2]string { return [2]string{"listFilms", `{"q":"` + q + `"}`} }
