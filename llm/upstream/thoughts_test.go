package upstream_test

import (
	"bytes"
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

// TestThinkingBudget has models that think, although their names do not say so. Once a response shows
// it in any way, further calls get a budget. A call whose tokens were used up is repeated once.
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

// TestThinkingBudgetOfReply has a reply that is cut because the model thinks first.
func TestThinkingBudgetOfReply(t *testing.T) {
	t.Parallel()
	for provider, answers := range map[string][]script{
		"openai": {
			status(200, "", whole(`{"reasoning_content":"hm","content":`+quoted(goodReply[:9])+`}`, `"length"`, `,"usage":{"prompt_tokens":9,"completion_tokens":200}`)),
			status(200, "", completion(goodReply, "stop")),
		},
		"ollama": {
			raw(lineHead + messageLine(`{"thinking":"hm"}`) + `{"done":true,"done_reason":"length","prompt_eval_count":9,"eval_count":200}` + "\n"),
			raw(lineHead + line(goodReply) + `{"done":true,"done_reason":"stop","prompt_eval_count":9,"eval_count":2}` + "\n"),
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

// TestNotRepeated has calls that are not repeated: the answer was cut, but not because of thoughts.
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

// TestBudgetRefused has a server whose model is too small for the budget. The request is sent without
// it.
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

// TestClosingTagAlone has a model whose prompt ends with the opening tag. In the first stream its thoughts
// look like an answer, so it fails. The next answers are buffered until the closing tag arrives.
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

	// If the caller does not need the pieces, the first answer is right.
	var text strings.Builder
	r := question("Why are cats funny?")
	r.Buffer = true
	r.Emit = func(piece string) error {
		text.WriteString(piece)
		return nil
	}
	if _, err := openAI(t, listen(t, thinks)).Generate(bounded(t), r); err != nil || text.String() != "Hello" {
		t.Errorf("got %q, %v", text.String(), err)
	}
	// So is the first answer of a model whose name says that it thinks.
	u = listen(t, thinks)
	named := newModel(t, upstream.Config{Provider: "openai", BaseURL: u.URL, Model: "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"})
	if text, _, err := ask(bounded(t), named); err != nil || text != "Hello" {
		t.Errorf("got %q, %v", text, err)
	}
}

// TestPlainAnswersAreStreamed has a model with such a name that does not think. The upstream sends the
// second piece only after the first has arrived.
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
	var pieces []string
	_, err := generate(bounded(t), c, func(piece string) error {
		if pieces = append(pieces, piece); len(pieces) == 1 {
			close(arrived)
		}
		return nil
	})
	if err != nil || strings.Join(pieces, "|") != "a |b" {
		t.Errorf("got %q, %v", pieces, err)
	}
}

// TestManyThoughts has a model whose thoughts are larger than an answer may be.
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

// TestTaggedTextSplit cuts a text with tags at every position.
func TestTaggedTextSplit(t *testing.T) {
	t.Parallel()
	const text = "<think>a < b\n</think>\r\nHé <i>\x1b</i>"
	var events bytes.Buffer
	for cut := range len(text) {
		events.Reset()
		for _, piece := range []string{text[:cut], text[cut:]} {
			raw := strings.NewReplacer("\n", `\n`, "\r", `\r`, "\x1b", `\u001b`).Replace(piece)
			events.WriteString(part(`{"content":"` + raw + `"}`))
		}
		got, _, err := ask(bounded(t), openAI(t, listen(t, raw(eventHead+events.String()+goodEnd))))
		if err != nil || got != "Hé <i></i>" {
			t.Errorf("cut at %d: got %q, %v", cut, got, err)
		}
	}
}

// TestCutThoughtsWithoutTag has a model whose name says that it thinks, and whose answer is cut before a
// closing tag. The text may be thoughts, so it is dropped and the call is repeated with a budget.
func TestCutThoughtsWithoutTag(t *testing.T) {
	t.Parallel()
	s := listen(t, raw(eventHead+delta("So they want")+finish("length")+done), raw(eventHead+delta("So they want a film.</think>Hello")+goodEnd))
	m := newModel(t, upstream.Config{Provider: "openai", BaseURL: s.URL, Model: "deepseek-r1"})
	if text, _, err := ask(bounded(t), m); err != nil || text != "Hello" {
		t.Errorf("got %q, %v", text, err)
	}
	checkLimits(t, s, askLimit, askLimit+budget)
}
