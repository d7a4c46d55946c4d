package llm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

// A model looks something up and then answers. The observer is told of each call, of the sources before
// the first chunk, and of the answer.
func TestAsk(t *testing.T) {
	t.Parallel()
	u := listen(t, calling(search("aliens"), search("center")), streamed("ALIEN CENTER [7]"))
	tools := &shelf{respond: func(_ context.Context, _ string, arguments json.RawMessage) (llm.ToolResult, error) {
		if strings.Contains(string(arguments), "aliens") {
			return llm.ToolResult{Status: 400, Body: json.RawMessage(`{"detail":"no aliens"}`)}, nil
		}
		result := found(7, 9)
		result.Total = 58
		return result, nil
	}}
	var seen record
	result, err := openAI(t, u).Ask(bounded(t), llm.Question{Text: "Any aliens?", Tools: tools}, seen.observer())
	if err != nil {
		t.Fatal(err)
	}
	if got := seen.text.String(); got != "ALIEN CENTER [7]" {
		t.Errorf("the answer is %q", got)
	}
	if want := []string{"call", "call", "sources", "chunk"}; !slices.Equal(seen.events, want) {
		t.Errorf("the events are %q, want %q", seen.events, want)
	}
	calls := []llm.Call{
		{Name: "listFilms", Arguments: json.RawMessage(`{"q":"aliens"}`), Status: 400},
		{Name: "listFilms", Arguments: json.RawMessage(`{"q":"center"}`), Status: 200, Films: 2},
	}
	if diff := cmp.Diff(calls, seen.calls, cmpopts.IgnoreFields(llm.Call{}, "Duration")); diff != "" {
		t.Errorf("the calls (-want +got):\n%s", diff)
	}
	sources := llm.Sources{Films: []llm.Source{{7, "FILM 7"}, {9, "FILM 9"}}, Total: 58}
	if diff := cmp.Diff(sources, seen.sources); diff != "" {
		t.Errorf("the sources (-want +got):\n%s", diff)
	}
	if want := (llm.Usage{Prompt: 11, Completion: 3}); result.Usage != want || result.FinishReason != "stop" {
		t.Errorf("the result is %+v, want the usage %+v", result, want)
	}
	sent := messages(t, u.Requests()[1].Body)
	if len(sent) != 5 || sent[2].Role != "assistant" || len(sent[2].ToolCalls) != 2 {
		t.Fatalf("the second request has %+v", sent)
	}
	for i, want := range []string{`{"detail":"no aliens"}`, `{"items":[{"film_id":7,"title":"FILM 7"},{"film_id":9,"title":"FILM 9"}]}`} {
		m := sent[3+i]
		if m.Role != "tool" || m.ToolCallID != sent[2].ToolCalls[i].ID || m.Content != want {
			t.Errorf("result %d is %+v, want %s", i, m, want)
		}
	}
	if !slices.Equal(offered(t, u.Requests()[1].Body), []string{"listFilms"}) {
		t.Error("the second round offers no tools")
	}
}

// offered are the names of the tools in a request.
func offered(t *testing.T, body []byte) []string {
	t.Helper()
	var r struct {
		Tools []struct{ Function struct{ Name string } }
	}
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, tool := range r.Tools {
		names = append(names, tool.Function.Name)
	}
	return names
}

// plainResult is a result of a tool in a request without tools.
type plainResult struct {
	Tool      string
	Arguments json.RawMessage
	Result    json.RawMessage
}

// checkPlain checks that a request has nothing to do with tools except for the results in the user's message,
// and returns these.
func checkPlain(t *testing.T, body []byte) []plainResult {
	t.Helper()
	sent := messages(t, body)
	if len(sent) != 2 || sent[0].Role != "system" || sent[1].Role != "user" || bytes.Contains(body, []byte(`"tools":`)) || bytes.Contains(body, []byte(`"tool_calls":`)) {
		t.Errorf("the request is not a plain one: %s", body)
	}
	_, text, _ := strings.Cut(sent[1].Content, "\n<results>\n")
	text, rest, _ := strings.Cut(text, "\n</results>")
	if rest != "" {
		t.Errorf("the results are followed by %q", rest)
	}
	var results []plainResult
	for line := range strings.Lines(text) {
		var r plainResult
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		results = append(results, r)
	}
	return results
}

