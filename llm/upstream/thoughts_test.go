package upstream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"example.com/pagila-api/llm/upstream"
)

// limitOf is the token limit of a request, under any of its names.
func limitOf(t *testing.T, r request) int {
	t.Helper()
	var body struct {
		Old     int `json:"max_tokens"`
		New     int `json:"max_completion_tokens"`
		Options struct {
			Predict int `json:"num_predict"`
		}
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		t.Fatal(err)
	}
	return body.Old + body.New + body.Options.Predict
}

// budget is how many more tokens a model gets for its thoughts.
const budget = 4096

// Once a response shows in any way that the model thinks, further calls get a budget for that. A call
// whose tokens were used up by thoughts is repeated once.
func TestThinkingBudget(t *testing.T) {
	t.Parallel()
	const length = `"length"`
	for _, test := range []struct {
		name  string
		first string // response to the first request
		again bool   // the first call is repeated
	}{
		{"reasoning field", eventHead + thought("hm") + delta("He") + goodEnd, false},
		{"think tag", eventHead + delta("<think>hm</think>He") + goodEnd, false},
		{"thinking part", eventHead + part(`{"content":[{"type":"thinking","thinking":"hm"}]}`) + delta("He") + goodEnd, false},
		{"reasoning tokens", eventHead + delta("He") + lastPart(`"stop"`, `,"usage":{"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":5}}`) + done, false},
		{"cut in a reasoning field", eventHead + thought("hm") + lastPart(length, "") + done, true},
		{"cut in a tag", eventHead + delta("<think>hm") + lastPart(length, "") + done, true},
		{"cut without a word", eventHead + part(`{"content":""}`) + lastPart(length, "") + done, true},
		{"cut without a word, in a whole answer", labelled("application/json") + whole(`{"content":""}`, length, ""), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, raw(test.first), raw(eventHead+delta("He")+goodEnd))
			c := openAI(t, u)
			for range 2 {
				if text, _, err := ask(bounded(t), c); err != nil || text != "He" {
					t.Fatalf("got %q, %v", text, err)
				}
			}
			want := []int{askLimit, askLimit + budget}
			if test.again {
				want = append(want, askLimit+budget)
			}
			checkLimits(t, u, want...)
		})
	}
}

func checkLimits(t *testing.T, u *server, want ...int) {
	t.Helper()
	requests := u.Requests()
	if len(requests) != len(want) {
		t.Fatalf("%d requests, want %d", len(requests), len(want))
	}
	for i, r := range requests {
		if got := limitOf(t, r); got != want[i] {
			t.Errorf("request %d has the token limit %d, want %d", i+1, got, want[i])
		}
	}
}

// A reply that is cut because the model thinks first is asked for again with a budget.
func TestThinkingBudgetOfReply(t *testing.T) {
	t.Parallel()
	for provider, answers := range map[string][]script{
		"openai": {
			status(200, "", whole(`{"reasoning_content":"hm","content":`+quoted(goodReply[:9])+`}`, `"length"`, `,"usage":{"prompt_tokens":9,"completion_tokens":200}`)),
			status(200, "", completion(goodReply, "stop")),
		},
		"ollama": {
			raw(lineHead + partLine(`{"reasoning":"hm"}`) + `{"choices":[{"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":200}}` + "\n"),
			raw(lineHead + line(goodReply) + `{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}}` + "\n"),
		},
	} {
		u := listen(t, answers...)
		c := newModel(t, upstream.Config{Provider: provider, BaseURL: u.URL, OllamaHost: u.URL})
		result, err := reply(bounded(t), c)
		if err != nil {
			t.Fatal(err)
		}
		checkLimits(t, u, replyLimit, replyLimit+budget)
		if want := (upstream.Usage{Prompt: 18, Completion: 202}); result.Usage != want {
			t.Errorf("%s: the usage is %+v, want that of both requests, %+v", provider, result.Usage, want)
		}
	}
}

