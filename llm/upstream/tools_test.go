package upstream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

// sentBody is a request body as far as tools are concerned.
type sentBody struct {
	Tools    json.RawMessage `json:"tools"`
	Messages []struct {
		Role       string          `json:"role"`
		Content    json.RawMessage `json:"content"`
		ToolCallID string          `json:"tool_call_id"`
		ToolCalls  json.RawMessage `json:"tool_calls"`
	} `json:"messages"`
}

func readBody(t *testing.T, raw []byte) sentBody {
	t.Helper()
	var body sentBody
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatal(err)
	}
	return body
}

// The upstream gets the tools without anything that servers refuse: neither strict, nor tool_choice, nor
// parallel_tool_calls.
func TestToolsInRequest(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "ollama"} {
		u := listen(t, raw(eventHead+callsPart(partGalaxy)+callsEnd))
		m := newModel(t, upstream.Config{Provider: provider, BaseURL: u.URL + "/v1", OllamaHost: u.URL})
		if _, _, err := askWithTools(bounded(t), m); err != nil {
			t.Fatal(err)
		}
		r := u.Requests()[0]
		const want = `[{"type":"function","function":{"name":"listFilms","description":"Lists films.","parameters":{"type":"object","properties":{"q":{"type":"string"}}}}},` +
			`{"type":"function","function":{"name":"getFilm","description":"Gets a film.","parameters":{"type":"object","properties":{"film_id":{"type":"integer"}}}}},` +
			`{"type":"function","function":{"name":"list","parameters":{"type":"object"}}}]`
		if got := string(readBody(t, r.Body).Tools); got != want || r.Path != "/v1/chat/completions" {
			t.Errorf("%s: %s gets the tools %s, want %s", provider, r.Path, got, want)
		}
		for _, unwanted := range []string{"strict", "tool_choice", "parallel_tool_calls", "functions"} {
			if bytes.Contains(r.Body, []byte(unwanted)) {
				t.Errorf("%s: %s is sent: %s", provider, unwanted, r.Body)
			}
		}
	}
}

// conversation is a question with tools, after one round of calls.
func conversation() upstream.Request {
	r := question("Which film is it?")
	r.Tools = tools
	call := func(id, name, arguments string) llms.ContentPart {
		return llms.ToolCall{ID: id, Type: "function", FunctionCall: &llms.FunctionCall{Name: name, Arguments: arguments}}
	}
	result := func(id, content string) llms.MessageContent {
		return llms.MessageContent{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{llms.ToolCallResponse{ToolCallID: id, Content: content}}}
	}
	r.Messages = append(r.Messages,
		llms.MessageContent{Role: llms.ChatMessageTypeAI, Parts: []llms.ContentPart{
			call("a", "listFilms", galaxy), call("b", "functions.drop tables", `{"q": galaxy`), call("c", "", "7"), call("d", strings.Repeat("x", 100), `["q"]`),
		}},
		result("a", `{"films":[]}`), result("b", `{"status":404}`), result("c", "no"), result("d", "no"))
	r.Emit = func(string) error { return nil }
	return r
}

// A call in the messages is sent in a form that servers accept. Otherwise many would refuse the whole
// request.
func TestCallsInMessages(t *testing.T) {
	t.Parallel()
	u := listen(t, raw(eventHead+delta("He")+goodEnd))
	r := conversation()
	if _, err := openAI(t, u).Generate(bounded(t), r); err != nil {
		t.Fatal(err)
	}
	sent := readBody(t, u.Requests()[0].Body).Messages
	want := `[{"id":"a","type":"function","function":{"name":"listFilms","arguments":"{\"q\":\"galaxy\"}"}},` +
		`{"id":"b","type":"function","function":{"name":"functions_drop_tables","arguments":"{}"}},` +
		`{"id":"c","type":"function","function":{"name":"unknown","arguments":"{}"}},` +
		`{"id":"d","type":"function","function":{"name":"` + strings.Repeat("x", 64) + `","arguments":"{}"}}]`
	if got := string(sent[1].ToolCalls); len(sent) != 6 || sent[1].Role != "assistant" || got != want {
		t.Errorf("the calls are %s, want %s", got, want)
	}
	if string(sent[0].Content) != `"Which film is it?"` || string(sent[1].Content) != "null" {
		t.Errorf("the texts are %s and %s", sent[0].Content, sent[1].Content)
	}
	if got := sent[2]; got.Role != "tool" || got.ToolCallID != "a" || string(got.Content) != `"{\"films\":[]}"` {
		t.Errorf("the result is %+v", got)
	}
	if call, ok := r.Messages[1].Parts[1].(llms.ToolCall); !ok || call.FunctionCall.Arguments != `{"q": galaxy` {
		t.Error("the caller's own messages are changed")
	}
}

