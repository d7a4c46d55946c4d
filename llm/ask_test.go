package llm_test

import (
	"context"
	"encoding/json"
	"errors"
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

// TestAsk has a model that looks something up and then answers.
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

// TestParallelCalls has two calls that wait for each other.
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

// TestRepeatedCall has a model that asks for the same again. It gets the same result, without a call.
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

// TestEndlessCaller has models that never stop to call tools. After four rounds or twelve calls they are
// offered none, so that they answer.
func TestEndlessCaller(t *testing.T) {
	t.Parallel()
	many := make([][2]string, 14)
	for i := range many {
		many[i] = search(strconv.Itoa(i))
	}
	for _, test := range []struct {
		name   string
		script []upstreamtest.Script
		calls  int
	}{
		{"rounds", []upstreamtest.Script{calling(search("a")), calling(search("b")), calling(search("c")), calling(search("d")), streamed("Yes.")}, 4},
		{"calls", []upstreamtest.Script{calling(many...), streamed("Yes.")}, 12},
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
			if last := offered(t, requests[len(requests)-1].Body); len(last) != 0 {
				t.Errorf("the last request offers %q", last)
			}
			sent := messages(t, requests[1].Body)
			if n := len(sent) - 3; test.name == "calls" && (n != 14 || !strings.Contains(sent[16].Content, "limit of calls")) {
				t.Errorf("the calls have %d results, the last is %+v", n, sent[len(sent)-1])
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

// TestBudgetOfTokens has a model that writes so many calls that no tokens are left for an answer.
func TestBudgetOfTokens(t *testing.T) {
	t.Parallel()
	u := listen(t, calling(search(strings.Repeat("a", 5000))), streamed("Yes."))
	_, _, err := askQuestion(bounded(t), openAI(t, u), llm.Question{Text: "?", Tools: &shelf{}})
	checkKind(t, err, llm.KindBadResponse)
}

// TestToolFails has a tool that cannot work. The question cannot be answered, and the caller gets its error.
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

// TestSlowTool has a tool that is too slow for the time limit, and one whose caller leaves.
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

// TestObserverFails has observers that fail. The call ends with their error.
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

// TestLongResults has results that are too long for a prompt. The model is told, and their films are no
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

// TestAskWithoutTools has a server that refuses tools, which a request without them proves. The model gets the
// result of one search, and the next question offers no tools.
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
		var result struct {
			Items []struct {
				ID int `json:"film_id"`
			}
		}
		readBlock(t, messages(t, requests[2+i].Body), "result", &result)
		if len(result.Items) != 1 || result.Items[0].ID != 7 {
			t.Errorf("the model is given %+v", result)
		}
	}
}

// TestAskCut shows that the result of an answer which was cut at the token limit is filled in, and that
// of an answer which failed is not.
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
