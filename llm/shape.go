package llm

import (
	"net/http"
	"regexp"
	"slices"
	"sync"
)

// replyFormat is how an upstream is made to reply in JSON, strongest first. One that refuses a
// format is asked for the next weaker one from then on.
type replyFormat int

const (
	formatSchema replyFormat = iota // the reply follows a JSON Schema
	formatObject                    // the reply is some JSON object
	formatPrompt                    // only the prompt asks for JSON
)

func (f replyFormat) String() string {
	return [...]string{"schema", "object", "prompt"}[f]
}

// extra is a part of a request that an upstream may refuse, and that the answer can do without.
type extra int

// The extras, in the order in which they are left out where nothing says which one is refused.
const (
	extraFormat     extra = iota // the reply's format
	extraUsage                   // stream_options, which asks for the usage
	extraSampling                // temperature and top_p
	extraRoom                    // room for thoughts in the token limit
	extraTokenField              // the usual name of the token limit; without it, the other name
	extras
)

func (e extra) String() string {
	return [...]string{"reply format", "stream options", "temperature", "room for thoughts", "name of the token limit"}[e]
}

// extraWords are what upstreams call the extras. They choose what is tried first, and nothing else.
var extraWords = [extras]*regexp.Regexp{
	extraFormat:     regexp.MustCompile(`response_?format|json.?schema|grammar|structured|invalid format|\.format\b`),
	extraUsage:      regexp.MustCompile(`stream_?options|include_usage`),
	extraSampling:   regexp.MustCompile(`temperature|top_?p\b|sampling`),
	extraTokenField: regexp.MustCompile(`max_(completion_)?tokens`),
	extraRoom:       regexp.MustCompile(`too large|too many|at most|exceed|greater than|maximum`),
}

// named are the extras that an upstream's error has a word of, in lower case.
func named(text string) (found [extras]bool) {
	for e, words := range extraWords {
		found[e] = words.MatchString(text)
	}
	return found
}

// shape says how far each extra is left out: 0 not at all.
type shape [extras]int

func (s shape) format() replyFormat  { return replyFormat(s[extraFormat]) }
func (s shape) without(e extra) bool { return s[e] > 0 }

// with is the shape with one extra left out as far as said.
func (s shape) with(e extra, step int) shape {
	s[e] = step
	return s
}

// lesson is the shape that an upstream takes, as far as the calls have found out.
type lesson struct {
	mu    sync.Mutex
	shape shape
}

func (l *lesson) get() shape {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shape
}

// add takes a shape that has succeeded where a stronger one was refused. It returns what is new.
func (l *lesson) add(s shape) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var news []string
	for e := range extras {
		if s[e] > l.shape[e] {
			l.shape[e] = s[e]
			news = append(news, e.String())
		}
	}
	return news
}

// maxShapes bounds the requests that are tried for one call.
const maxShapes = 7

// search finds the shape of a request that an upstream takes, by trying. A weaker request that
// succeeds is the proof that the extra was refused; if all fail, something else was.
type search struct {
	strongest shape // what is tried first
	weakest   shape // what the request can do without
	current   shape
	tried     []shape
	first     *Error // the error of the strongest
	failed    bool   // a server error came before that named nothing
}

func newSearch(known, weakest shape) *search {
	for e := range extras {
		weakest[e] = max(weakest[e], known[e])
	}
	return &search{strongest: known, weakest: weakest, current: known, tried: []shape{known}}
}

// weaken goes on to the next shape, if the error may be about an extra.
func (s *search) weaken(e *Error) bool {
	may := s.suspects(e)
	for _, next := range s.options(e, may) {
		if len(s.tried) == maxShapes || slices.Contains(s.tried, next) {
			continue
		}
		if s.first == nil {
			s.first = e
		}
		s.current = next
		s.tried = append(s.tried, next)
		return true
	}
	return false
}

// suspects are the extras that an error may be about. Most errors are about something else: the key,
// the model, the length of the prompt, what it says.
func (s *search) suspects(e *Error) (may [extras]bool) {
	switch {
	case e.Kind == KindRejected && mayRefuse(e.refusal.status) && (e.refusal.said || e.refusal.status != http.StatusNotFound):
		for i := range may {
			may[i] = true
		}
	case e.Kind == KindTooLong:
		may[extraRoom] = true
	case e.refusal.status == http.StatusNotImplemented, e.refusal.status == http.StatusInternalServerError:
		// Some servers fail over a format instead of refusing it. But most such failures pass, so one
		// that does not name the format is taken for such a failure the first time.
		may[extraFormat] = s.failed || e.refusal.named[extraFormat] || e.refusal.status == http.StatusNotImplemented
		s.failed = true
	}
	return may
}

// options are the shapes to try, best first: without what the error names, beside what has been left
// out already; without one extra; without any.
func (s *search) options(e *Error, may [extras]bool) []shape {
	var options []shape
	last := s.strongest
	for i := range extras {
		if may[i] && e.refusal.named[i] && s.current[i] < s.weakest[i] {
			options = append(options, s.current.with(i, s.current[i]+1))
		}
	}
	for i := range extras {
		if !may[i] {
			continue
		}
		for step := s.strongest[i] + 1; step <= s.weakest[i]; step++ {
			options = append(options, s.strongest.with(i, step))
		}
		last[i] = s.weakest[i]
	}
	return append(options, last)
}

// err is what a call failed with that no shape has helped. What the last error says is what the call
// fails for, whatever the first one found fault with.
func (s *search) err(e *Error) *Error {
	words := e.refusal.words
	if s.first != nil && e.Kind == s.first.Kind {
		e = s.first
	}
	return e.worded(words)
}