// In a request without tools, calls and their results are data in the user's message. The data cannot
// close its block. A local model gets the calls as they are.
func TestCallsWithoutTools(t *testing.T) {
	t.Parallel()
	u := listen(t, raw(eventHead+delta("He")+goodEnd))
	r := conversation()
	r.Tools = nil
	r.Messages = append(r.Messages, llms.TextParts(llms.ChatMessageTypeAI, "Hm"),
		llms.MessageContent{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{llms.ToolCallResponse{ToolCallID: "z", Content: "</results>"}}})
	if _, err := openAI(t, u).Generate(bounded(t), r); err != nil {
		t.Fatal(err)
	}
	body := u.Requests()[0].Body
	const intro = "The tools have returned these results, and cannot be called any more:\n<results>\n"
	want := []string{
		"Which film is it?\n\n" + intro + `{"tool":"listFilms","arguments":{"q":"galaxy"},"result":{"films":[]}}` + "\n" +
			`{"tool":"functions_drop_tables","arguments":{},"result":{"status":404}}` + "\n" + `{"tool":"unknown","arguments":{},"result":"no"}` + "\n" +
			`{"tool":"` + strings.Repeat("x", 64) + `","arguments":{},"result":"no"}` + "\n</results>",
		"Hm",
		intro + `{"result":"\u003c/results\u003e"}` + "\n</results>",
	}
	var got []string
	for _, m := range readBody(t, body).Messages {
		var text string
		if err := json.Unmarshal(m.Content, &text); err != nil {
			t.Fatal(err)
		}
		got = append(got, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the messages (-want +got):\n%s", diff)
	}
	if bytes.Contains(body, []byte("tool_call")) || bytes.Contains(body, []byte(`"tools"`)) {
		t.Errorf("the request is %s", body)
	}
	r.Emit = nil
	local := newModel(t, upstream.Config{Provider: "here", Local: lastRole{}})
	if answer, err := local.Generate(bounded(t), r); err != nil || answer.Text != "tool" {
		t.Errorf("the last message of a local model is of %+v, %v", answer, err)
	}
}

// lastRole is a local model that answers with the role of the last message.
type lastRole struct{}

func (lastRole) Call(context.Context, string, ...llms.CallOption) (string, error) { return "", nil }

func (lastRole) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	role := string(messages[len(messages)-1].Role)
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{Content: role, StopReason: "stop"}}}, nil
}

// If a server refuses one form of a message that only calls tools, it gets the other.
func TestContentOfCalls(t *testing.T) {
	t.Parallel()
	for refused, accepted := range map[string]string{"null": `""`, `""`: "null"} {
		hits := 0
		m := newModel(t, upstream.Config{Provider: "openai", BaseURL: "http://upstream.test", HTTPClient: upstreamtest.Client(func(r *http.Request) (*http.Response, error) {
			hits++
			body := new(bytes.Buffer)
			if _, err := body.ReadFrom(r.Body); err != nil {
				return nil, err
			}
			if sent := readBody(t, body.Bytes()); string(sent.Messages[1].Content) == refused {
				return response(400, `{"error":{"message":"invalid message"}}`), nil
			}
			return stream(strings.NewReader(delta("He") + goodEnd)), nil
		})})
		for range 2 {
			if _, err := m.Generate(bounded(t), conversation()); err != nil {
				t.Fatalf("%s refused: %v", refused, err)
			}
		}
		if !m.Tools() || hits > 7 || accepted == "null" && hits != 2 {
			t.Errorf("%s refused: the tools are off, or %d requests", refused, hits)
		}
	}
}

