package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
)

// answering is a model whose answer can be changed between questions.
type answering struct {
	scripted
	ask atomic.Pointer[func(o llm.Observer) (llm.Result, error)]
}

func (a *answering) Ask(_ context.Context, _ llm.Question, o llm.Observer) (llm.Result, error) {
	return (*a.ask.Load())(o)
}

// FuzzStream lets a model answer with arbitrary text, in chunks, after the call of a tool with an arbitrary name and
// arguments. Each stream follows the contract, which start checks. A client that
// splits it by the standard's rules gets the text of the model, byte by byte.
func FuzzStream(f *testing.F) {
	model := &answering{}
	a := start(f, withModel(model))
	for _, text := range []string{"one two", "a\nb\r\nc\rd", "data: x\n\nevent: done\ndata: {}\n\n", "\xff\x00\u2028\u202e", " \n ", "", "</script>", ": comment\n\n", "id: 7\n"} {
		f.Add(text, text, text, uint8(3))
		f.Add(text, "listFilms", `{"q":"`+text+`"}`, uint8(0))
	}
	f.Fuzz(func(t *testing.T, text, tool, arguments string, size uint8) {
		a.fail.Store(new(t.Errorf))
		chunks := split(text, 1+int(size))
		model.ask.Store(new(func(o llm.Observer) (llm.Result, error) { return replay(o, tool, arguments, chunks) }))
		got := a.get(t, "/ai/ask?question=x", "Accept", "text/event-stream").want(t, 200)
		if answer := answerIn(t, string(got.body)); answer != utf8OnWire(chunks) {
			t.Errorf("the client reads %q, want %q", answer, utf8OnWire(chunks))
		}
	})
}

// replay tells the observer of a call, of a source and of the chunks.
func replay(o llm.Observer, tool, arguments string, chunks []string) (llm.Result, error) {
	call := llm.Call{Name: tool, Arguments: json.RawMessage("{}"), Status: 200}
	var object map[string]any
	if json.Unmarshal([]byte(arguments), &object) == nil && object != nil {
		call.Arguments = json.RawMessage(arguments)
	}
	err := errors.Join(o.Called(call), o.Sources(llm.Sources{Films: []llm.Source{{FilmID: 7, Title: tool}}, Total: 1}))
	for _, chunk := range chunks {
		err = errors.Join(err, o.Chunk(chunk))
	}
	return llm.Result{Model: tool, FinishReason: "stop"}, err
}

// split splits a text into chunks of at most n bytes, and adds a last one that is not blank.
func split(text string, n int) []string {
	var chunks []string
	for chunk := range slices.Chunk([]byte(text), n) {
		chunks = append(chunks, string(chunk))
	}
	return append(chunks, ".")
}

// utf8OnWire is the text of the chunks in JSON, which replaces each byte that is not UTF-8.
func utf8OnWire(chunks []string) string {
	var b strings.Builder
	for _, chunk := range chunks {
		for _, r := range chunk {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// lineEnd is a line end of an event stream (WHATWG HTML, section 9.2.5).
var lineEnd = regexp.MustCompile("\r\n|\n|\r")

// answerIn reads a stream of events by the standard's rules, and joins the texts of the event delta.
func answerIn(t *testing.T, body string) string {
	t.Helper()
	var answer, name, data string
	for _, line := range lineEnd.Split(body, -1) {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case field == "event":
			name = value
		case field == "data":
			data += value + "\n"
		case line == "" && name == "delta":
			var delta gen.DeltaEvent
			if err := json.Unmarshal([]byte(data), &delta); err != nil {
				t.Fatalf("the data of a delta is %q: %v", data, err)
			}
			answer += delta.Text
		}
		if line == "" {
			name, data = "", ""
		}
	}
	return answer
}
