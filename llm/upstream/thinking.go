package upstream

import "sync/atomic"

const (
	// thinkingBudget is how many tokens a thinking model gets in addition to the limit of the answer,
	// since it counts its thoughts as part of the answer.
	thinkingBudget = 4096
	// bufferedAnswers is how many answers are buffered after two whose thoughts had no opening tag.
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

// learn remembers what an answer has shown. The question may have made the model write a tag, so after one
// closing tag alone only the next answer is buffered, and further ones only if that answer confirms it.
func (t *thinking) learn(h *thoughts) {
	switch {
	case h.untagged && h.suspected:
		t.buffered.Store(bufferedAnswers)
	case h.untagged:
		t.buffered.CompareAndSwap(0, 1)
	case h.suspected:
		t.countDown()
	}
}

// countDown reduces the number of answers to buffer by one.
func (t *thinking) countDown() {
	for n := t.buffered.Load(); n > 0 && !t.buffered.CompareAndSwap(n, n-1); n = t.buffered.Load() {
	}
}
