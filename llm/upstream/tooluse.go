package upstream

import (
	"regexp"
	"sync/atomic"
)

// toolUse is what is known about whether the model calls the tools that it is offered.
type toolUse struct {
	called  atomic.Bool  // it has called one
	ignored atomic.Int32 // the answers for which it should have called one
}

// maxIgnored is how many answers without a call show that a model cannot call tools. Only questions with a condition
// for films count, and only until the first call.
const maxIgnored = 3

// writtenCall matches the beginning of a call that a model writes into its text, because its server does not
// know the form in which the model calls tools.
var writtenCall = regexp.MustCompile("^(?s:\\s*)(?:```(?:json|tool_call|tool_code)?\\s*)?" +
	`(?:<tool_call|<function|<\|?tool|<\|python_tag\||\[TOOL_CALLS\]|\{\s*"(?:name|function|tool_calls?)"\s*:)`)

// CallsTools reports whether the model is known to call tools: it has done so, or it is a local model.
func (m *Model) CallsTools() bool { return m.Local() || m.use.called.Load() }

// ToolsIgnored records that the model should have called a tool, and answered without a call. The third such
// answer of a model that has never called one has the effect of a refusal of the tools.
func (m *Model) ToolsIgnored() {
	if !m.CallsTools() && m.use.ignored.Add(1) >= maxIgnored {
		m.forgoTools()
	}
}

// forgoTools stops offering tools.
func (m *Model) forgoTools() {
	if m.doer != nil {
		m.doer.accepted.weaken(m.doer.accepted.get().with(optTools, 1))
	}
}
