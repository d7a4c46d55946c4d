package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// statement is a statement under construction.
type statement struct {
	conditions []string
	slow       []string // more conditions, which cost much for each row
	args       []any
}

// arg adds an argument and returns its placeholder.
func (s *statement) arg(value any) string {
	s.args = append(s.args, value)
	return placeholder(len(s.args))
}

func placeholder(n int) string { return "$" + strconv.Itoa(n) }

// where adds a condition if it is set. The condition numbers its own arguments from $1. They are converted even if it
// is not set, so a condition whose arguments cost something stands in an if.
func (s *statement) where(set bool, condition string, args ...any) {
	if set {
		s.conditions = append(s.conditions, s.numbered(condition, args))
	}
}

// whereSlow is where for a condition that costs much for each row. Capped counts test it last.
func (s *statement) whereSlow(set bool, condition string, args ...any) {
	if set {
		s.slow = append(s.slow, s.numbered(condition, args))
	}
}

// whereAny is where for a list of values, if there are any.
func (s *statement) whereAny(values []string, condition string) {
	if len(values) > 0 {
		s.where(true, condition, values)
	}
}

// numbered returns a condition with the numbers that its arguments have in the statement.
func (s *statement) numbered(condition string, args []any) string {
	first := len(s.args)
	s.args = append(s.args, args...)
	switch {
	case first == 0 || len(args) == 0:
		return condition
	case len(args) == 1: // as most
		return strings.ReplaceAll(condition, placeholder(1), placeholder(first+1))
	}
	var marks []string
	for i := range args {
		marks = append(marks, placeholder(1+i), placeholder(first+1+i))
	}
	return strings.NewReplacer(marks...).Replace(condition)
}

// all returns the conditions as one.
func (s *statement) all() string { return and(slices.Concat(s.conditions, s.slow)) }

func and(conditions []string) string { return strings.Join(conditions, "\n\tAND ") }

// intern joins the parts of a statement. It keeps the result, because most requests need one of a few statements.
func intern(parts ...string) string {
	buffer := statementBuffers.Get().(*[]byte)
	defer statementBuffers.Put(buffer)
	joined := (*buffer)[:0]
	for _, part := range parts {
		joined = append(joined, part...)
	}
	*buffer = joined
	interned.RLock()
	text, ok := interned.byKey[string(joined)]
	interned.RUnlock()
	if ok {
		return text
	}
	text = string(joined)
	return interned.keep(text, text)
}

var (
	statementBuffers = sync.Pool{New: func() any { return new([]byte) }}
	interned         texts // each by itself
)

// texts are the statements that are kept.
type texts struct {
	sync.RWMutex
	byKey map[string]string
}

const (
	// maxTexts is the number of statements that are kept. FilmQuery can write many more than are in use.
	maxTexts = 1000
	// maxKeptText is the size of the largest one, in bytes. Those of a page have 1 to 4 KB, unless they have many conditions.
	maxKeptText = 8 << 10
)

// keep keeps a text, unless it is very long, and returns it.
func (t *texts) keep(key, text string) string {
	if len(text) > maxKeptText {
		return text
	}
	t.Lock()
	defer t.Unlock()
	if kept, ok := t.byKey[key]; ok {
		return kept
	}
	if t.byKey == nil || len(t.byKey) >= maxTexts {
		t.byKey = map[string]string{}
	}
	t.byKey[key] = text
	return text
}

// Range are the bounds of a value. Nil is no bound.
type Range[T any] struct{ Min, Max *T }

// where compares with the bounds as the type. As a numeric, an amount with more places than the column has is
// exact.
func (r Range[T]) where(s *statement, value, as string) {
	if r.Min != nil {
		s.where(true, value+` >= $1::text::`+as, fmt.Sprint(*r.Min))
	}
	if r.Max != nil {
		s.where(true, value+` <= $1::text::`+as, fmt.Sprint(*r.Max))
	}
}

// faults returns what is wrong with the bounds of the parameter with this name.
func (r Range[T]) faults(name string, compare func(a, b T) int) []QueryFault {
	if r.Min == nil || r.Max == nil || compare(*r.Min, *r.Max) <= 0 {
		return nil
	}
	detail := name + "_min is greater than " + name + "_max"
	return []QueryFault{{name + "_min", detail}, {name + "_max", detail}}
}
