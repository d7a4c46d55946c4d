package upstream

import (
	"regexp"
	"sync"
)

// replyFormat is how an upstream is made to reply in JSON, the strongest format first. An upstream
// that refuses a format is asked for the next weaker one from then on.
type replyFormat int

const (
	formatSchema replyFormat = iota // the reply follows a JSON Schema
	formatObject                    // the reply is some JSON object
	formatPrompt                    // only the prompt asks for JSON
)

func (f replyFormat) String() string {
	return [...]string{"schema", "object", "prompt"}[f]
}

// optional is a part of a request that an upstream may refuse and that the answer can do without.
type optional int

// The optional parts, in the order in which they are left out if an error does not say which one is
// refused.
const (
	optFormat         optional = iota // the reply format
	optUsage                          // stream_options, which asks for the usage
	optSampling                       // temperature and top_p
	optThinkingBudget                 // the part of the token limit that is meant for thoughts
	optTokenField                     // the usual name of the token limit. Without it, the other name is used
	optNullContent                    // null for the text of a message that only calls tools. Without it, the text is empty
	optTools                          // the tools
	optionalCount
)

func (o optional) String() string {
	return [...]string{"reply format", "stream options", "temperature", "tokens for thoughts", "name of the token limit", "content of null", "tools"}[o]
}

// optionalNames are what upstreams call the optional parts. They only decide what is tried first.
var optionalNames = [optionalCount]*regexp.Regexp{
	optFormat:         regexp.MustCompile(`response_?format|json.?schema|grammar|structured|invalid format|\.format\b`),
	optUsage:          regexp.MustCompile(`stream_?options|include_usage`),
	optSampling:       regexp.MustCompile(`temperature|top_?p\b|sampling`),
	optTokenField:     regexp.MustCompile(`max_(completion_)?tokens`),
	optNullContent:    regexp.MustCompile(`\bcontent\b`),
	optTools:          regexp.MustCompile(`\btools?\b|tool_|tool-|function`),
	optThinkingBudget: regexp.MustCompile(`too large|too many|at most|exceed|greater than|maximum`),
}

// mentioned returns the optional parts that the words of an error mention, which are in lower case.
func mentioned(text string) (found [optionalCount]bool) {
	for o, names := range optionalNames {
		found[o] = names.MatchString(text)
	}
	return found
}

// shape records how much of each optional part of a request is left out. 0 means that it is sent in full.
type shape [optionalCount]int

func (s shape) format() replyFormat     { return replyFormat(s[optFormat]) }
func (s shape) without(o optional) bool { return s[o] > 0 }

// with returns the shape with one part left out to the given degree.
func (s shape) with(o optional, degree int) shape {
	s[o] = degree
	return s
}

// acceptedShape is the strongest shape that an upstream accepts, as far as the calls have shown.
type acceptedShape struct {
	mu    sync.Mutex
	shape shape
}

func (a *acceptedShape) get() shape {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.shape
}

// weaken takes a shape that was accepted after a stronger one was refused. It returns the names of the
// parts that turned out to be refused.
func (a *acceptedShape) weaken(s shape) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var refused []string
	for o := range optionalCount {
		if s[o] > a.shape[o] {
			a.shape[o] = s[o]
			refused = append(refused, o.String())
		}
	}
	return refused
}