// A call is not repeated if its answer was cut, but not because of thoughts.
func TestNotRepeated(t *testing.T) {
	t.Parallel()
	u := listen(t, raw(eventHead+delta("He")+finish("length")+done))
	c := openAI(t, u)
	for range 2 {
		_, _, err := ask(bounded(t), c)
		checkKind(t, err, upstream.KindLength)
	}
	checkLimits(t, u, askLimit, askLimit)

	// Some text has been streamed.
	u = listen(t, raw(eventHead+thought("hm")+delta("He")+finish("length")+done))
	_, _, err := ask(bounded(t), openAI(t, u))
	checkKind(t, err, upstream.KindLength)
	checkLimits(t, u, askLimit)

	// The budget was used up as well.
	u = listen(t, raw(eventHead+thought("hm")+finish("length")+done))
	_, _, err = ask(bounded(t), openAI(t, u))
	checkKind(t, err, upstream.KindLength)
	checkLimits(t, u, askLimit, askLimit+budget)
}

// If a model is too small for the budget, the request is sent without it.
func TestBudgetRefused(t *testing.T) {
	t.Parallel()
	u := listen(t,
		raw(eventHead+thought("hm")+delta("He")+goodEnd),
		status(400, "", `{"object":"error","message":"max_tokens=4896 cannot be greater than the maximum context length of 4096","code":400}`),
		raw(eventHead+delta("He")+goodEnd))
	c := openAI(t, u)
	for range 3 {
		if _, _, err := ask(bounded(t), c); err != nil {
			t.Fatal(err)
		}
	}
	checkLimits(t, u, askLimit, askLimit+budget, askLimit, askLimit)
}

// If a prompt ends with the opening tag, the thoughts in the first stream look like an answer, so that
// call fails. The next answers are buffered until the closing tag arrives.
func TestClosingTagAlone(t *testing.T) {
	t.Parallel()
	thinks := raw(eventHead + characters("So they want ") + characters("a film.</think>\n\nHe") + characters("llo") + goodEnd)
	plain := raw(eventHead + delta("Hel") + delta("lo") + goodEnd)
	u := listen(t, thinks, thinks, plain, thinks)
	c := openAI(t, u)
	_, _, err := ask(bounded(t), c)
	checkKind(t, err, upstream.KindBadResponse)
	for i, want := range []string{"second", "plain", "last"} {
		if text, _, err := ask(bounded(t), c); err != nil || text != "Hello" {
			t.Errorf("%d, the %s answer: got %q, %v", i+2, want, text, err)
		}
	}

	// If the caller does not need the chunks, the first answer is right.
	if text, err := askBuffered(bounded(t), openAI(t, listen(t, thinks))); err != nil || text != "Hello" {
		t.Errorf("got %q, %v", text, err)
	}
	// So is the first answer of a model whose name says that it thinks.
	u = listen(t, thinks)
	named := newModel(t, upstream.Config{Provider: "openai", BaseURL: u.URL, Model: "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"})
	if text, _, err := ask(bounded(t), named); err != nil || text != "Hello" {
		t.Errorf("got %q, %v", text, err)
	}
}

// askBuffered asks a question for a caller that uses only the whole answer.
func askBuffered(ctx context.Context, m *upstream.Model) (string, error) {
	var text strings.Builder
	r := question("Why are cats funny?")
	r.Buffer = true
	r.Emit = func(chunk string) error {
		text.WriteString(chunk)
		return nil
	}
	_, err := m.Generate(ctx, r)
	return text.String(), err
}

// A model that does not think is streamed again, whatever its name says. The upstream sends the second
// chunk only after the first has arrived.
func TestPlainAnswersAreStreamed(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	u := listen(t, raw(eventHead+delta("a ")+delta("b")+goodEnd), func(conn net.Conn) {
		raw(eventHead + delta("a "))(conn)
		<-arrived
		raw(delta("b") + goodEnd)(conn)
	})
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: u.URL, Model: "think-tank"})
	if text, _, err := ask(bounded(t), c); err != nil || text != "a b" {
		t.Fatalf("got %q, %v", text, err)
	}
	var chunks []string
	_, err := generate(bounded(t), c, func(chunk string) error {
		if chunks = append(chunks, chunk); len(chunks) == 1 {
			close(arrived)
		}
		return nil
	})
	if err != nil || strings.Join(chunks, "|") != "a |b" {
		t.Errorf("got %q, %v", chunks, err)
	}
}