// Calls of one round run at the same time. The two calls here wait for each other.
func TestParallelCalls(t *testing.T) {
	t.Parallel()
	var both sync.WaitGroup
	both.Add(2)
	tools := &shelf{respond: func(context.Context, string, json.RawMessage) (llm.ToolResult, error) {
		both.Done()
		both.Wait()
		return found(7), nil
	}}
	c := openAI(t, listen(t, calling(search("a"), search("b")), streamed("Yes.")))
	if text, _, err := askQuestion(bounded(t), c, llm.Question{Text: "?", Tools: tools}); err != nil || text != "Yes." {
		t.Errorf("got %q, %v", text, err)
	}
}

// A call that repeats an earlier one has the same result, and the tool is not called again.
func TestRepeatedCall(t *testing.T) {
	t.Parallel()
	u := listen(t, calling(search("a"), search("a")), calling([2]string{"listFilms", `{ "q" : "a" }`}), streamed("Yes."))
	tools := &shelf{}
	var seen record
	if _, err := openAI(t, u).Ask(bounded(t), llm.Question{Text: "?", Tools: tools}, seen.observer()); err != nil {
		t.Fatal(err)
	}
	if calls := tools.called(); len(calls) != 1 || len(seen.calls) != 3 {
		t.Errorf("the tool was called %d times, and the observer told of %d calls", len(calls), len(seen.calls))
	}
	sent := messages(t, u.Requests()[2].Body)
	if last := sent[len(sent)-1]; last.Content != sent[3].Content || len(seen.sources.Films) != 1 {
		t.Errorf("the repeated call has %+v, the sources are %+v", last, seen.sources)
	}
}

// A model that does not stop calling tools is offered none after four rounds or twelve calls, so that it
// answers.
func TestEndlessCaller(t *testing.T) {
	t.Parallel()
	many := make([][2]string, 14)
	for i := range many {
		many[i] = search(strconv.Itoa(i))
	}
	for _, test := range []struct {
		name    string
		script  []upstreamtest.Script
		calls   int
		results int
	}{
		{"rounds", []upstreamtest.Script{calling(search("a")), calling(search("b")), calling(search("c")), calling(search("d")), streamed("Yes.")}, 4, 4},
		{"calls", []upstreamtest.Script{calling(many...), streamed("Yes.")}, 12, 14},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u, tools := listen(t, test.script...), &shelf{}
			text, _, err := askQuestion(bounded(t), openAI(t, u), llm.Question{Text: "?", Tools: tools})
			if err != nil || text != "Yes." {
				t.Fatalf("got %q, %v", text, err)
			}
			if n := len(tools.called()); n != test.calls {
				t.Errorf("the tool was called %d times, want %d", n, test.calls)
			}
			requests := u.Requests()
			results := checkPlain(t, requests[len(requests)-1].Body)
			if len(results) != test.results {
				t.Errorf("the model is given %d results, want %d", len(results), test.results)
			}
			for i, r := range results {
				if refused := strings.Contains(string(r.Result), "limit of calls"); refused != (i >= test.calls) || r.Tool != "listFilms" {
					t.Errorf("result %d is %+v", i, r)
				}
			}
		})
	}
	u := listen(t, calling(search("a")))
	_, _, err := askQuestion(bounded(t), openAI(t, u), llm.Question{Text: "?", Tools: &shelf{}})
	checkKind(t, err, llm.KindBadResponse)
	if n := len(u.Requests()); n != 5 {
		t.Errorf("a model that calls tools it was not offered got %d requests, want 5", n)
	}
}

// The calls of a model count towards the token limit of its answer.
func TestBudgetOfTokens(t *testing.T) {
	t.Parallel()
	u := listen(t, calling(search(strings.Repeat("a", 5000))), streamed("Yes."))
	_, _, err := askQuestion(bounded(t), openAI(t, u), llm.Question{Text: "?", Tools: &shelf{}})
	checkKind(t, err, llm.KindBadResponse)
}