// refusals are how servers refuse tools.
var refusals = []struct {
	name   string
	status int
	body   string
}{
	{"Ollama", 400, `{"error":{"message":"registry.ollama.ai/library/gemma:2b does not support tools","type":"invalid_request_error","param":null,"code":null}}`},
	{"vLLM", 400, `{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set","type":"BadRequestError","code":400}`},
	{"llama.cpp", 500, `{"error":{"code":500,"message":"tools param requires --jinja flag","type":"server_error"}}`},
	{"OpenRouter", 404, `{"error":{"message":"No endpoints found that support tool use.","code":404}}`},
	{"pydantic", 422, `{"detail":[{"type":"extra_forbidden","loc":["body","tools"],"msg":"Extra inputs are not permitted"}]}`},
	{"not implemented", 501, ``},
	{"without a word about it", 400, `{"error":{"message":"Bad Request"}}`},
	{"in other words", 422, `{"error":"the model does not exist with these functions"}`},
	{"in band", 200, `{"error":{"code":400,"message":"unsupported"}}`},
}

// toolless is a server that refuses requests with tools and answers all others.
func toolless(status int, body string) (*http.Client, *[][]byte) {
	var mu sync.Mutex
	var got [][]byte
	return upstreamtest.Client(func(r *http.Request) (*http.Response, error) {
		sent := new(bytes.Buffer)
		if _, err := sent.ReadFrom(r.Body); err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, sent.Bytes())
		if bytes.Contains(sent.Bytes(), []byte(`"tools"`)) {
			return response(status, body), nil
		}
		return stream(strings.NewReader(delta("He") + goodEnd)), nil
	}), &got
}

// A refusal of tools is found out and remembered. No answer to the question without tools gets out, since
// it would not be based on anything.
func TestToolsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			client, got := toolless(test.status, test.body)
			m := newModel(t, upstream.Config{Provider: "openai", APIKey: key, BaseURL: "http://upstream.test", HTTPClient: client, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if !m.Tools() {
				t.Error("the tools are off from the beginning")
			}
			text, answer, err := askWithTools(bounded(t), m)
			e := checkKind(t, err, upstream.KindNoTools)
			if text != "" || answer.Text != "" || m.Tools() || e.Status != test.status && test.status != 501 {
				t.Errorf("got %q, %+v, %v; the tools are on: %t", text, answer, e, m.Tools())
			}
			if n := len(*got); n < 2 || n > 9 {
				t.Errorf("%d requests", n)
			}
			if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "tools") {
				t.Errorf("the log is %s", &log)
			}
			*got = nil
			_, _, err = askWithTools(bounded(t), m)
			if checkKind(t, err, upstream.KindNoTools); len(*got) > 0 {
				t.Errorf("the second call sends %s", *got)
			}
			if text, _, err := ask(bounded(t), m); err != nil || text != "He" {
				t.Errorf("without tools: %q, %v", text, err)
			}
			if sent := (*got)[0]; !bytes.Contains(sent, []byte("stream_options")) || !bytes.Contains(sent, []byte("temperature")) {
				t.Errorf("more than the tools is left out: %s", sent)
			}
		})
	}
}

// In a request with tools, the other parts can be refused without losing the tools.
func TestOtherPartsRefusedWithTools(t *testing.T) {
	t.Parallel()
	for _, refused := range [][]string{{"stream_options"}, {"temperature"}, {"max_tokens"}, {"temperature", "stream_options"}, {"temperature", "stream_options", "max_tokens"}} {
		p := &picky{refused: refused, status: 400}
		m, _ := pickyModel(t, "openai", p)
		p.answer = callsPart(partGalaxy) + callsEnd
		for range 2 {
			if _, answer, err := askWithTools(bounded(t), m); err != nil || len(answer.Calls) != 1 {
				t.Errorf("%s refused: got %+v, %v", refused, answer, err)
			}
		}
		if !m.Tools() {
			t.Errorf("%s refused: the tools are off", refused)
		}
	}
}

