package llm_test

import (
	"testing"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

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
	text, result, err = ask(bounded(t), c)
	checkKind(t, err, llm.KindTruncated)
	want = llm.Result{Model: "gpt-4o-mini", Provider: "openai", Prompt: result.Prompt}
	if text != "He" || result != want {
		t.Errorf("got %q, %+v, want %+v", text, result, want)
	}
}