// If a tool fails, the question is not answered, and the caller gets the tool's error.
func TestToolFails(t *testing.T) {
	t.Parallel()
	down := errors.New("the database is down")
	u := listen(t, calling(search("a")), streamed("Yes."))
	tools := &shelf{respond: func(context.Context, string, json.RawMessage) (llm.ToolResult, error) { return llm.ToolResult{}, down }}
	var seen record
	_, err := openAI(t, u).Ask(bounded(t), llm.Question{Text: "?", Tools: tools}, seen.observer())
	if !errors.Is(err, down) || len(u.Requests()) != 1 || len(seen.events) != 0 {
		t.Errorf("%v after %d requests and the events %q", err, len(u.Requests()), seen.events)
	}
}

// A tool ends with the time limit of the question, and when the caller leaves.
func TestSlowTool(t *testing.T) {
	t.Parallel()
	for _, want := range []llm.Kind{llm.KindTimeout, llm.KindCanceled} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(bounded(t))
			defer cancel()
			u := listen(t, calling(search("a")))
			cfg := upstream.Config{Provider: "openai", BaseURL: u.URL, Timeout: time.Minute}
			if want == llm.KindTimeout {
				cfg.Timeout = 100 * time.Millisecond
			}
			tools := &shelf{respond: func(ctx context.Context, _ string, _ json.RawMessage) (llm.ToolResult, error) {
				if want == llm.KindCanceled {
					cancel()
				}
				<-ctx.Done()
				return llm.ToolResult{}, ctx.Err()
			}}
			_, _, err := askQuestion(ctx, clientOf(t, cfg), llm.Question{Text: "?", Tools: tools})
			checkKind(t, err, want)
		})
	}
}

// An error of an observer ends the call and is returned.
func TestObserverFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("the client is gone")
	for _, test := range []struct {
		name     string
		edit     func(*llm.Observer)
		requests int
	}{
		{"call", func(o *llm.Observer) { o.Called = func(llm.Call) error { return gone } }, 1},
		{"sources", func(o *llm.Observer) { o.Sources = func(llm.Sources) error { return gone } }, 2},
		{"chunk", func(o *llm.Observer) { o.Chunk = func(string) error { return gone } }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, calling(search("a")), streamed("Yes."))
			o := new(record).observer()
			test.edit(&o)
			_, err := openAI(t, u).Ask(bounded(t), llm.Question{Text: "?", Tools: &shelf{}}, o)
			if n := len(u.Requests()); !errors.Is(err, gone) || n != test.requests {
				t.Errorf("%v after %d requests, want %d", err, n, test.requests)
			}
		})
	}
}

// A result that is too long for the prompt is left out. The model is told so, and the films in it are not
// sources.
func TestLongResults(t *testing.T) {
	t.Parallel()
	u := listen(t, calling(search("a"), search("b"), search("c")), streamed("Yes."))
	tools := &shelf{respond: func(_ context.Context, _ string, arguments json.RawMessage) (llm.ToolResult, error) {
		result := found(1)
		if strings.Contains(string(arguments), "b") {
			result = found(2)
			result.Body = json.RawMessage(`{"text":"` + strings.Repeat("x", 30<<10) + `"}`)
		}
		return result, nil
	}}
	var seen record
	if _, err := openAI(t, u).Ask(bounded(t), llm.Question{Text: "?", Tools: tools}, seen.observer()); err != nil {
		t.Fatal(err)
	}
	sent := messages(t, u.Requests()[1].Body)
	if got := sent[4].Content; !strings.Contains(got, "too long") {
		t.Errorf("the long result is %.100q", got)
	}
	if sent[5].Content != sent[3].Content || len(seen.sources.Films) != 1 || seen.sources.Total != 1 {
		t.Errorf("the next result is %q, the sources are %+v", sent[5].Content, seen.sources)
	}
}

