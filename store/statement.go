package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
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
	return "$" + strconv.Itoa(len(s.args))
}

// where adds a condition if it is set. The condition numbers its own arguments from $1.
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

// numbered returns a condition with the numbers that its arguments have in the statement.
func (s *statement) numbered(condition string, args []any) string {
	var marks []string
	for i, value := range args {
		marks = append(marks, "$"+strconv.Itoa(i+1), s.arg(value))
	}
	return strings.NewReplacer(marks...).Replace(condition)
}

// all returns the conditions as one.
func (s *statement) all() string { return and(slices.Concat(s.conditions, s.slow)) }

func and(conditions []string) string { return strings.Join(conditions, "\n\tAND ") }

// Range are the bounds of a value. Nil is no bound.
type Range[T any] struct{ Min, Max *T }

// where compares with the bounds as the type. As a numeric, an amount with more places than the column has is
// exact.
func (r Range[T]) where(s *statement, value, as string) {
	s.where(r.Min != nil, value+` >= $1::text::`+as, text(r.Min))
	s.where(r.Max != nil, value+` <= $1::text::`+as, text(r.Max))
}

func text[T any](value *T) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(*value)
}

// faults returns what is wrong with the bounds of the parameter with this name.
func (r Range[T]) faults(name string, compare func(a, b T) int) []QueryFault {
	if r.Min == nil || r.Max == nil || compare(*r.Min, *r.Max) <= 0 {
		return nil
	}
	detail := name + "_min is greater than " + name + "_max"
	return []QueryFault{{name + "_min", detail}, {name + "_max", detail}}
}