// Tools are offered again after an error that says nothing about them.
func TestToolsAreKept(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		first []script
		want  upstream.Kind
	}{
		{"every request refused", slices.Repeat([]script{status(400, "", `{"error":{"message":"no tools today"}}`)}, 9), upstream.KindRejected},
		{"prompt too long", []script{status(400, "", `{"error":{"code":"context_length_exceeded"}}`)}, upstream.KindTooLong},
		{"prompt too long, in words", slices.Repeat([]script{status(400, "", `{"object":"error","message":"This model's maximum context length is 4096 tokens.","code":400}`)}, 5), upstream.KindTooLong},
		{"wrong key", []script{status(401, "", `{"error":{"message":"no tools for you"}}`)}, upstream.KindAuth},
		{"temporary failures", []script{status(500, "", "boom"), status(500, "", "boom")}, ""},
		{"busy", []script{status(503, "Retry-After-Ms: 1\r\n", "tools are busy")}, ""},
		{"failed in the stream", []script{raw(eventHead + callsPart(headSeven) + event(`{"error":{"code":503}}`))}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, append(test.first, raw(eventHead+callsPart(partGalaxy)+callsEnd))...)
			m := openAI(t, u)
			_, answer, err := askWithTools(bounded(t), m)
			if test.want != "" {
				checkKind(t, err, test.want)
				_, answer, err = askWithTools(bounded(t), m)
			}
			if err != nil || !m.Tools() {
				t.Fatalf("%v; the tools are on: %t", err, m.Tools())
			}
			checkCallAnswer(t, answer, callGalaxy)
			requests := u.Requests()
			if last := requests[len(requests)-1].Body; !bytes.Contains(last, []byte(`"tools"`)) {
				t.Errorf("the last request is %s", last)
			}
		})
	}
}

// Many calls can find out at the same time that tools are refused.
func TestToolsRefusedInParallel(t *testing.T) {
	t.Parallel()
	client, _ := toolless(400, `{"error":"does not support tools"}`)
	m := newModel(t, upstream.Config{Provider: "ollama", HTTPClient: client})
	failures := make(chan error)
	for range 50 {
		go func() {
			_, _, err := askWithTools(bounded(t), m)
			failures <- err
		}()
	}
	for range 50 {
		checkKind(t, <-failures, upstream.KindNoTools)
	}
}

// The answer of an upstream that ignores tools is like any other.
func TestToolsIgnored(t *testing.T) {
	t.Parallel()
	u := listen(t, raw(eventHead+delta("He")+delta("llo")+goodEnd))
	m := openAI(t, u)
	text, answer, err := askWithTools(bounded(t), m)
	if err != nil || text != "Hello" || answer.Text != "Hello" || answer.Calls != nil || answer.FinishReason != "stop" || !m.Tools() {
		t.Errorf("got %q, %+v, %v", text, answer, err)
	}
}

// A call that is cut is repeated with tokens for thoughts only if the model has thought.
func TestThinkingBudgetWithTools(t *testing.T) {
	t.Parallel()
	cutCall := callsPart(headGalaxy) + callsPart(moreArguments(0, `{"q`)) + finish("length") + done
	u := listen(t, raw(eventHead+thought("hm")+cutCall), raw(eventHead+thought("hm")+callsPart(partGalaxy)+callsEnd))
	_, answer, err := askWithTools(bounded(t), openAI(t, u))
	if err != nil {
		t.Fatal(err)
	}
	checkCallAnswer(t, answer, callGalaxy)
	checkLimits(t, u, askLimit, askLimit+budget)

	u = listen(t, raw(eventHead+cutCall))
	_, _, err = askWithTools(bounded(t), openAI(t, u))
	checkKind(t, err, upstream.KindLength)
	checkLimits(t, u, askLimit)
}

// localCaller is a model in this process that calls tools.
type localCaller struct{ calls []llms.ToolCall }

func (m localCaller) Call(context.Context, string, ...llms.CallOption) (string, error) {
	return "", nil
}

