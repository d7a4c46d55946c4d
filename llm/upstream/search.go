package upstream

import (
	"net/http"
	"slices"
)

// maxShapes limits the requests that are tried for one call.
const maxShapes = 9

// search finds out, by trying, which shape of a request an upstream accepts. If a weaker request succeeds,
// that proves that the part was refused. If all of them fail, the cause was something else.
type search struct {
	strongest shape // is tried first
	weakest   shape // leaves out all that the request can do without
	current   shape
	tried     []shape
	first     *Error // the error of the strongest shape
	failed    bool   // there was a server error that mentioned no part
}

func newSearch(known, weakest shape) *search {
	for o := range optionalCount {
		weakest[o] = max(weakest[o], known[o])
	}
	return &search{strongest: known, weakest: weakest, current: known, tried: []shape{known}}
}

// weaken moves on to the next shape if the error may be about an optional part.
func (s *search) weaken(e *Error) bool {
	suspects := s.suspects(e)
	for _, next := range s.candidates(e, suspects) {
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

// suspects are the parts that an error may be about. Most errors are about something else: the key,
// the model, the length or the content of the prompt.
func (s *search) suspects(e *Error) (suspects [optionalCount]bool) {
	switch {
	case e.Kind == KindRejected && mayRefusePart(e.refusal.status) && (e.refusal.hasWords || e.refusal.status != http.StatusNotFound):
		for o := range suspects {
			suspects[o] = true
		}
		// Without the tools the prompt would be shorter, which does not mean that they are refused.
		suspects[optTools] = e.refusal.kindByWords != KindTooLong
	case e.Kind == KindTooLong:
		suspects[optThinkingBudget] = true
	case e.refusal.status == http.StatusNotImplemented, e.refusal.status == http.StatusInternalServerError:
		// Some servers fail on a format instead of refusing it. But most server errors are temporary, so
		// the first one that does not mention the format is taken for a temporary one.
		suspects[optFormat] = s.failed || e.refusal.named[optFormat] || e.refusal.status == http.StatusNotImplemented
		suspects[optTools] = e.refusal.named[optTools] || e.refusal.status == http.StatusNotImplemented
		s.failed = true
	}
	return suspects
}

// candidates are the shapes to try, the best first: without what the error mentions, in addition to
// what is left out already; without one suspect; without all suspects, but if possible with the tools. An
// answer without tools is a different one.
func (s *search) candidates(e *Error, suspects [optionalCount]bool) []shape {
	var candidates []shape
	last := s.strongest
	for o := range optionalCount {
		if suspects[o] && e.refusal.named[o] && s.current[o] < s.weakest[o] {
			candidates = append(candidates, s.current.with(o, s.current[o]+1))
		}
	}
	for o := range optionalCount {
		if !suspects[o] {
			continue
		}
		for degree := s.strongest[o] + 1; degree <= s.weakest[o]; degree++ {
			candidates = append(candidates, s.strongest.with(o, degree))
		}
		last[o] = s.weakest[o]
	}
	return append(candidates, last.with(optTools, s.strongest[optTools]), last)
}

// err returns the error of a call for which every shape failed. The words of the last error decide its
// kind, whatever the first one complained about.
func (s *search) err(e *Error) *Error {
	words := e.refusal.kindByWords
	if s.first != nil && e.Kind == s.first.Kind {
		e = s.first
	}
	return e.withKindByWords(words)
}