// Thoughts may be larger than an answer may be.
func TestManyThoughts(t *testing.T) {
	t.Parallel()
	hm := strings.Repeat(thought(strings.Repeat("hm ", 100)), 6000)
	u := listen(t, raw(eventHead+hm+delta("He")+goodEnd))
	if text, _, err := ask(bounded(t), openAI(t, u)); err != nil || text != "He" {
		t.Errorf("got %q, %v", text, err)
	}
	// But there is a limit.
	u = listen(t, raw(eventHead+strings.Repeat(hm, 10)))
	_, _, err := ask(bounded(t), openAI(t, u))
	checkKind(t, err, upstream.KindBadResponse)
}

// A text with tags may be cut at any position.
func TestTaggedTextSplit(t *testing.T) {
	t.Parallel()
	const text = "<think>a < b\n</think>\r\nHé <i>\x1b</i>"
	var events bytes.Buffer
	for cut := range len(text) {
		events.Reset()
		for _, chunk := range []string{text[:cut], text[cut:]} {
			raw := strings.NewReplacer("\n", `\n`, "\r", `\r`, "\x1b", `\u001b`).Replace(chunk)
			events.WriteString(part(`{"content":"` + raw + `"}`))
		}
		got, _, err := ask(bounded(t), openAI(t, listen(t, raw(eventHead+events.String()+goodEnd))))
		if err != nil || got != "Hé <i></i>" {
			t.Errorf("cut at %d: got %q, %v", cut, got, err)
		}
	}
}

// If the name of a model says that it thinks, and its answer is cut before a closing tag, the text may be
// thoughts. It is dropped, and the call is repeated with a budget.
func TestCutThoughtsWithoutTag(t *testing.T) {
	t.Parallel()
	s := listen(t, raw(eventHead+delta("So they want")+finish("length")+done), raw(eventHead+delta("So they want a film.</think>Hello")+goodEnd))
	m := newModel(t, upstream.Config{Provider: "openai", BaseURL: s.URL, Model: "deepseek-r1"})
	if text, _, err := ask(bounded(t), m); err != nil || text != "Hello" {
		t.Errorf("got %q, %v", text, err)
	}
	checkLimits(t, s, askLimit, askLimit+budget)
}

// thoughtTexts are texts with thoughts, and the answers in them.
var thoughtTexts = []struct{ name, text, want string }{
	{"nested", "<think>a <think>b</think> SECRET</think>Hello", "Hello"},
	{"nested twice", "<think>a <think>b</think> c <think>d</think> SECRET</think>\nHello", "Hello"},
	{"a tag is mentioned in the thoughts", "<think>I may use <think> here</think>Hello", "Hello"},
	{"channels with a role", "<|start|>assistant<|channel|>analysis<|message|>SECRET<|end|><|start|>assistant<|channel|>final<|message|>Hello", "Hello"},
	{"channels with a role, no thoughts", "<|start|>assistant<|channel|>final<|message|>Hello", "Hello"},
	{"role, then a tag", "<|im_start|>assistant\n<think>SECRET</think>Hello", "Hello"},
	{"invisible ones before the tag", "\u200b\u2060\u00ad \u034f\u00a0<think>SECRET</think>Hello", "Hello"},
	{"variation selector before the tag", "\ufe0f\u3164<think>SECRET</think>Hello", "Hello"},
	{"label before the tag", "Assistant: <think>SECRET</think>Hello", "Assistant: Hello"},
	{"sentence before the tag", "Let me see. <think>SECRET</think>Hello", "Let me see. Hello"},
	{"line before the tag", "Sure\n<think>SECRET\n</think>\n\nHello", "Sure\nHello"},
	{"two thoughts after a sentence", "Hm… <think>SECRET</think>\n<think>SECRET</think>Hello", "Hm… Hello"},
	{"mention in a sentence", "Say <think> and </think> aloud", "Say <think> and </think> aloud"},
	{"mention that is not closed", "Note: <think> opens a thought.", "Note: <think> opens a thought."},
	{"mention after two lines", "One.\nTwo.\n<think>a</think> b", "One.\nTwo.\n<think>a</think> b"},
	{"mention after a long line", strings.Repeat("Long ", 30) + "line. <think>a</think> b", strings.Repeat("Long ", 30) + "line. <think>a</think> b"},
	{"mention of a closing tag", "In XML you close with </think> tag", "In XML you close with </think> tag"},
	{"mention of a closing tag at the end", "In XML you close with </think>", "In XML you close with </think>"},
	{"mention of a closing tag in quotes", "Write `</think>` there, and \"</think>\" here.", "Write `</think>` there, and \"</think>\" here."},
	{"closing tag that no template opens", "In XML you close with </analysis> tag", "In XML you close with </analysis> tag"},
	{"closing tags that no template opens", "Use </reasoning>\nor </thought>.\n</scratchpad>\n</reflection>", "Use </reasoning>\nor </thought>.\n</scratchpad>\n</reflection>"},
}