// If a server refuses tools, which a request without them proves, the model gets the result of one search
// instead. The next question offers no tools.
func TestAskWithoutTools(t *testing.T) {
	t.Parallel()
	u := listen(t, upstreamtest.Status(400, "", `{"error":{"message":"m-1 does not support tools"}}`), streamed("Yes."))
	c := openAI(t, u)
	for i := range 2 {
		tools := &shelf{}
		var seen record
		if _, err := c.Ask(bounded(t), llm.Question{Text: "aliens", Tools: tools}, seen.observer()); err != nil {
			t.Fatal(err)
		}
		requests := u.Requests()
		if len(requests) != 3+i || len(offered(t, requests[2+i].Body)) != 0 || len(tools.called()) != 1 || seen.text.String() != "Yes." {
			t.Fatalf("question %d: %d requests, %d calls, answer %q", i, len(requests), len(tools.called()), seen.text.String())
		}
		if want := []string{"call", "sources", "chunk"}; !slices.Equal(seen.events, want) || len(seen.sources.Films) != 1 {
			t.Errorf("the events are %q, want %q; the sources are %+v", seen.events, want, seen.sources)
		}
		if results := checkPlain(t, requests[2+i].Body); len(results) != 1 || results[0].Tool != "listFilms" || !bytes.Contains(results[0].Result, []byte(`"film_id":7`)) {
			t.Errorf("the model is given %+v", results)
		}
	}
}

// If a server refuses tools in a later round, it is asked without them and given the results so far. The
// same applies if another question has found out about the refusal in the meantime.
func TestToolsRefusedLater(t *testing.T) {
	t.Parallel()
	refusal := upstreamtest.Status(400, "", `{"error":{"message":"m-1 does not support tools"}}`)
	for _, test := range []struct {
		name   string
		script []upstreamtest.Script
	}{
		{"by this question", []upstreamtest.Script{calling(search("a")), refusal, streamed("unused"), streamed("Yes.")}},
		{"by another question", []upstreamtest.Script{calling(search("a")), refusal, streamed("unused"), streamed("unused"), streamed("Yes.")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, test.script...)
			c := openAI(t, u)
			tools := &shelf{}
			if test.name == "by another question" {
				tools.respond = func(context.Context, string, json.RawMessage) (llm.ToolResult, error) {
					_, _, err := ask(bounded(t), c)
					return found(9), err
				}
			}
			var seen record
			if _, err := c.Ask(bounded(t), llm.Question{Text: "aliens", Tools: tools}, seen.observer()); err != nil {
				t.Fatal(err)
			}
			if got := seen.text.String(); got != "Yes." || len(tools.called()) != 1 {
				t.Errorf("got %q after %d calls", got, len(tools.called()))
			}
			requests := u.Requests()
			if results := checkPlain(t, requests[len(requests)-1].Body); len(results) != 1 || string(results[0].Arguments) != `{"q":"a"}` {
				t.Errorf("the model is given %+v", results)
			}
		})
	}
}

// After the last round, the answer also comes from a server that refuses messages with tool calls in a
// request without tools.
func TestCallsRefusedWithoutTools(t *testing.T) {
	t.Parallel()
	rounds := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rounds++
		body, err := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		switch {
		case err != nil:
			t.Error(err)
		case bytes.Contains(body, []byte(`"tools":`)):
			_, _ = io.WriteString(w, upstreamtest.Calls(search(strconv.Itoa(rounds)))+upstreamtest.Finish("tool_calls")+upstreamtest.Done)
		case bytes.Contains(body, []byte(`"tool_calls":`)), bytes.Contains(body, []byte(`"role":"tool"`)):
			http.Error(w, `{"error":{"message":"tools must be set if the messages have tool calls"}}`, http.StatusBadRequest)
		default:
			_, _ = io.WriteString(w, upstreamtest.Delta("Yes.")+upstreamtest.Finish("stop")+upstreamtest.Done)
		}
	}))
	defer server.Close()
	c := clientOf(t, upstream.Config{Provider: "openai", BaseURL: server.URL})
	if text, _, err := askQuestion(bounded(t), c, llm.Question{Text: "?", Tools: &shelf{}}); err != nil || text != "Yes." || rounds != 5 {
		t.Errorf("got %q, %v after %d requests", text, err, rounds)
	}
}

