package upstream

import "sync/atomic"

const (
	// thinkingBudget is how many tokens a thinking model gets in addition to the limit of the answer,
	// since it counts its thoughts as part of the answer.
	thinkingBudget = 4096
	// bufferedAnswers is how many answers are buffered after one whose thoughts had no opening tag.
	bufferedAnswers = 8
)

// thinking is what the calls so far have shown about how the model thinks.
type thinking struct {
	// thinks is set if the model thinks, and so needs a budget for that.
	thinks atomic.Bool
	// buffered is how many more answers are buffered until it is certain that they are not thoughts. It
	// is for models whose prompt ends with the opening tag, so that only the closing tag is seen. While
	// such thoughts arrive, nothing else distinguishes them from an answer.
	buffered atomic.Int32
}

// learn remembers what an answer has shown.
func (t *thinking) learn(h *thoughts, whole bool) {
	switch {
	case h.untagged:
		t.buffered.Store(bufferedAnswers)
	case h.suspect && whole && !h.seen:
		t.buffered.Add(-1)
	}
}
