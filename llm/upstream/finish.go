package upstream

import (
	"regexp"
	"slices"
	"strings"
)

// The finish reasons of an [Answer].
const (
	finishStop   = "stop"
	finishLength = "length"
	finishCalls  = "tool_calls"
)

// callReasons are finish reasons that announce calls of tools, in lower case and without separators.
var callReasons = regexp.MustCompile(`^(finishreason)?(tools?|toolcalls?|tooluse|functions?|functioncalls?)$`)

// finishOfCalls is finishOf for an answer with calls of tools, which servers end with all kinds of reasons. Calls
// that are complete are used even if the answer was cut after them or has no reason at all.
func finishOfCalls(reason string, c *calls) (name string, kind Kind) {
	name, kind = finishOf(reason)
	switch {
	case kind == KindLength && !c.closed(false), name == "" && kind == "" && !c.closed(true):
		return name, kind
	case kind == "", kind == KindLength, callReasons.MatchString(plainReason(reason)):
		return finishCalls, ""
	}
	return name, kind
}

// finishReasons classify finish reasons by the words in them, in lower case and without separators.
// The first row that matches applies.
//
// A reason that matches no row means a whole answer. Every server has its own words for that
// ("eos_token", "end_turn"), and any reason says that the answer has ended. So the only question is
// whether the reason says that the answer was cut or withheld, or that it is unknown how it ended.
var finishReasons = []struct {
	words *regexp.Regexp
	kind  Kind
}{
	{regexp.MustCompile(`error|fail|abort|cancel|interrupt|timeout|overload|insufficient|preempt|shutdown|kill|expire`), KindUnavailable},
	{regexp.MustCompile(`filter|safety|moderat|prohibit|block|refus|sensitive|guardrail|recitation|spii|policy|violat|language`), KindFiltered},
	{regexp.MustCompile(`tool|function|^(un)?load$|pause`), KindBadResponse}, // it ended with something unrequested, such as a tool call
	{regexp.MustCompile(`length|max|limit|truncat|incomplete|exceed|cutoff|budget`), KindLength},
	{regexp.MustCompile(`other$|unspecified|unknown|undefined|repetition|loop`), KindBadResponse}, // it does not say that the answer is whole
}

// separators are what upstreams put between the words of a finish reason.
var separators = strings.NewReplacer("_", "", "-", "", " ", "", ".", "")

// plainReason is a finish reason in lower case and without separators.
func plainReason(reason string) string { return separators.Replace(strings.ToLower(reason)) }

// finishOf reads a finish reason. It returns the name that callers get, which is empty if there is no
// reason, and the kind of error that the reason means, which is empty for a whole answer.
func finishOf(reason string) (name string, kind Kind) {
	words := plainReason(reason)
	switch words {
	case "", "null", "none":
		return "", ""
	}
	for _, row := range finishReasons {
		if row.words.MatchString(words) {
			if row.kind == KindLength {
				return finishLength, KindLength
			}
			return strings.ToLower(identifier(reason, "")), row.kind
		}
	}
	return finishStop, ""
}

// bySeverity has the kinds of error that finish reasons mean, the worst last.
var bySeverity = []Kind{"", KindLength, KindBadResponse, KindFiltered, KindUnavailable}

// worseReason returns the worse of two finish reasons, or the first if they are equally bad. Some
// servers send an empty reason after the last one, and some end every answer with "stop", even one
// that was cut or withheld.
func worseReason(a, b string) string {
	kindA, okA := kindOfReason(a)
	kindB, okB := kindOfReason(b)
	switch {
	case !okB:
		return a
	case !okA, slices.Index(bySeverity, kindB) > slices.Index(bySeverity, kindA):
		return b
	}
	return a
}

// kindOfReason returns the kind of error that a finish reason means, and whether there is a reason.
func kindOfReason(reason string) (kind Kind, ok bool) {
	name, kind := finishOf(reason)
	return kind, name != "" || kind != ""
}