// A model that answers from nothing, although there are films, is asked again with the result of a search. After
// the third such answer it is offered no tools.
func TestToolsIgnored(t *testing.T) {
	t.Parallel()
	u := listen(t, streamed("TITANIC REVENGE"), streamed("FILM 7"), streamed("TITANIC REVENGE"), streamed("FILM 7"), streamed("TITANIC REVENGE"), streamed("FILM 7"))
	c := openAI(t, u)
	for i := range 4 {
		var seen record
		tools := &shelf{}
		if _, err := c.Ask(bounded(t), llm.Question{Text: "comedies", Tools: tools}, seen.observer()); err != nil {
			t.Fatal(err)
		}
		if text := seen.text.String(); text != "FILM 7" || len(seen.sources.Films) != 1 || len(tools.called()) != 1 {
			t.Errorf("question %d: the answer is %q from %+v after %d calls", i, text, seen.sources, len(tools.called()))
		}
	}
	requests := u.Requests()
	for i, want := range []int{1, 0, 1, 0, 1, 0, 0} {
		if n := len(offered(t, requests[i].Body)); n != want {
			t.Errorf("request %d offers %d tools, want %d", i, n, want)
		}
	}
	if len(requests) != 7 {
		t.Errorf("there are %d requests, want 7", len(requests))
	}
}

// A question without a condition for films needs no call, and neither does one for which nothing is found. A model that
// has called a tool before knows what it does, also if its answer looks like a call.
func TestAnswerWithoutCalls(t *testing.T) {
	t.Parallel()
	const text = `{"name": "FILM 7"}`
	u := listen(t, streamed("Hello!"), streamed("None."), calling(search("a")), streamed(text), streamed("You are welcome."), calling(search("a")), streamed("FILM 7"))
	c := openAI(t, u)
	for _, test := range []struct {
		question string
		tools    *shelf
		want     string
	}{
		{"Hello!", &shelf{}, "Hello!"}, {"comedies", emptyShelf(), "None."}, {"comedies", &shelf{}, text},
		{"comedies", &shelf{}, "You are welcome."}, {"comedies", &shelf{}, "FILM 7"},
	} {
		if got, _, err := askQuestion(bounded(t), c, llm.Question{Text: test.question, Tools: test.tools}); err != nil || got != test.want {
			t.Errorf("%s: got %q, %v, want %q", test.question, got, err, test.want)
		}
	}
	if requests := u.Requests(); len(offered(t, requests[5].Body)) == 0 {
		t.Error("a model that has called tools is offered none")
	}
}

// An answer from nothing that was cut is not shown either.
func TestCutAnswerWithoutCalls(t *testing.T) {
	t.Parallel()
	cut := upstreamtest.Raw(upstreamtest.EventHead + upstreamtest.Delta("TITANIC") + upstreamtest.Finish("length") + upstreamtest.Done)
	text, _, err := askQuestion(bounded(t), openAI(t, listen(t, cut, streamed("FILM 7"))), llm.Question{Text: "comedies", Tools: &shelf{}})
	if err != nil || text != "FILM 7" {
		t.Errorf("got %q, %v", text, err)
	}
}

// The total is that of the search that found the films. A look at one of them does not change it.
func TestTotal(t *testing.T) {
	t.Parallel()
	tools := &shelf{respond: func(_ context.Context, _ string, arguments json.RawMessage) (llm.ToolResult, error) {
		result := found(7)
		switch {
		case strings.Contains(string(arguments), "all"):
			result.Total = 1000
		case strings.Contains(string(arguments), "comedies"):
			result = found(7, 8, 9)
			result.Total = 58
		}
		return result, nil
	}}
	var seen record
	c := openAI(t, listen(t, calling(search("all")), calling(search("comedies")), calling(search("one")), streamed("FILM 7")))
	if _, err := c.Ask(bounded(t), llm.Question{Text: "comedies", Tools: tools}, seen.observer()); err != nil {
		t.Fatal(err)
	}
	if seen.sources.Total != 58 || len(seen.sources.Films) != 3 {
		t.Errorf("the sources are %+v", seen.sources)
	}
}

