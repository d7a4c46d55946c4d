package llm_test

import (
	"testing"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

// A part of an answer is not returned.
func TestHandoffFails(t *testing.T) {
	t.Parallel()
	for want, script := range map[llm.Kind]upstreamtest.Script{
		llm.KindTruncated: upstreamtest.Raw(upstreamtest.EventHead + upstreamtest.Delta("He")),
		llm.KindLength:    upstreamtest.Raw(upstreamtest.EventHead + upstreamtest.Delta("He") + upstreamtest.Finish("length") + upstreamtest.Done),
		llm.KindAuth:      upstreamtest.Status(401, "", ""),
	} {
		got, err := openAI(t, listen(t, script)).Handoff(bounded(t), llm.Question{Text: "Why?", Tools: &shelf{}})
		checkKind(t, err, want)
		if got.Answer != "" {
			t.Errorf("a part of an answer is returned: %+v", got)
		}
	}
}