// Thoughts are removed in odd places too, whether the text arrives in one chunk or character by character.
func TestThoughtTexts(t *testing.T) {
	t.Parallel()
	for _, test := range thoughtTexts {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, events := range []string{delta(test.text), characters(test.text)} {
				text, _, err := ask(bounded(t), openAI(t, listen(t, raw(eventHead+events+goodEnd))))
				if err != nil || text != test.want {
					t.Errorf("got %q, %v, want %q", text, err, test.want)
				}
				text, err = askBuffered(bounded(t), openAI(t, listen(t, raw(eventHead+events+goodEnd))))
				if err != nil || text != test.want {
					t.Errorf("buffered: got %q, %v, want %q", text, err, test.want)
				}
			}
		})
	}
}

// A client that makes the model print a closing tag does not affect the answers of other clients: whole
// ones, cut ones with the text so far, and soon streamed ones again.
func TestEchoedClosingTag(t *testing.T) {
	t.Parallel()
	echoed := raw(eventHead + characters("Here it is.\n</think>\nDone") + goodEnd)
	cut := raw(eventHead + delta("Hel") + delta("lo") + finish("length") + done)
	plain := raw(eventHead + delta("Hello") + goodEnd)
	arrived := make(chan struct{})
	streamed := func(conn net.Conn) {
		raw(eventHead + delta("a "))(conn)
		<-arrived
		raw(delta("b") + goodEnd)(conn)
	}
	u := listen(t, echoed, cut, cut, cut, plain, streamed)
	c := openAI(t, u)
	_, _, err := ask(bounded(t), c)
	checkKind(t, err, upstream.KindBadResponse) // not silently
	for i := range 3 {
		text, result, err := ask(bounded(t), c)
		if checkKind(t, err, upstream.KindLength); text != "Hello" || result.FinishReason != "length" {
			t.Errorf("cut answer %d: got %q, %+v", i, text, result)
		}
	}
	if text, _, err := ask(bounded(t), c); err != nil || text != "Hello" {
		t.Errorf("got %q, %v", text, err)
	}
	first := true
	_, err = generate(bounded(t), c, func(string) error {
		if first {
			close(arrived)
		}
		first = false
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// If the name of a model says that it thinks, and its tokens run out before a tag shows what its text is,
// it is asked again with a budget, and that text is shown.
func TestCutThoughts(t *testing.T) {
	t.Parallel()
	u := listen(t, raw(eventHead+delta("So they")+finish("length")+done), raw(eventHead+delta("So they want a film")+finish("length")+done))
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: u.URL, Model: "deepseek-r1"})
	text, result, err := ask(bounded(t), c)
	if checkKind(t, err, upstream.KindLength); text != "So they want a film" || result.FinishReason != "length" {
		t.Errorf("got %q, %+v", text, result)
	}
	checkLimits(t, u, askLimit, askLimit+budget)
	// Thoughts with another tag in them, or after a sentence, are not shown although they are cut.
	for _, thoughts := range []string{"<think>a <think>b</think> SECRET", "Let me see. <think>SECRET"} {
		u = listen(t, raw(eventHead+delta(thoughts)+finish("length")+done))
		text, _, err := ask(bounded(t), openAI(t, u))
		if checkKind(t, err, upstream.KindLength); strings.Contains(text, "SECRET") {
			t.Errorf("got %q", text)
		}
	}
}