// Some servers pass on a call as the model wrote it, as text. It is not an answer, and after the third one the model is
// offered no tools.
func TestCallAsText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"<tool_call>\n{\"name\": \"listFilms\", \"arguments\": {}}\n</tool_call>", "[TOOL_CALLS][{\"name\":\"listFilms\"}]",
		"{\"name\": \"listFilms\", \"parameters\": {}}", "```json\n{\"name\": \"listFilms\"}\n```", "<function=listFilms>{}</function>", " <|python_tag|>listFilms()",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			u := listen(t, streamed(text), streamed("FILM 7"), streamed(text), streamed("FILM 7"), streamed(text), streamed("FILM 7"))
			c := openAI(t, u)
			for range 4 {
				if got, _, err := askQuestion(bounded(t), c, llm.Question{Text: "comedies", Tools: &shelf{}}); err != nil || got != "FILM 7" {
					t.Errorf("got %q, %v", got, err)
				}
			}
			if n := len(u.Requests()); n != 7 {
				t.Errorf("there are %d requests, want 7", n)
			}
		})
	}
}

// A comment before the first call is not shown, however long it is. If the model calls more tools after a part of
// the answer, the sources come again.
func TestCommentBeforeCall(t *testing.T) {
	t.Parallel()
	text := upstreamtest.EventHead + upstreamtest.Delta(strings.Repeat("Let me see. ", 50))
	call := func(q string) string {
		return upstreamtest.Calls(search(q)) + upstreamtest.Finish("tool_calls") + upstreamtest.Done
	}
	shown := make(chan struct{})
	late := func(conn net.Conn) {
		upstreamtest.Raw(text)(conn)
		select {
		case <-shown:
			upstreamtest.Raw(call("b"))(conn)
		case <-t.Context().Done():
		}
	}
	tools := &shelf{respond: func(_ context.Context, _ string, arguments json.RawMessage) (llm.ToolResult, error) {
		if strings.Contains(string(arguments), "b") {
			return found(8), nil
		}
		return found(7), nil
	}}
	var seen record
	o := seen.observer()
	chunk := o.Chunk
	o.Chunk = func(text string) error {
		if len(seen.calls) == 1 {
			close(shown)
		}
		return chunk(text)
	}
	c := openAI(t, listen(t, upstreamtest.Raw(text+call("a")), late, streamed("FILM 8")))
	if _, err := c.Ask(bounded(t), llm.Question{Text: "?", Tools: tools}, o); err != nil {
		t.Fatal(err)
	}
	events := slices.Compact(seen.events)
	if want := []string{"call", "sources", "chunk", "call", "sources", "chunk"}; !slices.Equal(events, want) {
		t.Errorf("the events are %q, want %q", events, want)
	}
	if n := strings.Count(seen.text.String(), "Let me see."); n != 50 || len(seen.sources.Films) != 2 {
		t.Errorf("the comment is shown %d times; the sources are %+v", n, seen.sources)
	}
}

// The result is filled in if the answer was cut at the token limit, but not if the answer failed.
func TestAskCut(t *testing.T) {
	t.Parallel()
	c := openAI(t, listen(t,
		upstreamtest.Raw(upstreamtest.EventHead+upstreamtest.Delta("He")+upstreamtest.Finish("length")+upstreamtest.UsageEvent+upstreamtest.Done),
		upstreamtest.Raw(upstreamtest.EventHead+upstreamtest.Delta("He")+upstreamtest.UsageEvent)))
	text, result, err := ask(bounded(t), c)
	checkKind(t, err, llm.KindLength)
	want := llm.Result{Model: "m-1", Provider: "openai", Prompt: result.Prompt, FinishReason: "length", Usage: llm.Usage{Prompt: 11, Completion: 3}}
	if text != "He" || result != want {
		t.Errorf("got %q, %+v, want %+v", text, result, want)
	}
	_, result, err = ask(bounded(t), c)
	checkKind(t, err, llm.KindTruncated)
	want = llm.Result{Model: "gpt-4o-mini", Provider: "openai", Prompt: result.Prompt}
	if result != want {
		t.Errorf("got %+v, want %+v", result, want)
	}
}