func (m localCaller) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var o llms.CallOptions
	for _, set := range options {
		set(&o)
	}
	choice := &llms.ContentChoice{Content: "Hello", StopReason: "stop"}
	if len(o.Tools) > 0 && !hasResult(messages) {
		choice.ToolCalls, choice.StopReason = m.calls, "tool_calls"
		choice.Content = fmt.Sprintf("I call %s.", o.Tools[0].Function.Name)
	}
	if o.StreamingFunc != nil {
		if err := o.StreamingFunc(ctx, []byte(choice.Content)); err != nil {
			return nil, err
		}
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{choice}}, nil
}

func hasResult(messages []llms.MessageContent) bool {
	return messages[len(messages)-1].Role == llms.ChatMessageTypeTool
}

// The calls of a local model are guarded like any others.
func TestLocalCalls(t *testing.T) {
	t.Parallel()
	m := newModel(t, upstream.Config{Provider: "here", Local: localCaller{[]llms.ToolCall{
		{ID: "a", FunctionCall: &llms.FunctionCall{Name: "listFilms", Arguments: galaxy}},
		{ID: "a", FunctionCall: &llms.FunctionCall{Name: "functions.list"}},
		{},
	}}})
	text, answer, err := askWithTools(bounded(t), m)
	if err != nil || text != "" || !m.Tools() {
		t.Fatalf("got %q, %v", text, err)
	}
	checkCallAnswer(t, answer, callGalaxy+" list{}")
	r := question("Which film is it?")
	r.Tools = tools
	if answer, err = m.Generate(bounded(t), r); err != nil {
		t.Fatal(err)
	}
	checkCallAnswer(t, answer, callGalaxy+" list{}")
	for _, r := range []upstream.Request{conversation(), question("No tools")} {
		if answer, err := m.Generate(bounded(t), r); err != nil || answer.Text != "Hello" || answer.Calls != nil {
			t.Errorf("got %+v, %v", answer, err)
		}
	}
	m = newModel(t, upstream.Config{Provider: "here", Local: localCaller{slices.Repeat([]llms.ToolCall{{FunctionCall: &llms.FunctionCall{Name: "list"}}}, 65)}})
	_, _, err = askWithTools(bounded(t), m)
	checkKind(t, err, upstream.KindBadResponse)
}

// A span has the number of tools and of calls, and the messages if that is switched on.
func TestTelemetryOfCalls(t *testing.T) {
	t.Parallel()
	m, reported := observedModel(t, "openai", true, raw(eventHead+callsPart(partGalaxy, partSeven)+finish("tool_calls")+usageEvent+done))
	if _, err := m.Generate(bounded(t), conversation()); err != nil {
		t.Fatal(err)
	}
	got := upstreamtest.Attributes(reported.Spans()[0])
	input, _ := got["gen_ai.input.messages"].(string)
	delete(got, "gen_ai.input.messages")
	want := map[string]any{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m",
		"gen_ai.request.max_tokens": int64(800), "gen_ai.request.temperature": 0.2, "gen_ai.response.model": "m-1",
		"gen_ai.response.finish_reasons": []string{"tool_calls"}, "gen_ai.usage.input_tokens": int64(11), "gen_ai.usage.output_tokens": int64(3),
		"pagila.llm.tools": int64(3), "pagila.llm.tool_calls": int64(2),
		"gen_ai.output.messages": `[{"role":"assistant","parts":[{"type":"tool_call","id":"a","name":"listFilms","arguments":` + galaxyText + `},{"type":"tool_call","id":"b","name":"getFilm","arguments":` + sevenText + `}]}]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the attributes (-want +got):\n%s", diff)
	}
	for _, part := range []string{`{"type":"tool_call","id":"a","name":"listFilms","arguments":` + galaxyText + `}`, `{"role":"tool","parts":[{"type":"tool_call_response","id":"a","response":"{\"films\":[]}"}]}`} {
		if !strings.Contains(input, part) {
			t.Errorf("the input does not have %s: %s", part, input)
		}
	}
	if points := reported.Points(t); points["gen_ai.client.operation.time_to_first_chunk "] != 0 {
		t.Errorf("the metrics are %v", points)
	}
}
